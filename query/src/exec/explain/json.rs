//! The JSON form, with PostgreSQL's names.

use super::Summary;
use super::shown::{Property, PropertyValue, Shown};
use crate::statement::ExplainOptions;

/// An object being written: members are separated and indented.
struct Writer {
    out: String,
    depth: usize,
    is_first: bool,
}

impl Writer {
    fn next(&mut self) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(',');
        }
        self.out.push('\n');
        self.out.push_str(&"  ".repeat(self.depth));
    }

    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.depth += 1;
        self.is_first = true;
    }

    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        self.out.push('\n');
        self.out.push_str(&"  ".repeat(self.depth));
        self.out.push(bracket);
        self.is_first = false;
    }

    fn name(&mut self, name: &str) {
        self.next();
        self.string(name);
        self.out.push_str(": ");
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                c if u32::from(c) < 0x20 => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.string(text);
    }

    fn raw(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        self.out.push_str(&value.to_string());
    }
}

pub(super) fn print(shown: &Shown, options: &ExplainOptions, summary: &Summary) -> String {
    let mut writer = Writer { out: String::new(), depth: 0, is_first: true };
    writer.open('[');
    writer.next();
    writer.open('{');
    writer.name("Plan");
    operator(shown, None, options, &mut writer);
    if !summary.settings.is_empty() {
        writer.name("Settings");
        writer.open('{');
        summary.settings.iter().for_each(|(name, value)| writer.text(name, value));
        writer.close('}');
    }
    for (name, time) in [("Planning Time", summary.planning), ("Execution Time", summary.execution)] {
        if let Some(time) = time {
            writer.raw(name, format!("{:.3}", time.as_secs_f64() * 1000.0));
        }
    }
    writer.close('}');
    writer.close(']');
    writer.out
}

fn operator(shown: &Shown, place: Option<(&str, Option<&str>)>, options: &ExplainOptions, writer: &mut Writer) {
    writer.open('{');
    writer.text("Node Type", &shown.node_type);
    if let Some((relationship, name)) = place {
        writer.text("Parent Relationship", relationship);
        if let Some(name) = name {
            writer.text("Subplan Name", name);
        }
    }
    writer.raw("Parallel Aware", false);
    writer.raw("Async Capable", false);
    for (name, value) in &shown.attributes {
        writer.text(name, value);
    }
    if options.costs {
        writer.raw("Startup Cost", format!("{:.2}", shown.cost.startup));
        writer.raw("Total Cost", format!("{:.2}", shown.cost.total));
        writer.raw("Plan Rows", format!("{:.0}", shown.rows));
        writer.raw("Plan Width", shown.width);
    }
    if let Some(actual) = &shown.actual {
        if options.timing {
            writer.raw("Actual Startup Time", format!("{:.3}", actual.startup_ms));
            writer.raw("Actual Total Time", format!("{:.3}", actual.total_ms));
        }
        writer.raw("Actual Rows", format!("{:.0}", actual.rows));
        writer.raw("Actual Loops", actual.loops);
    }
    for Property { values } in &shown.properties {
        for (name, value) in values {
            match value {
                PropertyValue::Text(text) => writer.text(name, text),
                PropertyValue::Kilobytes(number) | PropertyValue::Number(number) => writer.raw(name, number),
                PropertyValue::List(items) => {
                    writer.name(name);
                    writer.out.push('[');
                    for (position, item) in items.iter().enumerate() {
                        if position > 0 {
                            writer.out.push_str(", ");
                        }
                        writer.string(item);
                    }
                    writer.out.push(']');
                }
            }
        }
    }
    if !(shown.sections.is_empty() && shown.children.is_empty()) {
        writer.name("Plans");
        writer.open('[');
        for (title, section) in &shown.sections {
            writer.next();
            let relationship = if title.starts_with("SubPlan") { "SubPlan" } else { "InitPlan" };
            operator(section, Some((relationship, Some(title))), options, writer);
        }
        for (position, child) in shown.children.iter().enumerate() {
            writer.next();
            let relationship = match (position, shown.children.len()) {
                (0, _) => "Outer",
                (1, 2) => "Inner",
                _ => "Member",
            };
            operator(child, Some((relationship, None)), options, writer);
        }
        writer.close(']');
    }
    writer.close('}');
}
