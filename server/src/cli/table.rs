//! Results as aligned tables, as psql prints them.

use std::io::{self, Write};

/// Display width of a character: none for combining marks and joiners, two for East Asian and emoji.
fn char_width(c: char) -> usize {
    match c as u32 {
        0..=0x1f | 0x7f..=0x9f => 0,
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 => 2,
        0x1f300..=0x1f64f | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Prints header, rows (None: NULL) and the row count. Numbers are aligned to the right; a cell of several lines stays in
/// its column, its unfinished lines marked `+`.
pub fn write_table(out: &mut impl Write, names: &[String], rows: &[Vec<Option<String>>]) -> io::Result<()> {
    let count = names.len();
    let cells: Vec<Vec<Vec<String>>> =
        rows.iter().map(|row| row.iter().map(|cell| lines_of(cell.as_deref().unwrap_or(""))).collect()).collect();
    let mut widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
    for row in &cells {
        for (column, lines) in row.iter().enumerate() {
            widths[column] = lines.iter().map(|line| width(line)).fold(widths[column], usize::max);
        }
    }
    let numeric: Vec<bool> = (0..count)
        .map(|column| {
            let mut values = rows.iter().filter_map(|row| row[column].as_deref()).peekable();
            values.peek().is_some() && values.all(|value| value.parse::<f64>().is_ok())
        })
        .collect();
    for (column, name) in names.iter().enumerate() {
        let pad = widths[column] - width(name);
        let (left, right) = (pad / 2, pad - pad / 2);
        write!(out, "{} {}{name}{} ", if column > 0 { "|" } else { "" }, " ".repeat(left), " ".repeat(right))?;
    }
    writeln!(out)?;
    let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    writeln!(out, "{}", dashes.join("+"))?;
    for row in &cells {
        let height = row.iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..height {
            let mut text = String::new();
            for (column, lines) in row.iter().enumerate() {
                let cell = lines.get(line).map_or("", String::as_str);
                let pad = " ".repeat(widths[column] - width(cell));
                let mark = if line + 1 < lines.len() { '+' } else { ' ' };
                text.push_str(if column > 0 { "| " } else { " " });
                if numeric[column] {
                    text.push_str(&pad);
                    text.push_str(cell);
                } else {
                    text.push_str(cell);
                    text.push_str(&pad);
                }
                text.push(mark);
            }
            writeln!(out, "{}", text.trim_end())?;
        }
    }
    writeln!(out, "({} row{})\n", rows.len(), if rows.len() == 1 { "" } else { "s" })
}

fn lines_of(text: &str) -> Vec<String> {
    text.split('\n').map(|line| line.replace('\t', "    ").replace('\r', "\\r")).collect()
}

/// The line of `text` that holds character `position` (1-based), with a caret under it.
pub fn caret(text: &str, position: usize) -> Option<String> {
    let target = position.checked_sub(1)?;
    let mut seen = 0;
    for (number, line) in text.split('\n').enumerate() {
        let length = line.chars().count();
        if target <= seen + length {
            let line: String = line.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
            let before = target - seen;
            // Long lines are cut around the place.
            let start = before.saturating_sub(60);
            let shown: String = line.chars().skip(start).take(120).collect();
            let prefix = format!("LINE {}: {}", number + 1, if start > 0 { "..." } else { "" });
            let offset: usize =
                width(&prefix) + line.chars().skip(start).take(before - start).map(char_width).sum::<usize>();
            return Some(format!("{prefix}{shown}\n{}^", " ".repeat(offset)));
        }
        seen += length + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str], rows: &[&[Option<&str>]]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let rows: Vec<Vec<Option<String>>> =
            rows.iter().map(|row| row.iter().map(|cell| cell.map(str::to_owned)).collect()).collect();
        let mut out = Vec::new();
        write_table(&mut out, &names, &rows).expect("writes");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn aligned_like_psql() {
        let text = table(&["name", "n"], &[&[Some("ann"), Some("1")], &[None, Some("200")]]);
        assert_eq!(text, " name |  n  \n------+-----\n ann  |   1\n      | 200\n(2 rows)\n\n");
    }

    #[test]
    fn lines_and_wide_characters() {
        let text = table(&["t"], &[&[Some("a\nbc")], &[Some("\u{4f60}\u{597d}")]]);
        assert_eq!(text, "  t   \n------\n a   +\n bc\n \u{4f60}\u{597d}\n(2 rows)\n\n");
        assert_eq!(table(&["x"], &[]), " x \n---\n(0 rows)\n\n");
    }

    #[test]
    fn carets_point_at_the_character() {
        assert_eq!(caret("select 1;\nselec 2", 11).expect("found"), "LINE 2: selec 2\n        ^");
        assert_eq!(caret("select x", 8).expect("found"), "LINE 1: select x\n               ^");
        assert_eq!(caret("ab", 3).expect("end"), "LINE 1: ab\n          ^");
        assert!(caret("ab", 9).is_none());
        assert!(caret("ab", 0).is_none());
    }
}
