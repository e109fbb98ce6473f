//! The generated part of the demo: everyday conversations in the same world, from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::core;

/// The same demo every time, apart from its dates.
pub const SEED: u64 = 0x51_4E_45_57;
pub const CONVERSATION_COUNT: usize = 150;

/// A message ready to insert.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRow {
    pub conversation_id: String,
    pub role: &'static str,
    pub name: String,
    pub content: String,
    /// Seconds before the demo was loaded.
    pub seconds_ago: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConversationRow {
    pub id: String,
    pub user: String,
    pub title: String,
    pub seconds_ago: i64,
}

pub const DAY_SECONDS: i64 = 86_400;

/// A kind of everyday conversation: title, opening, exchanges, closing. `{…}` are filled per conversation, `{n}` per
/// message.
struct Theme {
    title: &'static str,
    opening: &'static str,
    exchanges: &'static [&'static str],
    closing: &'static str,
}

const THEMES: &[Theme] = &[
    Theme {
        title: "Inspection of {buoy}",
        opening: "Inspection of {buoy} today with {other}. Battery at {percent} percent, hull clean above the water line.",
        exchanges: &[
            "The {part} shows some wear, I would give it another {n} weeks.",
            "Photos of the {part} are in the shared folder.",
            "Salinity read {salinity}, the bottle sample says {salinity2}. Within tolerance.",
            "Growth on the sensor cell again, wiped it. That explains the drift since {place}.",
            "Chain measured at {n} millimetres, no action.",
            "Did you check the lower shackle?",
            "Yes, titanium, like new.",
            "Swell was {n} decimetres, close to our limit for working on deck.",
            "Please note the serial number of the {part}, we order a spare.",
            "Done, it is in the parts list.",
        ],
        closing: "Inspection of {buoy} closed: battery {percent} percent, {part} to be watched, next visit in six weeks.",
    },
    Theme {
        title: "Trip to {place}",
        opening: "Who comes along to {place} this week? {boat} has room for {seats}.",
        exchanges: &[
            "I do. Need to pick up the {part} anyway.",
            "Wind is forecast at {n} metres per second, that is fine for {boat}.",
            "Leave at {hour}:30, then we have the tide with us both ways.",
            "Fuel is at {percent} percent, I fill up at the quay.",
            "Can you bring the box for {other}?",
            "It is on board already.",
            "Remember that the slip at {place} is closed for boats over nine metres.",
            "We land on the beach then, as last time.",
            "Life jackets counted: {n}, enough.",
            "Seals on the rocks again, we keep two hundred metres away.",
        ],
        closing: "Trip to {place} with {boat} is set: {seats} people, departure at {hour}:30, fuel at {percent} percent.",
    },
    Theme {
        title: "Order of {part}",
        opening: "We are down to {n} pieces of the {part}. Shall I order?",
        exchanges: &[
            "What do they cost now?",
            "{price} kroner each, {price2} if we take ten.",
            "Take ten, the price went up twice this year.",
            "Delivery is {n} weeks, the supplier has them in Bergen.",
            "Charge it to {project}, please.",
            "The budget line has {price2} kroner left.",
            "{other} says the older type fits as well and is cheaper.",
            "I would not mix the two, the threads differ.",
            "Agreed, same type as before.",
        ],
        closing: "Ordered ten pieces of the {part} at {price2} kroner each for {project}, delivery to the boathouse.",
    },
    Theme {
        title: "{topic} in {project}",
        opening: "I would like to talk about {topic} in {project} before the meeting.",
        exchanges: &[
            "{other} wrote two pages about it last month, worth reading.",
            "The numbers from {place} do not fit the picture, look at week {n}.",
            "Could be the sensor. It happened on {buoy} too.",
            "What would it take to be sure?",
            "Two more samples, at low and at high water.",
            "I can take them on the way to {place}.",
            "Then let us decide next week.",
            "Please send me the raw values, not only the means.",
            "Sent. {n} thousand rows, all in UTC.",
            "That looks better than I feared.",
        ],
        closing: "On {topic} in {project}: two more samples at {place}, decision next week, {other} is informed.",
    },
    Theme {
        title: "Volunteers for {place}",
        opening: "{n} volunteers signed up for the work day at {place}. {other} takes care of the food.",
        exchanges: &[
            "Do they have boots? It is wet down there.",
            "Most of them. I bring {n} spare pairs.",
            "We need gloves for the shells, the edges are sharp.",
            "First aid kit is in {boat}.",
            "Can someone explain the {topic} part at the start? Five minutes are enough.",
            "I do it.",
            "If it rains we work in the boathouse instead.",
            "Half of them are back from last year.",
            "Coffee at {hour}:00, work until three.",
        ],
        closing: "Work day at {place}: {n} volunteers, start at {hour}:00, gloves and boots are there, food by {other}.",
    },
    Theme {
        title: "Data gap at {buoy}",
        opening: "There is a gap of {n} hours in the data of {buoy}. Does anybody know why?",
        exchanges: &[
            "The modem was out of reach, the packets are still on board.",
            "Will they come in later?",
            "Yes, with the next good connection. It keeps {n} days.",
            "The gateway at {place} was restarted too, that took a few minutes.",
            "I mark the hours as delayed, not as missing.",
            "Wave height before the gap was {n} decimetres, nothing unusual.",
            "The sailing club asked already.",
            "I answered them.",
            "All packets are in now, the gap is closed.",
        ],
        closing: "Gap at {buoy} explained: modem out of reach, all packets arrived later, nothing lost.",
    },
];

