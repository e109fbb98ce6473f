//! The knowledge graph of the demo as rows for UNWIND, and the statements that take them.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::core;
use super::generate::SEED;

/// Rows of one kind and the Cypher that follows `UNWIND [...] AS row`.
pub struct Load {
    pub what: &'static str,
    pub statement: &'static str,
    /// Each a map in Cypher's literal form.
    pub rows: Vec<String>,
}

const FIRST_NAMES: &[&str] = &[
    "Anders", "Berit", "Clara", "Dag", "Eva", "Finn", "Greta", "Henrik", "Ida", "Johan", "Kari", "Lars", "Mina",
    "Nils", "Oda", "Per", "Ragna", "Stian", "Tuva", "Ulrik", "Vera", "Willem", "Yara", "Zoe",
];
const LAST_NAMES: &[&str] = &[
    "Aune", "Berg", "Dahl", "Eide", "Foss", "Grieg", "Holm", "Iversen", "Krog", "Lunde", "Moe", "Nygaard", "Ottesen",
    "Ravn", "Strand", "Tveit", "Ulven", "Vik",
];
/// People of the texts who are no members of the team.
const PARTNERS: &[(&str, &str)] = &[
    ("Ingrid Dahl", "harbour authority"),
    ("Olav Strand", "crab fisher"),
    ("Henrik Moe", "auditor"),
    ("Berit Aune", "sailing club"),
    ("Lars Vik", "teacher"),
];
const PERSON_COUNT: usize = 84;
const WORK_PACKAGES: &[&str] = &["planning", "build", "field work", "report"];
const DOCUMENT_COUNT: usize = 320;

const DOCUMENT_KINDS: &[(&str, &str)] = &[
    ("Notes", "Notes on {topic} at {place}. {author} suggests to look at it again after the next survey of {project}."),
    (
        "Checklist",
        "Checklist for {topic} at {place}: tools, spare parts, radio check, life jackets. Used by everybody in {project}.",
    ),
    (
        "Measurement series",
        "Values on {topic} taken at {place} every ten minutes for {project}. Outliers are marked, times are UTC.",
    ),
    (
        "Minutes",
        "Minutes of a meeting about {topic}. Present: {author} and guests from {place}. Decisions concern {project}.",
    ),
    ("Drawing", "Drawing for {project}: {topic} at {place}, scale 1 to 50, revision by {author}."),
    (
        "Risk assessment",
        "What can go wrong with {topic} at {place}, how likely it is, and what {project} does about it. Reviewed by {author}.",
    ),
];

/// Loads in the order in which they have to run.
pub fn loads() -> Vec<Load> {
    let mut rng = StdRng::seed_from_u64(SEED ^ 1);
    let people = people(&mut rng);
    let packages = work_packages();
    let mut loads = nodes(&people, &packages);
    let documents = documents(&mut rng, &people);
    loads.push(Load {
        what: "documents",
        statement: "CREATE (:Document {key: row.key, title: row.title, body: row.body, kind: row.kind})",
        rows: documents
            .iter()
            .map(|d| map(&[("key", &d.key), ("title", &d.title), ("body", &d.body), ("kind", d.kind)]))
            .collect(),
    });
    loads.extend(relationships(&mut rng, &people, &packages));
    let pairs = |get: &dyn Fn(&Document) -> Vec<(String, String)>| -> Vec<String> {
        documents.iter().flat_map(get).map(|(a, b)| pair(&a, &b)).collect()
    };
    loads.push(Load {
        what: "authors",
        statement: "MATCH (a:Person {name: row.a}), (b:Document {key: row.b}) CREATE (a)-[:WROTE]->(b)",
        rows: pairs(&|d| vec![(d.author.clone(), d.key.clone())]),
    });
    loads.push(Load {
        what: "subjects of documents",
        statement: "MATCH (a:Document {key: row.a}), (b:Topic {name: row.b}) CREATE (a)-[:ABOUT]->(b)",
        rows: pairs(&|d| d.topics.iter().map(|topic| (d.key.clone(), topic.clone())).collect()),
    });
    loads.push(Load {
        what: "projects of documents",
        statement: "MATCH (a:Document {key: row.a}), (b:Project {name: row.b}) CREATE (a)-[:PART_OF]->(b)",
        rows: pairs(&|d| vec![(d.key.clone(), d.project.clone())]),
    });
    loads.push(Load {
        what: "places in documents",
        statement: "MATCH (a:Document {key: row.a}), (b:Place {name: row.b}) CREATE (a)-[:MENTIONS]->(b)",
        rows: pairs(&|d| {
            let mentions = |place: &&(&str, &str, &str)| d.body.contains(place.0);
            core::PLACES.iter().filter(mentions).map(|place| (d.key.clone(), place.0.to_owned())).collect()
        }),
    });
    loads
}

