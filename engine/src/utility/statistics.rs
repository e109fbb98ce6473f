//! ANALYZE and VACUUM.

use sinew_query::{QueryError, Result};

use super::Utility;
use super::words::Words;
use crate::analyze::AnalyzeTarget;

/// `ANALYZE [VERBOSE | (options)] [tables]`, its first word taken.
pub(super) fn analyze(words: &mut Words<'_>) -> Result<Utility> {
    if words.raw() == "(" {
        options(words, "ANALYZE", &["verbose", "skip_locked"])?;
    } else {
        words.take("verbose");
    }
    Ok(Utility::Analyze(analyze_targets(words)?))
}

/// `VACUUM [FULL] [FREEZE] [VERBOSE] [ANALYZE] [tables]`, or with its options in parentheses.
pub(super) fn vacuum(words: &mut Words<'_>) -> Result<Utility> {
    let mut analyze = false;
    if words.raw() == "(" {
        let known = [
            "analyze",
            "verbose",
            "full",
            "freeze",
            "skip_locked",
            "disable_page_skipping",
            "index_cleanup",
            "process_toast",
            "truncate",
            "parallel",
        ];
        analyze = options(words, "VACUUM", &known)?.iter().any(|(name, on)| name == "analyze" && *on);
    } else {
        for word in ["full", "freeze", "verbose"] {
            words.take(word);
        }
        analyze |= words.take("analyze") || words.take("analyse");
    }
    let targets = analyze_targets(words)?;
    Ok(Utility::Vacuum(analyze.then_some(targets)))
}

/// `(name [value], …)`: names, and whether they are on. 42601 for one that is not known.
fn options(words: &mut Words<'_>, statement: &str, known: &[&str]) -> Result<Vec<(String, bool)>> {
    let mut options = Vec::new();
    words.take("(");
    loop {
        let position = words.position();
        let name = words.identifier("an option")?;
        if !known.contains(&name.as_str()) {
            return Err(QueryError::syntax(format!("unrecognized {statement} option \"{name}\""), position));
        }
        let mut on = true;
        if !matches!(words.raw(), "," | ")" | "") {
            on = sinew_query::settings::parse_bool(words.raw()).unwrap_or(true);
            words.at += 1;
        }
        options.push((name, on));
        if !words.take(",") {
            break;
        }
    }
    if words.take(")") { Ok(options) } else { Err(words.unexpected("\")\"")) }
}

/// `[name [(column, …)], …]`
fn analyze_targets(words: &mut Words<'_>) -> Result<Vec<AnalyzeTarget>> {
    let mut targets = Vec::new();
    while !words.done() {
        let (mut schema, mut name) = (None, words.identifier("a table name")?);
        if words.take(".") {
            schema = Some(std::mem::replace(&mut name, words.identifier("a table name")?));
        }
        let mut columns = None;
        if words.take("(") {
            let mut names = Vec::new();
            loop {
                names.push(words.identifier("a column name")?);
                if !words.take(",") {
                    break;
                }
            }
            if !words.take(")") {
                return Err(words.unexpected("\")\""));
            }
            columns = Some(names);
        }
        targets.push(AnalyzeTarget { schema, name, columns });
        if !words.take(",") {
            break;
        }
        if words.done() {
            return Err(words.unexpected("a table name"));
        }
    }
    Ok(targets)
}
