//! Quantified path patterns give what their repetitions, written out, give.

use sinew::{Database, Session};
use sinew_tests::crash::random::Random;

pub const NODES: u64 = 7;

pub fn random_graph(session: &mut Session, random: &mut Random) {
    session.query("MATCH (n) DETACH DELETE n", &[]).expect("the graph is emptied");
    for node in 0..NODES {
        let labels = *random.pick(&["", ":A", ":B", ":A:B"]).unwrap_or(&"");
        let create = format!("CREATE ({labels} {{k: {node}, p: {}}})", random.below(4));
        session.query(&create, &[]).expect("a node is created");
    }
    // Loops and several relationships between two nodes are among them.
    for _ in 0..random.between(4, 10) {
        let (source, target) = (random.below(NODES), random.below(NODES));
        let ty = random.pick(&["R", "S"]).unwrap_or(&"R");
        let weight = random.below(3);
        let create = format!("MATCH (a {{k: {source}}}), (b {{k: {target}}}) CREATE (a)-[:{ty} {{w: {weight}}}]->(b)");
        session.query(&create, &[]).expect("a relationship is created");
    }
}

/// One repetition: nodes `x0` to `xN` with labels, relationships between them, and a condition.
struct Inner {
    labels: Vec<&'static str>,
    /// (before, type, after)
    relationships: Vec<(&'static str, &'static str, &'static str)>,
    /// With `{x0}` and its like where variables stand.
    condition: Option<&'static str>,
}

impl Inner {
    fn random(random: &mut Random) -> Inner {
        let steps = if random.percent(60) { 1 } else { 2 };
        let mut choose = |items: &[&'static str]| *random.pick(items).unwrap_or(&"");
        let labels = (0..=steps).map(|_| choose(&["", "", "", "A", "B"])).collect();
        let arrows = [("-", "->"), ("-", "->"), ("<-", "-"), ("-", "-")];
        let relationships = (0..steps)
            .map(|_| {
                let ty = choose(&["", "", ":R", ":S", ":R|S"]);
                let (before, after) = arrows[choose(&["0", "1", "2", "3"]).parse::<usize>().unwrap_or(0)];
                (before, ty, after)
            })
            .collect();
        let condition = match choose(&["", "", "1", "2", "3"]) {
            "1" => Some("{x0}.p <= {x1}.p"),
            "2" => Some("{r0}.w > 0"),
            "3" => Some("{x1}.p + {r0}.w <> 2 OR {x0}:A"),
            _ => None,
        };
        Inner { labels, relationships, condition }
    }

    fn steps(&self) -> usize {
        self.relationships.len()
    }

    fn quantified(&self, low: usize, high: usize) -> String {
        let mut text = "((x0".to_owned();
        for (index, (before, ty, after)) in self.relationships.iter().enumerate() {
            text += &format!("{}){before}[r{index}{ty}]{after}(x{}", label(self.labels[index]), index + 1);
        }
        text += &label(self.labels[self.steps()]);
        text += ")";
        if let Some(condition) = self.condition {
            text += &format!(" WHERE {}", condition.replace(['{', '}'], ""));
        }
        text + &format!("){{{low},{high}}}")
    }

    /// Pattern and conditions of `times` repetitions, from `v0` to the last node, whose number is given.
    fn written_out(&self, times: usize) -> (String, Vec<String>, usize) {
        let mut text = "(v0)".to_owned();
        let mut conditions = Vec::new();
        for time in 0..times {
            let first = time * self.steps();
            for (index, (before, ty, after)) in self.relationships.iter().enumerate() {
                text += &format!("{before}[e{}{ty}]{after}(v{})", first + index, first + index + 1);
            }
            for (index, name) in self.labels.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
                conditions.push(format!("v{}:{name}", first + index));
            }
            if let Some(condition) = self.condition {
                let condition = (0..=self.steps()).fold(condition.to_owned(), |text, index| {
                    text.replace(&format!("{{x{index}}}"), &format!("v{}", first + index))
                        .replace(&format!("{{r{index}}}"), &format!("e{}", first + index))
                });
                conditions.push(format!("({condition})"));
            }
        }
        (text, conditions, times * self.steps())
    }
}

fn label(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(":{name}") }
}

pub fn rows(session: &mut Session, query: &str) -> Vec<String> {
    let rows = session.query_text(query, &[]).unwrap_or_else(|error| panic!("{query}\n{error}"));
    let mut rows: Vec<String> = rows.into_iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

/// `QUANTIFIED_SEED` and `QUANTIFIED_PATTERNS` run others, and more.
#[test]
fn repetitions_are_those_written_out() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("QUANTIFIED_SEED").unwrap_or(1);
    let patterns = number("QUANTIFIED_PATTERNS").unwrap_or(150);
    let database = Database::in_memory().expect("a database in memory opens");
    let mut session = database.session();
    let mut random = Random::new(&[seed]);
    let mut found = 0;
    for pattern in 0..patterns {
        if pattern % 10 == 0 {
            random_graph(&mut session, &mut random);
        }
        if random.percent(10) {
            let setting = *random.pick(&["on", "off"]).unwrap_or(&"on");
            session.query(&format!("SET sinew.optimizer = {setting}"), &[]).expect("SET");
        }
        let inner = Inner::random(&mut random);
        let low = random.below(3) as usize;
        let high = low.max(1) + random.below(3) as usize;
        // Walked from the left end, from the right one, between two bound ones, from anywhere.
        let ends = [("k: 0", ""), ("", "k: 1"), ("k: 2", "k: 3"), ("", "")];
        let (left, right) = ends[random.below(4) as usize];
        let braced =
            |properties: &str| if properties.is_empty() { String::new() } else { format!(" {{{properties}}}") };
        let quantified = format!(
            "MATCH p = (v0{}) {} (last{}) RETURN v0.k, last.k, [r IN relationships(p) | id(r)], \
             [n IN x0 | n.k], [n IN x1 | n.k], [r IN r0 | id(r)]",
            braced(left),
            inner.quantified(low, high),
            braced(right),
        );
        let mut expected = Vec::new();
        for times in low..=high {
            let (path, mut conditions, last) = inner.written_out(times);
            if let Some(key) = left.strip_prefix("k: ") {
                conditions.push(format!("v0.k = {key}"));
            }
            if let Some(key) = right.strip_prefix("k: ") {
                conditions.push(format!("v{last}.k = {key}"));
            }
            let filter =
                if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
            let list = |name: &str, at: usize, value: &dyn Fn(String) -> String| {
                let values: Vec<String> =
                    (0..times).map(|time| value(format!("{name}{}", time * inner.steps() + at))).collect();
                format!("[{}]", values.join(", "))
            };
            let key = |name: String| format!("{name}.k");
            let id = |name: String| format!("id({name})");
            let all: Vec<String> = (0..last).map(|index| format!("id(e{index})")).collect();
            let query = format!(
                "MATCH {path}{filter} RETURN v0.k AS a, v{last}.k AS b, [{}] AS c, {} AS d, {} AS e, {} AS f",
                all.join(", "),
                list("v", 0, &key),
                list("v", 1, &key),
                list("e", 0, &id),
            );
            expected.extend(rows(&mut session, &query));
        }
        expected.sort();
        let actual = rows(&mut session, &quantified);
        assert!(actual == expected, "seed {seed}, pattern {pattern}:\n{quantified}\n{actual:#?}\n{expected:#?}");
        found += actual.len();
    }
    assert!(found > patterns as usize, "{found} rows of {patterns} patterns");
}
