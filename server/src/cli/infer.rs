//! Columns of a file, by its beginning: their names, and types that hold the values seen.

use serde_json::Value as Json;
use sinew::query::statement::{CopyFormat, CopyHeader, CopyOptions};

use crate::wire::{CopyDecoder, CopyProgress, RawRow};

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    pub name: String,
    pub ty: ColumnType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Nothing but NULL was seen.
    Unknown,
    Bool,
    Integer,
    Float,
    Date,
    Timestamp,
    Json,
    Text,
    // Of files that name their types.
    Numeric,
    Time,
    LocalTimestamp,
    Uuid,
    Bytes,
}

impl ColumnType {
    pub fn sql(self) -> &'static str {
        match self {
            ColumnType::Bool => "boolean",
            ColumnType::Integer => "bigint",
            ColumnType::Float => "double precision",
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamptz",
            ColumnType::Json => "jsonb",
            ColumnType::Numeric => "numeric",
            ColumnType::Time => "time",
            ColumnType::LocalTimestamp => "timestamp",
            ColumnType::Uuid => "uuid",
            ColumnType::Bytes => "bytea",
            ColumnType::Unknown | ColumnType::Text => "text",
        }
    }

    /// The narrowest type for values of both.
    fn with(self, other: ColumnType) -> ColumnType {
        use ColumnType::*;
        match (self, other) {
            (a, b) if a == b => a,
            (Unknown, ty) | (ty, Unknown) => ty,
            (Integer, Float) | (Float, Integer) => Float,
            (Date, Timestamp) | (Timestamp, Date) => Timestamp,
            _ => Text,
        }
    }

    fn of_text(text: &str) -> ColumnType {
        let digits = text.strip_prefix('-').unwrap_or(text);
        // A leading zero is kept by text only: numbers of telephones and houses.
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0') || digits.starts_with("0."));
        if is_number && text.parse::<i64>().is_ok() {
            return ColumnType::Integer;
        }
        if is_number && text.parse::<f64>().is_ok() {
            return ColumnType::Float;
        }
        if matches!(text, "true" | "false" | "t" | "f") {
            return ColumnType::Bool;
        }
        if text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10 {
            return ColumnType::Date;
        }
        if text.parse::<jiff::Timestamp>().is_ok() || text.len() > 10 && text.parse::<jiff::civil::DateTime>().is_ok() {
            return ColumnType::Timestamp;
        }
        ColumnType::Text
    }
}

/// The columns that CSV's first line names. Errors begin with the line.
pub fn infer_csv(sample: &[u8], is_whole: bool, delimiter: u8) -> Result<Vec<Inferred>, String> {
    let options = CopyOptions {
        format: CopyFormat::Csv,
        delimiter,
        null: String::new(),
        header: CopyHeader::None,
        quote: b'"',
        escape: b'"',
        force_quote: Vec::new(),
        force_not_null: Vec::new(),
        force_null: Vec::new(),
    };
    // A mark of the byte order, as spreadsheets write it, belongs to no name.
    let sample = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample);
    // The first line is read by itself: it says how many columns there are.
    let names = first_row(sample, is_whole, &options)?;
    let mut columns: Vec<Inferred> =
        names.iter().map(|name| Inferred { name: name.clone(), ty: ColumnType::Unknown }).collect();
    let mut decoder = CopyDecoder::new(CopyOptions { header: CopyHeader::Line, ..options }, names);
    decoder.feed(sample);
    if is_whole {
        decoder.finish();
    }
    let mut row = RawRow::default();
    loop {
        match decoder.next_row(&mut row) {
            Ok(CopyProgress::Row) => {
                for (index, column) in columns.iter_mut().enumerate() {
                    let Some(bytes) = row.field(index) else { continue };
                    let text = std::str::from_utf8(bytes)
                        .map_err(|_| format!("line {}: column {} is not UTF-8", decoder.line, column.name))?;
                    column.ty = column.ty.with(ColumnType::of_text(text));
                }
            }
            Ok(CopyProgress::NeedMore | CopyProgress::End) => return Ok(columns),
            Err(error) => return Err(format!("line {}: {error}", decoder.line)),
        }
    }
}

