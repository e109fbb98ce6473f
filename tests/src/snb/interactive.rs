//! The interactive questions of the social network benchmark: fourteen complex reads and seven short ones, each in
//! Cypher over the graph and in SQL over the tables (`tests/queries/snb`).
//!
//! Answers are compared as rows in order, after this: a timestamp and a date become milliseconds since 1970, as the graph
//! holds them; jsonb arrays become lists. Numbers keep their type.

use std::path::Path;

use sinew::{Json, Result, Session, Value};

/// One question and the parameters it is asked with.
pub struct Question {
    pub name: &'static str,
    /// In the order of SQL's `$1`, `$2` …
    pub parameters: &'static [&'static str],
    /// Values from the data, chosen so that there are answers.
    pub more: &'static [&'static [&'static str]],
}

const fn question(
    name: &'static str,
    parameters: &'static [&'static str],
    more: &'static [&'static [&'static str]],
) -> Question {
    Question { name, parameters, more }
}

/// Persons with many friends and messages, with few, and with none.
const PERSONS: &[&[&str]] = &[&["143"], &["150"], &["4398046511333"], &["8796093022220"], &["10995116277918"]];
/// A comment on a post, that post, a comment on a comment, that comment, a photo.
const MESSAGES: &[&[&str]] =
    &[&["206158430246"], &["206158430245"], &["206158430253"], &["206158430252"], &["343597383680"]];

pub const QUESTIONS: &[Question] = &[
    question("ic1", &["personId", "firstName"], &[&["4398046511333", "John"], &["143", "Otto"], &["143", "Rahul"]]),
    question("ic2", &["personId", "maxDate"], &[&["4398046511333", "1290000000000"], &["143", "1285000000000"]]),
    question(
        "ic3",
        &["personId", "startDate", "durationDays", "countryXName", "countryYName"],
        &[
            &["4398046511333", "1262304000000", "400", "India", "Indonesia"],
            &["150", "1262304000000", "400", "Germany", "Austria"],
        ],
    ),
    question(
        "ic4",
        &["personId", "startDate", "durationDays"],
        &[&["4398046511333", "1283299200000", "60"], &["143", "1285891200000", "31"]],
    ),
    question("ic5", &["personId", "minDate"], &[&["143", "1283299200000"], &["4398046511333", "1262304000000"]]),
    question(
        "ic6",
        &["personId", "tagName"],
        &[&["4398046511333", "Joseph_Smith"], &["143", "Aung_San_Suu_Kyi"], &["143", "Hamid_Karzai"]],
    ),
    question("ic7", &["personId"], PERSONS),
    question("ic8", &["personId"], PERSONS),
    question("ic9", &["personId", "maxDate"], &[&["143", "1288000000000"], &["4398046511333", "1290000000000"]]),
    question(
        "ic10",
        &["personId", "month"],
        &[&["143", "1"], &["143", "6"], &["143", "12"], &["4398046511333", "9"], &["150", "3"]],
    ),
    question(
        "ic11",
        &["personId", "countryName", "workFromYear"],
        &[&["143", "India", "2012"], &["4398046511333", "China", "2005"]],
    ),
    question(
        "ic12",
        &["personId", "tagClassName"],
        &[&["143", "Person"], &["4398046511333", "OfficeHolder"], &["150", "Thing"]],
    ),
    question("ic13", &["person1Id", "person2Id"], &[&["143", "150"], &["143", "4398046511333"], &["65", "6"]]),
    question("ic14", &["person1Id", "person2Id"], &[&["143", "150"], &["143", "4398046511333"], &["65", "6"]]),
    question("is1", &["personId"], PERSONS),
    question("is2", &["personId"], PERSONS),
    question("is3", &["personId"], PERSONS),
    question("is4", &["messageId"], MESSAGES),
    question("is5", &["messageId"], MESSAGES),
    question("is6", &["messageId"], MESSAGES),
    question("is7", &["messageId"], MESSAGES),
];

impl Question {
    /// The data set's own parameters (of the complex reads), then ours.
    pub fn parameter_rows(&self, directory: &Path) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        if let Some(number) = self.name.strip_prefix("ic") {
            let file = directory.join(format!("substitution_parameters/interactive_{number}_param.txt"));
            let text = std::fs::read_to_string(&file).expect("the data set has parameters for every complex read");
            let mut lines = text.lines();
            let header: Vec<&str> = lines.next().unwrap_or_default().split('|').collect();
            assert_eq!(header, self.parameters, "{}", self.name);
            rows.extend(lines.map(|line| line.split('|').map(str::to_owned).collect()));
        }
        rows.extend(self.more.iter().map(|row| row.iter().map(|&value| value.to_owned()).collect::<Vec<_>>()));
        rows
    }

    /// The statement in the language whose files end so.
    fn text(&self, extension: &str) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("queries/snb/{}.{extension}", self.name));
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    pub fn ask_cypher(&self, session: &mut Session, values: &[String]) -> Result<Vec<String>> {
        let named: Vec<(&str, Value)> =
            self.parameters.iter().zip(values).map(|(name, value)| (*name, graph_value(name, value))).collect();
        Ok(rows_text(&session.query_named(&self.text("cypher"), &named)?.rows))
    }

    pub fn ask_sql(&self, session: &mut Session, values: &[String]) -> Result<Vec<String>> {
        let positional: Vec<Value> =
            self.parameters.iter().zip(values).map(|(name, value)| table_value(name, value)).collect();
        Ok(rows_text(&session.query(&self.text("sql"), &positional)?.rows))
    }
}

fn graph_value(name: &str, text: &str) -> Value {
    if name.ends_with("Name") { Value::text(text) } else { Value::Int(text.parse().expect("an integer")) }
}

/// As [`graph_value`], with times as the tables hold them.
fn table_value(name: &str, text: &str) -> Value {
    match graph_value(name, text) {
        Value::Int(milliseconds) if name.ends_with("Date") => Value::Timestamp(milliseconds * 1000),
        value => value,
    }
}

fn rows_text(rows: &[Vec<Value>]) -> Vec<String> {
    rows.iter().map(|row| row.iter().map(normalized).collect::<Vec<_>>().join("|")).collect()
}

fn normalized(value: &Value) -> String {
    match value {
        Value::Timestamp(microseconds) => (microseconds / 1000).to_string(),
        Value::Date(days) => (i64::from(*days) * 86_400_000).to_string(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => text.to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(normalized).collect::<Vec<_>>().join(", ")),
        Value::Json(json) => normalized_json(json),
        other => format!("{other:?}"),
    }
}

fn normalized_json(json: &Json) -> String {
    match json {
        Json::Int(value) => value.to_string(),
        Json::String(text) => text.to_string(),
        Json::Array(items) => format!("[{}]", items.iter().map(normalized_json).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}
