//! Parses every query of the openCypher TCK: all but those that must be syntax errors.

use std::path::{Path, PathBuf};

use super::parse;

fn feature_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            feature_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "feature") {
            found.push(path);
        }
    }
}

/// (query, what the scenario expects) without outlines' placeholders resolved.
fn queries(text: &str) -> Vec<(String, bool)> {
    let mut queries = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for scenario in lines.join("\n").split("Scenario").skip(1) {
        let fails = scenario.contains("SyntaxError should be raised");
        for part in scenario.split("\"\"\"").skip(1).step_by(2) {
            if !part.contains('<') || !scenario.contains("Examples:") {
                queries.push((part.to_owned(), fails));
            }
        }
    }
    queries
}

#[test]
fn all_tck_queries_parse() {
    let folder = std::env::var("SINEW_TCK_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/opencypher-tck/features").to_owned());
    let mut files = Vec::new();
    feature_files(Path::new(&folder), &mut files);
    if files.is_empty() {
        eprintln!("skipped: no feature files in {folder}; set SINEW_TCK_DIR");
        return;
    }
    let mut failures = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("feature files are readable");
        for (query, fails) in queries(&text) {
            if let Err(error) = parse(&query, &sinew_storage::CancelToken::default())
                && !fails
            {
                failures.push(format!("{}: {query}: {error}", file.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{} queries do not parse:\n{}", failures.len(), failures.join("\n"));
}