fn first_row(sample: &[u8], is_whole: bool, options: &CopyOptions) -> Result<Vec<String>, String> {
    // No columns are expected, so that any line has too many: what it has is read then.
    let mut decoder = CopyDecoder::new(options.clone(), Vec::new());
    decoder.feed(sample);
    if is_whole {
        decoder.finish();
    }
    let mut row = RawRow::default();
    match decoder.next_row(&mut row) {
        Ok(CopyProgress::Row) => {}
        // Columns that nobody expected: what is wanted here.
        Err(_) if row.len() > 0 => {}
        Ok(_) => return Err("line 1: there is no line with the columns' names".to_owned()),
        Err(error) => return Err(format!("line 1: {error}")),
    }
    (0..row.len())
        .map(|index| match row.field(index).map(std::str::from_utf8) {
            Some(Ok(name)) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(format!("line 1: column {} has no name", index + 1)),
        })
        .collect()
}

/// The keys of objects, in the order in which they come.
pub fn infer_json(sample: &[u8], is_whole: bool) -> Result<Vec<Inferred>, String> {
    let mut columns: Vec<Inferred> = Vec::new();
    let end = if is_whole { sample.len() } else { sample.iter().rposition(|byte| *byte == b'\n').unwrap_or(0) };
    let lines = sample[..end].strip_suffix(b"\n").unwrap_or(&sample[..end]).split(|byte| *byte == b'\n');
    for (index, line) in lines.enumerate() {
        let value: Json = serde_json::from_slice(line).map_err(|error| format!("line {}: {error}", index + 1))?;
        let Json::Object(object) = value else { return Err(format!("line {}: this is no JSON object", index + 1)) };
        for (key, value) in object {
            let at = match columns.iter().position(|column| column.name == key) {
                Some(at) => at,
                None => {
                    columns.push(Inferred { name: key, ty: ColumnType::Unknown });
                    columns.len() - 1
                }
            };
            let ty = match value {
                Json::Null => ColumnType::Unknown,
                Json::Bool(_) => ColumnType::Bool,
                Json::Number(number) if number.is_i64() => ColumnType::Integer,
                Json::Number(_) => ColumnType::Float,
                Json::String(text) => match ColumnType::of_text(&text) {
                    ty @ (ColumnType::Date | ColumnType::Timestamp) => ty,
                    // A string that looks like a number was written as a string on purpose.
                    _ => ColumnType::Text,
                },
                Json::Array(_) | Json::Object(_) => ColumnType::Json,
            };
            columns[at].ty = columns[at].ty.with(ty);
        }
    }
    if columns.is_empty() {
        return Err("line 1: there is no object with keys".to_owned());
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(columns: Result<Vec<Inferred>, String>) -> Result<Vec<String>, String> {
        Ok(columns?.iter().map(|column| format!("{} {}", column.name, column.ty.sql())).collect())
    }

    #[test]
    fn csv_names_its_columns() {
        let text = "id,\"the name\",price,day,at,zip,ok,none\n1,\"a,b\",2,2026-01-02,2026-01-02T03:04:05Z,01234,true,\n\
                    2,,2.5,2026-01-03,2026-01-03 04:05:06,99999,f,\n";
        assert_eq!(
            shown(infer_csv(text.as_bytes(), true, b',')).expect("valid"),
            [
                "id bigint",
                "the name text",
                "price double precision",
                "day date",
                "at timestamptz",
                "zip text",
                "ok boolean",
                "none text"
            ]
        );
        assert!(infer_csv(b"", true, b',').is_err_and(|error| error.starts_with("line 1")));
        assert!(infer_csv(b"a,b\n1,2\n3\n", true, b',').is_err_and(|error| error.starts_with("line 3: missing data")));
        // The last line of a part may be cut.
        assert_eq!(shown(infer_csv(b"a;b\n1;2\n3", false, b';')).expect("valid"), ["a bigint", "b bigint"]);
    }

    #[test]
    fn objects_name_their_keys() {
        let text = "{\"a\": 1, \"b\": \"5\"}\n{\"a\": 2.5, \"c\": [1], \"d\": \"2026-01-02\", \"e\": null}\n";
        assert_eq!(
            shown(infer_json(text.as_bytes(), true)).expect("valid"),
            ["a double precision", "b text", "c jsonb", "d date", "e text"]
        );
        assert!(infer_json(b"{}\n[1]\n", true).is_err_and(|error| error.starts_with("line 2")));
        assert!(infer_json(b"", true).is_err());
    }
}