const PARTS: &[&str] = &[
    "mooring chain",
    "anode",
    "solar panel",
    "antenna",
    "salinity probe",
    "battery pack",
    "hatch seal",
    "light",
    "swivel",
    "temperature probe",
    "radar reflector",
    "bilge pump",
];
const BOATS: &[&str] = &["Petrel", "Kittiwake", "the rubber boat"];
const BUOYS: &[&str] = &["buoy 1", "buoy 2", "buoy 3", "buoy 4"];

/// Generated conversations with their messages, oldest conversation first.
pub fn conversations() -> (Vec<ConversationRow>, Vec<MessageRow>) {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut conversations = Vec::with_capacity(CONVERSATION_COUNT);
    let mut messages = Vec::new();
    for number in 0..CONVERSATION_COUNT {
        let theme = &THEMES[number % THEMES.len()];
        // Spread over 150 days, oldest first, at working hours.
        let day = 150 - (number as i64 * 149) / CONVERSATION_COUNT as i64;
        let mut seconds_ago = day * DAY_SECONDS - rng.random_range(0..36_000);
        let asker = rng.random_range(0..core::PEOPLE.len());
        let other = (asker + rng.random_range(1..core::PEOPLE.len())) % core::PEOPLE.len();
        let slots = Slots::pick(&mut rng, core::PEOPLE[other].0);
        let id = format!("team-{:03}", number + 1);
        let user = core::PEOPLE[asker].0.split(' ').next().unwrap_or_default().to_lowercase();
        conversations.push(ConversationRow { id: id.clone(), user, title: slots.fill(theme.title, 0), seconds_ago });
        let mut push = |role, name: &str, content: String, seconds_ago| {
            messages.push(MessageRow {
                conversation_id: id.clone(),
                role,
                name: name.to_owned(),
                content,
                seconds_ago,
            });
        };
        push("user", core::PEOPLE[asker].0, slots.fill(theme.opening, rng.random_range(3..24)), seconds_ago);
        let count = rng.random_range(16..28);
        let start = rng.random_range(0..theme.exchanges.len());
        for turn in 0..count {
            seconds_ago -= rng.random_range(40..900);
            let speaker = if turn % 2 == 0 { other } else { asker };
            // Once through the exchanges in order, then remarks that fit anywhere.
            let template = if turn < theme.exchanges.len() {
                theme.exchanges[(start + turn) % theme.exchanges.len()]
            } else {
                REMARKS[rng.random_range(0..REMARKS.len())]
            };
            push("user", core::PEOPLE[speaker].0, slots.fill(template, rng.random_range(2..30)), seconds_ago.max(60));
        }
        seconds_ago -= 30;
        push("assistant", "assistant", slots.fill(theme.closing, rng.random_range(3..24)), seconds_ago.max(30));
    }
    (conversations, messages)
}