fn nodes(people: &[(String, String, &'static str)], packages: &[(String, String)]) -> Vec<Load> {
    let named = |names: Vec<&str>| names.into_iter().map(|name| map(&[("name", name)])).collect::<Vec<_>>();
    let mut projects: Vec<String> =
        core::PROJECTS.iter().map(|(name, about, _)| map(&[("name", name), ("about", about)])).collect();
    projects.extend(
        packages.iter().map(|(name, project)| map(&[("name", name), ("about", &format!("work package of {project}"))])),
    );
    vec![
        Load { what: "teams", statement: "CREATE (:Team {name: row.name})", rows: named(core::TEAMS.to_vec()) },
        Load { what: "topics", statement: "CREATE (:Topic {name: row.name})", rows: named(core::TOPICS.to_vec()) },
        Load {
            what: "places",
            statement: "CREATE (:Place {name: row.name, kind: row.kind})",
            rows: core::PLACES.iter().map(|(name, kind, _)| map(&[("name", name), ("kind", kind)])).collect(),
        },
        Load { what: "projects", statement: "CREATE (:Project {name: row.name, about: row.about})", rows: projects },
        Load {
            what: "people",
            statement: "CREATE (:Person {name: row.name, role: row.role})",
            rows: people.iter().map(|(name, role, _)| map(&[("name", name), ("role", role)])).collect(),
        },
    ]
}

fn relationships(
    rng: &mut StdRng,
    people: &[(String, String, &'static str)],
    packages: &[(String, String)],
) -> Vec<Load> {
    let mut knows = BTreeSet::new();
    for a in 0..people.len() {
        // The core team know each other; the others know some of them and some of each other.
        let count = if a < core::PEOPLE.len() { 7 } else { 4 };
        for turn in 0..count {
            let b = if a < core::PEOPLE.len() {
                if turn < 5 {
                    (a + turn + 1) % core::PEOPLE.len()
                } else {
                    rng.random_range(core::PEOPLE.len()..people.len())
                }
            } else {
                rng.random_range(0..people.len())
            };
            if a != b {
                knows.insert((a, b));
            }
        }
    }
    let knows = knows
        .into_iter()
        .map(|(a, b)| {
            format!(
                "{{a: {}, b: {}, since: {}}}",
                quote(&people[a].0),
                quote(&people[b].0),
                2012 + (a * 7 + b * 3) % 13
            )
        })
        .collect();
    let mut works_on = BTreeSet::new();
    for (index, (name, _, team)) in people.iter().enumerate() {
        for (project, _, project_team) in core::PROJECTS {
            if team == project_team || (index < core::PEOPLE.len() && rng.random_bool(0.3)) {
                works_on.insert((name.clone(), (*project).to_owned()));
            }
        }
        let package = &packages[rng.random_range(0..packages.len())];
        works_on.insert((name.clone(), package.0.clone()));
    }
    let mut depends: Vec<String> = core::PROJECT_DEPENDENCIES.iter().map(|(a, b)| pair(a, b)).collect();
    depends.extend(packages.windows(2).filter(|two| two[0].1 == two[1].1).map(|two| pair(&two[1].0, &two[0].0)));
    let located = core::PLACES.iter().filter(|place| !place.2.is_empty()).map(|place| pair(place.0, place.2)).collect();
    let project_places = [
        ("Skerry Station", "Skerry Point"),
        ("Tern Buoy", "Eider Sound"),
        ("Reef Watch", "North Reef"),
        ("Tidebook", "Boathouse"),
        ("Boathouse Refit", "Holm Harbor"),
        ("Open Shore", "Holm School"),
    ];
    vec![
        Load {
            what: "acquaintances",
            statement: "MATCH (a:Person {name: row.a}), (b:Person {name: row.b}) CREATE (a)-[:KNOWS {since: row.since}]->(b)",
            rows: knows,
        },
        Load {
            what: "team members",
            statement: "MATCH (a:Person {name: row.a}), (b:Team {name: row.b}) CREATE (a)-[:MEMBER_OF]->(b)",
            rows: people.iter().map(|(name, _, team)| pair(name, team)).collect(),
        },
        Load {
            what: "work",
            statement: "MATCH (a:Person {name: row.a}), (b:Project {name: row.b}) CREATE (a)-[:WORKS_ON]->(b)",
            rows: works_on.iter().map(|(a, b)| pair(a, b)).collect(),
        },
        Load {
            what: "owners of projects",
            statement: "MATCH (a:Team {name: row.a}), (b:Project {name: row.b}) CREATE (a)-[:OWNS]->(b)",
            rows: core::PROJECTS.iter().map(|(project, _, team)| pair(team, project)).collect(),
        },
        Load {
            what: "work packages",
            statement: "MATCH (a:Project {name: row.a}), (b:Project {name: row.b}) CREATE (a)-[:PART_OF]->(b)",
            rows: packages.iter().map(|(package, project)| pair(package, project)).collect(),
        },
        Load {
            what: "dependencies",
            statement: "MATCH (a:Project {name: row.a}), (b:Project {name: row.b}) CREATE (a)-[:DEPENDS_ON]->(b)",
            rows: depends,
        },
        Load {
            what: "places within places",
            statement: "MATCH (a:Place {name: row.a}), (b:Place {name: row.b}) CREATE (a)-[:LOCATED_IN]->(b)",
            rows: located,
        },
        Load {
            what: "places of projects",
            statement: "MATCH (a:Project {name: row.a}), (b:Place {name: row.b}) CREATE (a)-[:LOCATED_IN]->(b)",
            rows: project_places.iter().map(|(a, b)| pair(a, b)).collect(),
        },
    ]
}

/// (name, role, team), the core team first, names distinct.
fn people(rng: &mut StdRng) -> Vec<(String, String, &'static str)> {
    let core_teams = ["Site", "Instruments", "Ecology", "Data", "Data", "Outreach", "Site", "Outreach"];
    let mut people: Vec<(String, String, &'static str)> = core::PEOPLE
        .iter()
        .zip(core_teams)
        .map(|((name, role), team)| ((*name).to_owned(), (*role).to_owned(), team))
        .collect();
    people.extend(PARTNERS.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned(), "Partners")));
    let roles = ["volunteer", "diver", "student", "skipper", "carpenter", "teacher", "electrician", "photographer"];
    let mut names: BTreeSet<String> = people.iter().map(|person| person.0.clone()).collect();
    while people.len() < PERSON_COUNT {
        let first = FIRST_NAMES[rng.random_range(0..FIRST_NAMES.len())];
        let last = LAST_NAMES[rng.random_range(0..LAST_NAMES.len())];
        let name = format!("{first} {last}");
        if names.insert(name.clone()) {
            let team = core::TEAMS[rng.random_range(0..core::TEAMS.len())];
            people.push((name, roles[rng.random_range(0..roles.len())].to_owned(), team));
        }
    }
    people
}

/// (name, project)
fn work_packages() -> Vec<(String, String)> {
    let package = |project: &str, kind: &str| (format!("{project}: {kind}"), project.to_owned());
    core::PROJECTS
        .iter()
        .flat_map(|(project, _, _)| WORK_PACKAGES.iter().map(move |kind| package(project, kind)))
        .collect()
}

struct Document {
    key: String,
    title: String,
    body: String,
    kind: &'static str,
    author: String,
    topics: Vec<String>,
    project: String,
}

fn documents(rng: &mut StdRng, people: &[(String, String, &'static str)]) -> Vec<Document> {
    let mut documents: Vec<Document> = core::DOCUMENTS
        .iter()
        .map(|(key, title, body, author, topics, project)| Document {
            key: (*key).to_owned(),
            title: (*title).to_owned(),
            body: (*body).to_owned(),
            kind: "Paper",
            author: (*author).to_owned(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            project: (*project).to_owned(),
        })
        .collect();
    let mut number = 0;
    while documents.len() < DOCUMENT_COUNT {
        number += 1;
        let (kind, template) = DOCUMENT_KINDS[rng.random_range(0..DOCUMENT_KINDS.len())];
        let topic = core::TOPICS[rng.random_range(0..core::TOPICS.len())];
        let second = core::TOPICS[rng.random_range(0..core::TOPICS.len())];
        let place = core::PLACES[rng.random_range(1..core::PLACES.len())].0;
        let project = core::PROJECTS[rng.random_range(0..core::PROJECTS.len())].0;
        let author = &people[rng.random_range(0..people.len())].0;
        let body = template
            .replace("{topic}", topic)
            .replace("{place}", place)
            .replace("{project}", project)
            .replace("{author}", author);
        let mut topics = vec![topic.to_owned()];
        if second != topic {
            topics.push(second.to_owned());
        }
        documents.push(Document {
            key: format!("doc-{number:03}"),
            title: format!("{kind}: {topic}, {place}"),
            body,
            kind,
            author: author.clone(),
            topics,
            project: project.to_owned(),
        });
    }
    documents
}

/// A string in Cypher's single quotes.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn map(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {}", quote(value))).collect();
    format!("{{{}}}", entries.join(", "))
}

fn pair(a: &str, b: &str) -> String {
    map(&[("a", a), ("b", b)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_announced_and_runs_agree() {
        let loads = super::loads();
        let count = |create: &str| -> usize {
            loads.iter().filter(|load| load.statement.contains(create)).map(|load| load.rows.len()).sum()
        };
        assert!((450..550).contains(&count("CREATE (:")), "{} nodes", count("CREATE (:"));
        assert!((1500..2500).contains(&count("]->(b)")), "{} relationships", count("]->(b)"));
        let again: Vec<Vec<String>> = super::loads().into_iter().map(|load| load.rows).collect();
        assert_eq!(loads.into_iter().map(|load| load.rows).collect::<Vec<_>>(), again);
    }

    #[test]
    fn every_end_of_a_hand_written_link_exists() {
        let topics: BTreeSet<&str> = core::TOPICS.iter().copied().collect();
        let projects: BTreeSet<&str> = core::PROJECTS.iter().map(|project| project.0).collect();
        let places: BTreeSet<&str> = core::PLACES.iter().map(|place| place.0).collect();
        for (_, _, _, author, about, project) in core::DOCUMENTS {
            assert!(core::PEOPLE.iter().any(|person| person.0 == *author));
            assert!(about.iter().all(|topic| topics.contains(topic)), "{about:?}");
            assert!(projects.contains(project));
        }
        assert!(core::PROJECT_DEPENDENCIES.iter().all(|(a, b)| projects.contains(a) && projects.contains(b)));
        assert!(core::PLACES.iter().all(|place| place.2.is_empty() || places.contains(place.2)));
        assert!(core::PROJECTS.iter().all(|project| core::TEAMS.contains(&project.2)));
    }

    #[test]
    fn quotes_are_escaped() {
        assert_eq!(quote("Keeper's \\ Well"), r"'Keeper\'s \\ Well'");
    }
}
