//! The text form.

use super::Summary;
use super::shown::{Actual, Property, Shown};
use crate::statement::ExplainOptions;

pub(super) fn print(shown: &Shown, options: &ExplainOptions, summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    operator(shown, 0, options, &mut lines);
    if !summary.settings.is_empty() {
        let changed: Vec<String> = summary.settings.iter().map(|(name, value)| format!("{name} = '{value}'")).collect();
        lines.push(format!("Settings: {}", changed.join(", ")));
    }
    if summary.short_path {
        lines.push("Short path".to_owned());
    }
    for (name, time) in [("Planning Time", summary.planning), ("Execution Time", summary.execution)] {
        if let Some(time) = time {
            lines.push(format!("{name}: {:.3} ms", time.as_secs_f64() * 1000.0));
        }
    }
    lines
}

fn operator(shown: &Shown, indent: usize, options: &ExplainOptions, lines: &mut Vec<String>) {
    let arrow = if indent == 0 { String::new() } else { format!("{}->  ", " ".repeat(indent)) };
    let mut line = format!("{arrow}{}", shown.title);
    if options.costs {
        line.push_str(&format!(
            "  (cost={:.2}..{:.2} rows={:.0} width={})",
            shown.cost.startup, shown.cost.total, shown.rows, shown.width
        ));
    }
    match &shown.actual {
        None => {}
        Some(Actual { loops: 0, .. }) => line.push_str(" (never executed)"),
        Some(actual) if options.timing => line.push_str(&format!(
            " (actual time={:.3}..{:.3} rows={:.0} loops={})",
            actual.startup_ms, actual.total_ms, actual.rows, actual.loops
        )),
        Some(actual) => line.push_str(&format!(" (actual rows={:.0} loops={})", actual.rows, actual.loops)),
    }
    lines.push(line);
    // Below the name, which an arrow has moved by four.
    let margin = if indent == 0 { 2 } else { indent + 6 };
    let text_of = |properties: &[Property]| -> Vec<String> {
        let texts = properties.iter().filter_map(|property| property.text());
        texts.map(|text| format!("{}{text}", " ".repeat(margin))).collect()
    };
    lines.extend(text_of(&shown.properties));
    for (title, section) in &shown.sections {
        lines.push(format!("{}{title}", " ".repeat(margin)));
        operator(section, margin + 2, options, lines);
    }
    for child in &shown.children {
        operator(child, margin, options, lines);
    }
}
