//! Shortest paths under a condition are the shortest of all the paths for which it holds.

use sinew::{Database, Session};
use sinew_tests::crash::random::Random;

use crate::quantified_paths::{NODES, random_graph, rows};

/// Of the path `p` and its relationships `rs`: asked step by step, as a bound of the length, or of the whole path.
const CONDITIONS: [&str; 16] = [
    "all(n IN nodes(p) WHERE n.p < 3)",
    "none(r IN relationships(p) WHERE r.w = 0)",
    "all(r IN rs WHERE r.w < 2 OR type(r) = 'S')",
    "none(n IN nodes(p) WHERE (n)-[:S]->(:A))",
    "any(n IN nodes(p) WHERE n:A)",
    "single(r IN rs WHERE r.w = 1)",
    "length(p) > 1",
    "length(p) <= 2",
    "4 > size(rs)",
    "length(p) = 3",
    "1 < length(p) < 5",
    "length(p) % 2 = 1",
    "reduce(w = 0, r IN rs | w + r.w) > 3",
    "EXISTS { MATCH (x:B) WHERE x IN nodes(p) AND x <> a }",
    "other IN nodes(p)",
    "length(p) < other.p",
];

fn condition(random: &mut Random) -> String {
    let mut one = || (*random.pick(&CONDITIONS).unwrap_or(&"true")).to_owned();
    let (first, second) = (one(), one());
    match random.below(4) {
        0 => String::new(),
        1 => format!(" WHERE {first}"),
        2 => format!(" WHERE {first} AND {second}"),
        _ => format!(" WHERE {first} OR {second}"),
    }
}

fn check(session: &mut Session, random: &mut Random) -> usize {
    let ends = format!(
        "MATCH (a {{k: {}}}), (b {{k: {}}}), (other {{k: {}}}) ",
        random.below(NODES),
        random.below(NODES),
        random.below(NODES)
    );
    let mut choose = |items: &[&'static str]| *random.pick(items).unwrap_or(&"");
    let (left, right) = choose(&["- ->", "<- -", "- -", "- -"]).split_once(' ').expect("two ends");
    let pattern = format!(
        "(a){left}[rs{}*{}]{right}(b)",
        choose(&["", "", "", ":R", ":R|S", ":R|S", ":None"]),
        choose(&["", "", "0..", "..3", "0..4"])
    );
    let condition = condition(random);
    let found = "RETURN [r IN relationships(p) | id(r)] AS ids";
    let expected = rows(
        session,
        &format!(
            "{ends}MATCH p = {pattern}{condition} WITH [r IN relationships(p) | id(r)] AS ids ORDER BY size(ids)
             WITH collect(ids) AS found UNWIND [ids IN found WHERE size(ids) = size(found[0])] AS ids RETURN ids"
        ),
    );
    let query = format!("{ends}MATCH p = allShortestPaths({pattern}){condition} {found}");
    assert_eq!(rows(session, &query), expected, "{query}");
    let query = format!("{ends}MATCH p = shortestPath({pattern}){condition} {found}");
    let one = rows(session, &query);
    assert_eq!(one.len(), expected.len().min(1), "{query}\n{one:?} of {expected:?}");
    assert!(one.iter().all(|path| expected.contains(path)), "{query}\n{one:?} of {expected:?}");
    one.len()
}

/// `SHORTEST_SEED` and `SHORTEST_QUESTIONS` ask others, and more.
#[test]
fn the_shortest_of_all_for_which_the_condition_holds() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("SHORTEST_SEED").unwrap_or(1);
    let questions = number("SHORTEST_QUESTIONS").unwrap_or(250);
    let database = Database::in_memory().expect("a database in memory opens");
    let mut session = database.session();
    let mut random = Random::new(&[seed]);
    let mut answered = 0;
    for question in 0..questions {
        if question % 25 == 0 {
            random_graph(&mut session, &mut random);
        }
        answered += check(&mut session, &mut random) as u64;
    }
    assert!(answered * 6 > questions, "only {answered} of {questions} had a path");
}
