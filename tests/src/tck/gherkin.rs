//! A reader of Gherkin feature files: just what the TCK uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    Given,
    When,
    Then,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub keyword: Keyword,
    pub text: String,
    pub doc: Option<String>,
    pub table: Option<Vec<Vec<String>>>,
}

/// One scenario; outlines are expanded, the background's steps come first.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Folder of its file below the features directory, with `/`.
    pub folder: String,
    pub file: String,
    pub name: String,
    pub steps: Vec<Step>,
}

/// All scenarios below `directory`, in order of their paths.
pub fn read_features(directory: &Path) -> Result<Vec<Scenario>, String> {
    let mut files = Vec::new();
    collect(directory, &mut files)?;
    files.sort();
    let mut scenarios = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let relative = file.strip_prefix(directory).unwrap_or(&file);
        let folder = relative.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let name = relative.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let found = parse(&text, &folder, &name).map_err(|error| format!("{}: {error}", file.display()))?;
        scenarios.extend(found);
    }
    Ok(scenarios)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "feature") {
            files.push(path);
        }
    }
    Ok(())
}

/// What steps and tables are being read into.
#[derive(Default)]
struct Definition {
    name: String,
    steps: Vec<Step>,
    /// Rows of each Examples table, its header first.
    examples: Vec<Vec<Vec<String>>>,
    in_examples: bool,
}

/// The scenarios of one file's text.
pub fn parse(text: &str, folder: &str, file: &str) -> Result<Vec<Scenario>, String> {
    let mut background: Vec<Step> = Vec::new();
    let mut definitions: Vec<Definition> = Vec::new();
    let mut in_background = false;
    let mut lines = text.lines().enumerate();
    while let Some((number, raw)) = lines.next() {
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('@') || line.starts_with("Feature:") {
            continue;
        }
        if line.starts_with("Background:") {
            in_background = true;
        } else if let Some(name) = line.strip_prefix("Scenario Outline:").or_else(|| line.strip_prefix("Scenario:")) {
            in_background = false;
            let name = name.trim().to_owned();
            definitions.push(Definition { name, ..Definition::default() });
        } else if line.starts_with("Examples:") {
            let definition = definitions.last_mut().ok_or(format!("line {}: Examples outside", number + 1))?;
            definition.in_examples = true;
            definition.examples.push(Vec::new());
        } else if line.starts_with('|') {
            let row = split_row(line);
            match definitions.last_mut() {
                Some(definition) if !in_background && definition.in_examples => {
                    if let Some(rows) = definition.examples.last_mut() {
                        rows.push(row);
                    }
                }
                definition => {
                    let steps = match definition {
                        Some(definition) if !in_background => &mut definition.steps,
                        _ => &mut background,
                    };
                    let step = steps.last_mut().ok_or(format!("line {}: a table without a step", number + 1))?;
                    step.table.get_or_insert_default().push(row);
                }
            }
        } else if line.starts_with("\"\"\"") {
            let indent = raw.len() - raw.trim_start().len();
            let mut doc = Vec::new();
            loop {
                let Some((_, raw)) = lines.next() else {
                    return Err(format!("line {}: unterminated doc string", number + 1));
                };
                if raw.trim() == "\"\"\"" {
                    break;
                }
                let blank = raw.chars().take(indent).take_while(|c| c.is_whitespace()).map(char::len_utf8).sum();
                doc.push(&raw[blank..]);
            }
            let steps = match definitions.last_mut() {
                Some(definition) if !in_background => &mut definition.steps,
                _ => &mut background,
            };
            let step = steps.last_mut().ok_or(format!("line {}: a doc string without a step", number + 1))?;
            step.doc = Some(doc.join("\n"));
        } else if let Some((word, rest)) = line.split_once(' ') {
            let after_background = background.last().map(|step| step.keyword);
            let steps = match definitions.last_mut() {
                Some(definition) if !in_background => &mut definition.steps,
                _ => &mut background,
            };
            let keyword = match word {
                "Given" => Keyword::Given,
                "When" => Keyword::When,
                "Then" => Keyword::Then,
                "And" | "But" => match steps.last().map(|step| step.keyword).or(after_background) {
                    Some(keyword) => keyword,
                    None => return Err(format!("line {}: {word} without a step before", number + 1)),
                },
                // Description below Feature.
                _ if definitions.is_empty() && !in_background => continue,
                _ => return Err(format!("line {}: what is \"{line}\"?", number + 1)),
            };
            steps.push(Step { keyword, text: rest.trim().to_owned(), doc: None, table: None });
        }
    }
    Ok(definitions.into_iter().flat_map(|definition| expand(definition, &background, folder, file)).collect())
}

fn expand(definition: Definition, background: &[Step], folder: &str, file: &str) -> Vec<Scenario> {
    let steps: Vec<Step> = background.iter().cloned().chain(definition.steps).collect();
    let scenario =
        |name: String, steps: Vec<Step>| Scenario { folder: folder.to_owned(), file: file.to_owned(), name, steps };
    if definition.examples.is_empty() {
        return vec![scenario(definition.name.clone(), steps)];
    }
    let mut scenarios = Vec::new();
    for table in &definition.examples {
        let Some((header, rows)) = table.split_first() else { continue };
        for row in rows {
            let values: BTreeMap<&str, &str> =
                header.iter().map(String::as_str).zip(row.iter().map(String::as_str)).collect();
            let replaced = steps.iter().map(|step| substitute_step(step, &values)).collect();
            let name = format!("{} ({})", substitute(&definition.name, &values), row.join(", "));
            scenarios.push(scenario(name, replaced));
        }
    }
    scenarios
}

fn substitute(text: &str, values: &BTreeMap<&str, &str>) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
}

fn substitute_step(step: &Step, values: &BTreeMap<&str, &str>) -> Step {
    let table = step
        .table
        .as_ref()
        .map(|rows| rows.iter().map(|row| row.iter().map(|cell| substitute(cell, values)).collect()).collect());
    Step {
        keyword: step.keyword,
        text: substitute(&step.text, values),
        doc: step.doc.as_ref().map(|doc| substitute(doc, values)),
        table,
    }
}

/// Cells between bars, trimmed, escapes resolved. A lone bar has none.
fn split_row(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut raw = String::new();
    let mut chars = line.trim().chars().skip(1);
    while let Some(c) = chars.next() {
        match c {
            '|' => cells.push(unescape(std::mem::take(&mut raw).trim())),
            '\\' => {
                raw.push(c);
                raw.extend(chars.next());
            }
            _ => raw.push(c),
        }
    }
    cells
}

fn unescape(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some(c @ ('\\' | '|')) => text.push(c),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}
