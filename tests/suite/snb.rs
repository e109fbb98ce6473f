//! The small social network, loaded through Cypher, gives its reference answers.

use sinew::Database;
use sinew_tests::snb;

#[test]
fn reference_answers() {
    let Some(directory) = snb::directory() else {
        eprintln!("skipped: no data sets; set SINEW_DATASETS_DIR");
        return;
    };
    let database = Database::in_memory().expect("an in-memory database opens");
    let mut session = database.session();
    let (nodes, relationships) = snb::load(&mut session, &directory).expect("the data loads");
    assert_eq!((nodes, relationships), (34_735, 70_842));

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
