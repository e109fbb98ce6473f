//! Values as text, for messages of this crate. What users see as results is formatted by the query layer.

use bigdecimal::BigDecimal;

use crate::temporal::civil_from_days;
use crate::value::{Json, Numeric, Value};

/// PostgreSQL's output form where there is one.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => if *b { "t" } else { "f" }.to_owned(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => f.to_string(),
        Value::Numeric(numeric) => match &**numeric {
            Numeric::Finite(decimal) => decimal_text(decimal),
            Numeric::Infinity => "Infinity".to_owned(),
            Numeric::NegativeInfinity => "-Infinity".to_owned(),
            Numeric::NaN => "NaN".to_owned(),
        },
        Value::Text(text) => text.to_string(),
        Value::Bytes(bytes) => bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
        Value::Timestamp(micros) => {
            let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
            let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
            let mut text =
                format!("{} {:02}:{:02}:{:02}", date_text(days), seconds / 3_600, seconds / 60 % 60, seconds % 60);
            if fraction != 0 {
                text += format!(".{fraction:06}").trim_end_matches('0');
            }
            text + "+00"
        }
        Value::Date(days) => date_text(i64::from(*days)),
        Value::Temporal(temporal) => temporal.to_string(),
        Value::Interval(i) => format!("{} months {} days {} microseconds", i.months, i.days, i.microseconds),
        Value::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).to_string(),
        Value::Json(json) => json_text(json),
        Value::Vector(elements) => {
            let parts: Vec<String> = elements.iter().map(f32::to_string).collect();
            format!("[{}]", parts.join(","))
        }
        Value::List(items) => {
            let parts: Vec<String> = items.iter().map(value_text).collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Map(entries) => {
            let parts: Vec<String> = entries.iter().map(|(key, item)| format!("{key}: {}", value_text(item))).collect();
            format!("{{{}}}", parts.join(", "))
        }
        Value::Node(id) => format!("node {id}"),
        Value::Relationship(relationship) => format!("relationship {}", relationship.id),
        Value::Path(path) => format!("path of {} relationships", path.relationships.len()),
    }
}

/// Huge scales stay in exponent form: they would fill memory with zeros.
fn decimal_text(decimal: &BigDecimal) -> String {
    let (unscaled, scale) = decimal.as_bigint_and_scale();
    if scale.unsigned_abs() > 1_000 { format!("{unscaled}e{}", -i128::from(scale)) } else { decimal.to_plain_string() }
}

fn json_text(json: &Json) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(b) => b.to_string(),
        Json::Int(i) => i.to_string(),
        Json::Decimal(decimal) => decimal_text(decimal),
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            let parts: Vec<String> = items.iter().map(json_text).collect();
            format!("[{}]", parts.join(", "))
        }
        Json::Object(entries) => {
            let parts: Vec<String> =
                entries.iter().map(|(key, item)| format!("{}: {}", quoted(key), json_text(item))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

/// Proleptic Gregorian date of a day number, years before 1 as PostgreSQL writes them.
fn date_text(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    if year > 0 { format!("{year:04}-{month:02}-{day:02}") } else { format!("{:04}-{month:02}-{day:02} BC", 1 - year) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times() {
        assert_eq!(value_text(&Value::Date(0)), "1970-01-01");
        assert_eq!(value_text(&Value::Date(19_782)), "2024-02-29");
        assert_eq!(value_text(&Value::Timestamp(-1)), "1969-12-31 23:59:59.999999+00");
        assert_eq!(value_text(&Value::Timestamp(1_700_000_000_500_000)), "2023-11-14 22:13:20.5+00");
    }
}