const REMARKS: &[&str] = &[
    "Thanks, that helps.",
    "I add it to the list for {project}.",
    "Let us look at it again in {n} days.",
    "{other}, can you confirm?",
    "Confirmed.",
    "The forecast for {place} changed, wind turns to north-west.",
    "I am at {place} until {hour}:00 if anybody needs me.",
    "Who has the key of the workshop?",
    "Hangs behind the door, as always.",
    "Reminder: meeting about {topic} at {hour}:15.",
    "{boat} is back in the harbour.",
    "The spare {part} is on the second shelf.",
    "Good idea, but not before the spring tide.",
    "I wrote that down under {topic}.",
    "We should ask {other} about that.",
];

struct Slots {
    values: Vec<(&'static str, String)>,
}

impl Slots {
    fn pick(rng: &mut StdRng, other: &str) -> Slots {
        let one = |rng: &mut StdRng, items: &[&str]| items[rng.random_range(0..items.len())].to_owned();
        let places: Vec<&str> = core::PLACES.iter().filter(|place| place.1 != "region").map(|place| place.0).collect();
        let projects: Vec<&str> = core::PROJECTS.iter().map(|project| project.0).collect();
        let price = rng.random_range(20..900) * 10;
        let salinity = rng.random_range(270..312);
        Slots {
            values: vec![
                ("{other}", other.to_owned()),
                ("{buoy}", one(rng, BUOYS)),
                ("{boat}", one(rng, BOATS)),
                ("{part}", one(rng, PARTS)),
                ("{place}", one(rng, &places)),
                ("{project}", one(rng, &projects)),
                ("{topic}", one(rng, core::TOPICS)),
                ("{percent}", rng.random_range(38..100).to_string()),
                ("{salinity}", format!("{}.{}", salinity / 10, salinity % 10)),
                ("{salinity2}", format!("{}.{}", (salinity + 3) / 10, (salinity + 3) % 10)),
                ("{seats}", rng.random_range(3..9).to_string()),
                ("{hour}", rng.random_range(7..11).to_string()),
                ("{price}", price.to_string()),
                ("{price2}", (price * 9 / 10).to_string()),
            ],
        }
    }

    fn fill(&self, template: &str, number: i32) -> String {
        let mut text = template.replace("{n}", &number.to_string());
        for (slot, value) in &self.values {
            text = text.replace(slot, value);
        }
        let mut chars = text.chars();
        match chars.next() {
            Some(first) => first.to_uppercase().chain(chars).collect(),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_messages_without_open_slots() {
        let (conversations, messages) = super::conversations();
        assert_eq!((conversations.clone(), messages.clone()), super::conversations());
        assert_eq!(conversations.len(), CONVERSATION_COUNT);
        assert!((2500..6000).contains(&messages.len()), "{}", messages.len());
        for message in &messages {
            assert!(!message.content.contains('{') && !message.content.is_empty(), "{}", message.content);
            assert!(message.seconds_ago > 0);
        }
    }

    #[test]
    fn time_runs_forward_within_a_conversation() {
        let (_, messages) = super::conversations();
        for pair in messages.windows(2) {
            if pair[0].conversation_id == pair[1].conversation_id {
                assert!(pair[0].seconds_ago >= pair[1].seconds_ago);
            }
        }
    }
}
