//! The small social network, loaded through Cypher and by COPY, gives its reference answers, and the same answers to
//! the interactive questions in both languages.

use std::path::PathBuf;
use std::sync::LazyLock;

use sinew::{Database, Result};
use sinew_tests::snb;

/// The network in both layouts, loaded once; None without the data sets.
static NETWORK: LazyLock<Option<(Database, PathBuf)>> = LazyLock::new(|| {
    let Some(directory) = snb::directory() else {
        eprintln!("skipped: no data sets; set SINEW_DATASETS_DIR");
        return None;
    };
    let database = Database::in_memory().expect("an in-memory database opens");
    let mut session = database.session();
    let (nodes, relationships) = snb::load(&mut session, &directory).expect("the graph loads");
    assert_eq!((nodes, relationships), (34_735, 70_842));
    let rows = snb::tables::load(&mut session, &directory).expect("the tables load");
    assert_eq!(rows, 55_566);
    Some((database, directory))
});

#[test]
fn reference_answers() {
    let Some((database, directory)) = &*NETWORK else { return };
    let mut session = database.session();
    let text = std::fs::read_to_string(directory.join("reference-answers.json")).expect("the answers are readable");
    let answers: Vec<serde_json::Value> = serde_json::from_str(&text).expect("the answers are JSON");
    assert_eq!(answers.len(), snb::QUESTIONS.len());
    let mut wrong = Vec::new();
    for answer in &answers {
        let name = answer["name"].as_str().expect("an answer has a name");
        let (_, question) = snb::QUESTIONS.iter().find(|(known, _)| *known == name).expect("every question is asked");
        let expected: Vec<String> = answer["rows"].as_array().expect("rows").iter().map(row_text).collect();
        let actual: Vec<String> = match session.query_text(question, &[]) {
            Ok(rows) => rows
                .into_iter()
                .map(|row| {
                    row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect::<Vec<_>>().join("|")
                })
                .collect(),
            Err(error) => vec![format!("{}: {error}", error.sqlstate())],
        };
        if actual != expected {
            wrong.push(format!("{name}: expected {expected:?}, got {actual:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn row_text(row: &serde_json::Value) -> String {
    let cells = row.as_array().expect("a row is a list");
    let cells: Vec<String> =
        cells.iter().map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect();
    cells.join("|")
}

/// Every interactive question has the same rows by Cypher over the graph and by SQL over the tables.
#[test]
fn interactive_questions_have_one_answer_in_both_languages() {
    let Some((database, directory)) = &*NETWORK else { return };
    let mut session = database.session();
    let mut wrong = Vec::new();
    let told =
        |answer: Result<Vec<String>>| answer.unwrap_or_else(|error| vec![format!("{}: {error}", error.sqlstate())]);
    for question in snb::interactive::QUESTIONS {
        let mut answered = false;
        for values in question.parameter_rows(directory) {
            let start = std::time::Instant::now();
            let cypher = question.ask_cypher(&mut session, &values);
            let cypher_time = start.elapsed();
            let sql = question.ask_sql(&mut session, &values);
            let sql_time = start.elapsed() - cypher_time;
            let failed = cypher.is_err() || sql.is_err();
            let (cypher, sql) = (told(cypher), told(sql));
            // Shown by `--nocapture`.
            println!("{} {values:?}: {} rows, Cypher {cypher_time:.1?}, SQL {sql_time:.1?}", question.name, sql.len());
            answered |= !failed && !cypher.is_empty();
            if failed || cypher != sql {
                wrong.push(format!(
                    "{} {values:?}:\n  Cypher:\n    {}\n  SQL:\n    {}",
                    question.name,
                    cypher.join("\n    "),
                    sql.join("\n    ")
                ));
            }
        }
        if !answered {
            wrong.push(format!("{}: no parameters gave an answer", question.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
