//! The hand-written part of the demo: a small cooperative that builds a field station and a sensor buoy on a rocky coast.
//! `{+n}` in a text stands for the date n days after its message, so the story always lies in the last months.

/// One conversation with its messages in order.
pub struct Conversation {
    pub id: &'static str,
    pub user: &'static str,
    pub title: &'static str,
    /// Days before today on which it began.
    pub days_ago: i64,
    pub messages: &'static [Message],
}

/// (role, who, text)
pub type Message = (&'static str, &'static str, &'static str);

/// The people who do most of the talking: (name, role).
pub const PEOPLE: &[(&str, &str)] = &[
    ("Maren Oduya", "project lead"),
    ("Tomas Lindqvist", "hardware engineer"),
    ("Priya Raman", "marine biologist"),
    ("Jonah Beck", "software engineer"),
    ("Aiko Tanabe", "data scientist"),
    ("Elise Fournier", "permits and operations"),
    ("Samuel Okafor", "boats and site"),
    ("Nadia Haddad", "grants and finance"),
];

const MAREN: &str = "Maren Oduya";
const TOMAS: &str = "Tomas Lindqvist";
const PRIYA: &str = "Priya Raman";
const JONAH: &str = "Jonah Beck";
const AIKO: &str = "Aiko Tanabe";
const ELISE: &str = "Elise Fournier";
const SAMUEL: &str = "Samuel Okafor";
const NADIA: &str = "Nadia Haddad";
const USER: &str = "user";
const HELPER: &str = "assistant";

pub const CONVERSATIONS: &[Conversation] = &[
    Conversation {
        id: "station-site",
        user: "maren",
        title: "Where to build the station",
        days_ago: 148,
        messages: &[
            (
                USER,
                MAREN,
                "We have to settle the site before the ground freezes. It is between Lantern Cove and Skerry Point. What speaks against the cove?",
            ),
            (
                USER,
                SAMUEL,
                "The cove is sheltered, but there is no fresh water. We would be carrying it in by boat, about 600 litres a week when six people stay.",
            ),
            (
                USER,
                PRIYA,
                "For the reef work Skerry Point is better anyway: twenty minutes to North Reef instead of fifty, and we can see the buoys from the hill.",
            ),
            (
                USER,
                ELISE,
                "The point has the old lighthouse keeper's well. I had the water tested: safe after a UV filter, and it gives 1,100 litres a day.",
            ),
            (
                USER,
                TOMAS,
                "Line of sight from the point to all four buoy positions. From the cove I would need a repeater on Ravn Island.",
            ),
            (
                USER,
                MAREN,
                "Then it is decided: we build at Skerry Point, next to the well. Lantern Cove stays our storm anchorage. Elise, please tell the harbour authority by {+5}.",
            ),
            (
                HELPER,
                HELPER,
                "Noted. Decision: the station goes to Skerry Point because of the fresh water well, the short way to North Reef and radio line of sight. Lantern Cove remains the storm anchorage. Elise informs the harbour authority by {+5}.",
            ),
        ],
    },
    Conversation {
        id: "harbor-permit",
        user: "elise",
        title: "Permit for the landing stage",
        days_ago: 126,
        messages: &[
            (
                USER,
                ELISE,
                "Ingrid Dahl from the harbour authority called. The landing stage counts as a permanent structure, so we need a full permit, not the seasonal one.",
            ),
            (USER, MAREN, "How long does that take?"),
            (
                USER,
                ELISE,
                "Eight weeks if the file is complete. She wants drawings, an anchor plan and a statement about nesting birds. The deadline for this round is {+21}.",
            ),
            (USER, SAMUEL, "I can do the anchor plan. What load should the stage carry?"),
            (
                USER,
                ELISE,
                "Ingrid said the limit for that shore is four tonnes. Above that they ask for a geologist's report.",
            ),
            (
                USER,
                TOMAS,
                "A buoy with its sinker weighs 1.3 tonnes, so two at a time is fine and we stay far below four.",
            ),
            (
                USER,
                PRIYA,
                "Birds: terns nest on the north side from May to July. If we build in April or after the first of August nobody minds.",
            ),
            (
                HELPER,
                HELPER,
                "Open for the permit file, due {+21}: drawings (Tomas), anchor plan for at most four tonnes (Samuel), statement on terns nesting May to July (Priya). Contact is Ingrid Dahl at the harbour authority.",
            ),
            (USER, ELISE, "Everything went out today by registered mail. Reference number HA-2217."),
        ],
    },
    Conversation {
        id: "buoy-battery",
        user: "tomas",
        title: "Buoy 2 runs flat too early",
        days_ago: 97,
        messages: &[
            (
                USER,
                TOMAS,
                "Buoy 2 went silent again after 19 days. The design says 40. Solar was fine all week, so something draws more than it should.",
            ),
            (
                USER,
                JONAH,
                "The logs show the cellular modem registering every two minutes. Reception at North Reef is poor, so it keeps searching at full power.",
            ),
            (USER, TOMAS, "That would be it: 310 milliamps while searching, 8 asleep. Can we send less often?"),
            (
                USER,
                JONAH,
                "Yes. If we collect on board and send every 15 minutes the modem sleeps 90 percent of the time. Nobody reads the data faster than that anyway.",
            ),
            (
                USER,
                AIKO,
                "Fifteen minutes is fine for everything except the storm alarm. Please keep an immediate send when the wave height jumps by more than a metre.",
            ),
            (
                USER,
                TOMAS,
                "Agreed. I will also swap the lead-acid pack for a 40 Ah LiFePO4 one, it does not mind the cold.",
            ),
            (
                HELPER,
                HELPER,
                "Cause: the cellular modem searches for a network at full power. Decided: send every 15 minutes, immediately when wave height jumps by more than one metre, and replace the lead-acid pack with a 40 Ah LiFePO4 battery.",
            ),
            (USER, TOMAS, "Three weeks later: buoy 2 is at 71 percent. Extrapolated that gives 41 days. Closing this."),
        ],
    },
    Conversation {
        id: "storm-night",
        user: "samuel",
        title: "Buoy 3 broke loose in the storm",
        days_ago: 74,
        messages: &[
            (
                USER,
                AIKO,
                "Storm alarm from buoy 3 at 02:14, waves 5.8 metres. At 02:51 its position starts moving east. I think it broke loose.",
            ),
            (
                USER,
                SAMUEL,
                "Too rough to go out now, gusts of 31 metres per second at Holm Harbor. I will leave at first light with the Petrel.",
            ),
            (
                USER,
                JONAH,
                "Its tracker still answers. It is drifting towards Gannet Bay at two knots. I share the positions with the coast guard.",
            ),
            (
                USER,
                SAMUEL,
                "Found it. Olav Strand, who fishes for crab in Gannet Bay, had already tied it to his boat. We owe him a bottle.",
            ),
            (
                USER,
                TOMAS,
                "The chain is whole. The lower shackle is gone, and what is left of the pin is thin as a pencil: galvanic corrosion, stainless pin in a galvanised bow.",
            ),
            (USER, MAREN, "Do the other three have the same shackles?"),
            (USER, TOMAS, "All four, same batch. I want them out before the next spring tide."),
            (
                USER,
                MAREN,
                "Then we replace the shackles on all buoys with titanium ones and check every mooring each six weeks. Nadia, this comes out of the contingency.",
            ),
            (USER, NADIA, "Fine. Twelve titanium shackles are 9,400 kroner, the contingency stands at 62,000."),
            (
                HELPER,
                HELPER,
                "Buoy 3 broke loose because its lower shackle failed by galvanic corrosion (stainless pin in a galvanised bow). It was recovered in Gannet Bay with the help of Olav Strand. Decided: titanium shackles on all four buoys, mooring inspection every six weeks, paid from the contingency (9,400 kroner).",
            ),
        ],
    },
    Conversation {
        id: "reef-survey",
        user: "priya",
        title: "Spring survey on North Reef",
        days_ago: 58,
        messages: &[
            (
                USER,
                PRIYA,
                "Planning the oyster survey. We need a neap tide and less than one metre of swell. The first window is {+12}, the second {+26}.",
            ),
            (USER, SAMUEL, "Petrel is free on both days. She takes four divers and the frames."),
            (
                USER,
                PRIYA,
                "Thirty quadrats of half a metre, same spots as last year. Last year we counted 212 live oysters and 34 of them were spat.",
            ),
            (
                USER,
                AIKO,
                "Buoy 1 shows salinity between 27 and 31 since January, and the water is 1.4 degrees warmer than last spring. That should help the larvae.",
            ),
            (
                USER,
                PRIYA,
                "Results of the survey: 287 live oysters, 81 of them spat. The reef is growing for the first time since we started.",
            ),
            (USER, MAREN, "Wonderful. Is it the salinity or the new shell bed?"),
            (
                USER,
                PRIYA,
                "Probably the shell bed: 60 of the 81 spat sit on the shells that we laid down last autumn. I will say so in the interim report.",
            ),
            (
                HELPER,
                HELPER,
                "Spring survey on North Reef: 287 live oysters against 212 last year, 81 spat against 34; 60 of the spat sit on the shell bed laid last autumn.",
            ),
        ],
    },
    Conversation {
        id: "grant-report",
        user: "nadia",
        title: "Second half of the Nordhav grant",
        days_ago: 45,
        messages: &[
            (
                USER,
                NADIA,
                "The Nordhav Foundation pays the second half of the 480,000 kroner when it has our interim report. It is due {+30}.",
            ),
            (USER, MAREN, "What do they want to see in it?"),
            (
                USER,
                NADIA,
                "Three things: the reef numbers, uptime of the buoys, and how many people outside the team used the data.",
            ),
            (
                USER,
                AIKO,
                "Uptime is 93.5 percent over all four buoys, with the storm week counted as down. Without it 97.",
            ),
            (
                USER,
                JONAH,
                "Tidebook had 41 outside users last quarter: two universities, the coast guard, the sailing club and the school.",
            ),
            (USER, PRIYA, "I write the reef chapter. First draft on Monday."),
            (
                USER,
                NADIA,
                "Please all send me your parts a week before, so that Henrik Moe can do the audit. He is away the last three days of the month.",
            ),
            (
                HELPER,
                HELPER,
                "Interim report to the Nordhav Foundation, due {+30}, releases 240,000 kroner. Parts: reef numbers (Priya), buoy uptime of 93.5 percent (Aiko), 41 outside users of Tidebook (Jonah). Parts go to Nadia a week before, the auditor is Henrik Moe.",
            ),
        ],
    },
    Conversation {
        id: "tidebook-retention",
        user: "jonah",
        title: "What Tidebook keeps, and for how long",
        days_ago: 30,
        messages: &[
            (
                USER,
                JONAH,
                "The raw packets are 2.1 GB a month now. At this rate the small server in the boathouse is full by autumn.",
            ),
            (
                USER,
                AIKO,
                "I need the raw packets only to debug a sensor. Ninety days would do. For science the ten-minute means are what people ask for.",
            ),
            (USER, JONAH, "So: raw packets for 90 days, ten-minute means for ever, wave spectra for two years?"),
            (
                USER,
                AIKO,
                "Make the spectra for ever, they are small. And please store everything in UTC. Last October the clock change gave us an hour twice.",
            ),
            (
                USER,
                JONAH,
                "Right, that was the bug where the tide table jumped. All timestamps are UTC from now on and only the web page shows local time.",
            ),
            (
                HELPER,
                HELPER,
                "Decided for Tidebook: raw packets are kept 90 days, ten-minute means and wave spectra for ever, all timestamps in UTC.",
            ),
            (USER, MAREN, "Good. Please put that into the data policy document, the universities ask for it."),
        ],
    },
    Conversation {
        id: "school-visit",
        user: "elise",
        title: "Holm School comes to the point",
        days_ago: 16,
        messages: &[
            (USER, ELISE, "Holm School would like to come with 24 pupils and three teachers. They propose {+18}."),
            (
                USER,
                SAMUEL,
                "The ferry leaves Holm Harbor at 08:40 and takes 35 minutes. It can bring all of them in one go, but we have only 15 small life jackets.",
            ),
            (USER, ELISE, "The sailing club lends us twelve. I asked Berit Aune, she brings them to the quay."),
            (
                USER,
                PRIYA,
                "I can show them the touch tank and let them count oysters on a model quadrat. An hour per group of twelve.",
            ),
            (USER, TOMAS, "And I open up a buoy. They always like the whistle."),
            (USER, MAREN, "Is there a plan for bad weather?"),
            (
                USER,
                ELISE,
                "Above 12 metres per second of wind we move it by a week. I decide at 18:00 the evening before and call the teacher, Lars Vik.",
            ),
            (
                HELPER,
                HELPER,
                "School visit on {+18}: 24 pupils, ferry at 08:40 from Holm Harbor, twelve extra life jackets from the sailing club (Berit Aune). Two groups: touch tank with Priya, buoy with Tomas. Above 12 m/s of wind it moves by a week; Elise decides at 18:00 the evening before and calls Lars Vik.",
            ),
        ],
    },
];

/// Documents with a text of their own: (key, title, body, author, topics, project).
pub const DOCUMENTS: &[(&str, &str, &str, &str, &[&str], &str)] = &[
    (
        "doc-site",
        "Decision: station site",
        "The field station is built at Skerry Point beside the old well, which gives 1,100 litres of fresh water a day. Lantern Cove was rejected because water would have to be carried in; it remains the storm anchorage.",
        MAREN,
        &["site planning", "fresh water"],
        "Skerry Station",
    ),
    (
        "doc-permit",
        "Permit file HA-2217",
        "Application for a permanent landing stage with a load of at most four tonnes. Contains drawings, anchor plan and the statement on nesting terns. Contact at the harbour authority is Ingrid Dahl.",
        ELISE,
        &["permits", "landing stage", "terns"],
        "Skerry Station",
    ),
    (
        "doc-power",
        "Buoy power budget",
        "The modem draws 310 mA while searching and 8 mA asleep. Sending every 15 minutes with a 40 Ah LiFePO4 pack gives 41 days without sun.",
        TOMAS,
        &["power", "telemetry"],
        "Tern Buoy",
    ),
    (
        "doc-mooring",
        "Mooring failure of buoy 3",
        "The lower shackle failed by galvanic corrosion: a stainless pin in a galvanised bow. All moorings get titanium shackles and are inspected every six weeks.",
        TOMAS,
        &["moorings", "corrosion", "storms"],
        "Tern Buoy",
    ),
    (
        "doc-reef",
        "North Reef spring survey",
        "Thirty quadrats: 287 live oysters, 81 of them spat, 60 of those on the new shell bed. The year before it was 212 and 34.",
        PRIYA,
        &["oysters", "surveys", "shell bed"],
        "Reef Watch",
    ),
    (
        "doc-policy",
        "Tidebook data policy",
        "Raw packets are kept for 90 days, ten-minute means and wave spectra for ever. All timestamps are UTC.",
        JONAH,
        &["data retention", "time zones"],
        "Tidebook",
    ),
    (
        "doc-grant",
        "Interim report to the Nordhav Foundation",
        "Reef numbers, buoy uptime of 93.5 percent, and 41 outside users of Tidebook. Releases the second half of 480,000 kroner.",
        NADIA,
        &["funding", "oysters", "telemetry"],
        "Reef Watch",
    ),
    (
        "doc-school",
        "Programme for Holm School",
        "Ferry at 08:40, two groups of twelve, touch tank and open buoy. Moved by a week above 12 metres per second of wind.",
        ELISE,
        &["outreach", "safety"],
        "Open Shore",
    ),
    (
        "doc-storm",
        "Storm procedure",
        "Above 25 metres per second nobody leaves harbour. Positions of drifting buoys are shared with the coast guard. Boats wait in Lantern Cove.",
        SAMUEL,
        &["storms", "safety", "boats"],
        "Boathouse Refit",
    ),
    (
        "doc-sensors",
        "Sensor calibration notes",
        "Salinity probes drift by 0.4 per month in summer because of growth on the cell. Wipe weekly, calibrate monthly against bottled samples.",
        AIKO,
        &["sensors", "salinity"],
        "Tern Buoy",
    ),
];

/// (name, what it is, team)
pub const PROJECTS: &[(&str, &str, &str)] = &[
    ("Skerry Station", "field station with bunks, lab and landing stage", "Site"),
    ("Tern Buoy", "solar sensor buoy for waves, salinity and temperature", "Instruments"),
    ("Reef Watch", "survey and restoration of the oyster reef", "Ecology"),
    ("Tidebook", "open data platform for the buoys", "Data"),
    ("Boathouse Refit", "new slipway, workshop and server room", "Site"),
    ("Open Shore", "school visits and open days", "Outreach"),
];

/// (from, to): what must be there first.
pub const PROJECT_DEPENDENCIES: &[(&str, &str)] = &[
    ("Reef Watch", "Tern Buoy"),
    ("Reef Watch", "Skerry Station"),
    ("Tidebook", "Tern Buoy"),
    ("Tidebook", "Boathouse Refit"),
    ("Open Shore", "Skerry Station"),
    ("Open Shore", "Reef Watch"),
    ("Tern Buoy", "Boathouse Refit"),
];

pub const TEAMS: &[&str] = &["Site", "Instruments", "Ecology", "Data", "Outreach", "Partners"];

/// (name, kind, the place around it)
pub const PLACES: &[(&str, &str, &str)] = &[
    ("Skarv Coast", "region", ""),
    ("Holm", "town", "Skarv Coast"),
    ("Holm Harbor", "harbour", "Holm"),
    ("Holm School", "school", "Holm"),
    ("Boathouse", "building", "Holm Harbor"),
    ("Fuel Quay", "quay", "Holm Harbor"),
    ("Skerry Point", "headland", "Skarv Coast"),
    ("Keeper's Well", "well", "Skerry Point"),
    ("Landing Stage", "quay", "Skerry Point"),
    ("Lantern Cove", "bay", "Skarv Coast"),
    ("Gannet Bay", "bay", "Skarv Coast"),
    ("North Reef", "reef", "Skarv Coast"),
    ("Shell Bed", "reef", "North Reef"),
    ("South Reef", "reef", "Skarv Coast"),
    ("Ravn Island", "island", "Skarv Coast"),
    ("Ravn Light", "lighthouse", "Ravn Island"),
    ("Eider Sound", "strait", "Skarv Coast"),
    ("Buoy 1", "mooring", "North Reef"),
    ("Buoy 2", "mooring", "North Reef"),
    ("Buoy 3", "mooring", "Eider Sound"),
    ("Buoy 4", "mooring", "South Reef"),
    ("Tangen", "village", "Skarv Coast"),
    ("Tangen Quay", "quay", "Tangen"),
    ("Seal Rocks", "skerry", "Eider Sound"),
];

pub const TOPICS: &[&str] = &[
    "site planning",
    "fresh water",
    "permits",
    "landing stage",
    "terns",
    "power",
    "telemetry",
    "moorings",
    "corrosion",
    "storms",
    "oysters",
    "surveys",
    "shell bed",
    "data retention",
    "time zones",
    "funding",
    "outreach",
    "safety",
    "boats",
    "sensors",
    "salinity",
    "water temperature",
    "wave height",
    "diving",
    "radio",
    "batteries",
    "solar panels",
    "seals",
    "plankton",
    "invasive species",
    "fuel",
    "spare parts",
    "insurance",
    "volunteers",
    "weather windows",
    "tides",
    "web site",
    "calibration",
    "training",
    "audits",
];
