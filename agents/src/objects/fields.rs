//! Reading a definition's fields with checks: unknown names, wrong types and values out of range are 22023.

use serde_json::{Map, Value as JsonValue};
use sinew::{QueryError, sqlstate};

use sinew::query::near_miss::near_miss;

/// What is wrong with a definition, and in which field, so that a statement can point at it.
#[derive(Clone, Debug)]
pub struct Invalid {
    pub field: Option<String>,
    pub error: QueryError,
}

impl From<QueryError> for Invalid {
    fn from(error: QueryError) -> Invalid {
        Invalid { field: None, error }
    }
}

impl From<Invalid> for QueryError {
    fn from(invalid: Invalid) -> QueryError {
        invalid.error
    }
}

/// `a model`, `an agent`.
pub fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// The fields of one definition.
pub struct Fields<'a> {
    /// As errors name it: `model`, `agent`.
    kind: &'static str,
    map: &'a Map<String, JsonValue>,
}

impl<'a> Fields<'a> {
    /// Every field must be one of `known`.
    pub fn new(kind: &'static str, definition: &'a JsonValue, known: &[&'static str]) -> Result<Fields<'a>, Invalid> {
        let JsonValue::Object(map) = definition else {
            return Err(invalid_value(format!("the definition of {} must be a JSON object", with_article(kind))).into());
        };
        if let Some(unknown) = map.keys().find(|key| !known.contains(&key.as_str())) {
            let mut error = invalid_value(format!("unknown option \"{unknown}\" of {}", with_article(kind)));
            error = match near_miss(unknown, known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None => error.hint(format!("options are {}", known.join(", "))),
            };
            return Err(Invalid { field: Some(unknown.clone()), error });
        }
        Ok(Fields { kind, map })
    }

    pub fn get(&self, field: &str) -> Option<&'a JsonValue> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub fn fail(&self, field: &str, message: impl std::fmt::Display) -> Invalid {
        let error = invalid_value(format!("option \"{field}\" of {}: {message}", with_article(self.kind)));
        Invalid { field: Some(field.to_owned()), error }
    }

    /// The error of a field whose value asks for what is not built.
    pub fn unsupported(&self, field: &str, what: impl std::fmt::Display) -> Invalid {
        Invalid { field: Some(field.to_owned()), error: QueryError::unsupported(what) }
    }

    pub fn text(&self, field: &str) -> Result<Option<String>, Invalid> {
        match self.get(field) {
            None => Ok(None),
            Some(JsonValue::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.fail(field, format!("expected text, found {other}"))),
        }
    }

    pub fn required_text(&self, field: &str) -> Result<String, Invalid> {
        let text = self.text(field)?;
        text.ok_or_else(|| {
            let error = invalid_value(format!("{} needs the option \"{field}\"", with_article(self.kind)));
            Invalid { field: None, error }
        })
    }

    /// One of `choices`.
    pub fn choice(&self, field: &str, choices: &[&'static str]) -> Result<Option<&'static str>, Invalid> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        if let Some(choice) = choices.iter().find(|choice| choice.eq_ignore_ascii_case(&text)) {
            return Ok(Some(choice));
        }
        let mut invalid = self.fail(field, format!("\"{text}\" is none of {}", choices.join(", ")));
        if let Some(near) = near_miss(&text, choices.iter().copied()) {
            invalid.error = invalid.error.hint(format!("did you mean \"{near}\"?"));
        }
        Err(invalid)
    }

    /// A whole number, also written as text.
    pub fn int(&self, field: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Invalid> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let int = match value {
            JsonValue::Number(number) => number.as_i64(),
            JsonValue::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match int {
            Some(int) if range.contains(&int) => Ok(Some(int)),
            _ => {
                let (low, high) = range.into_inner();
                Err(self.fail(field, format!("expected a whole number from {low} to {high}, found {value}")))
            }
        }
    }

    /// A finite number of at least zero, also written as text.
    pub fn number(&self, field: &str) -> Result<Option<f64>, Invalid> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let number = match value {
            JsonValue::Number(number) => number.as_f64(),
            JsonValue::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
            _ => Err(self.fail(field, format!("expected a number of at least 0, found {value}"))),
        }
    }

    /// A duration in milliseconds: text with a unit (`500ms`, `2s`, `5m`, `1h`) or a number of seconds.
    pub fn duration_ms(&self, field: &str) -> Result<Option<u64>, Invalid> {
        let Some(value) = self.get(field) else { return Ok(None) };
        parse_duration_ms(value).map(Some).ok_or_else(|| {
            self.fail(field, format!("expected a duration such as '500ms', '90s' or '5m', found {value}"))
        })
    }
}

/// Longest duration that a definition may name: 30 days.
const LONGEST_MS: f64 = 30.0 * 86_400_000.0;

/// None when it is no positive duration of at most 30 days.
pub fn parse_duration_ms(value: &JsonValue) -> Option<u64> {
    let ms = match value {
        JsonValue::Number(number) => number.as_f64()? * 1_000.0,
        JsonValue::String(text) => {
            let text = text.trim();
            let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let (number, unit) = text.split_at(split);
            let factor = match unit.trim().to_ascii_lowercase().as_str() {
                "ms" => 1.0,
                "" | "s" | "sec" | "second" | "seconds" => 1_000.0,
                "m" | "min" | "minute" | "minutes" => 60_000.0,
                "h" | "hour" | "hours" => 3_600_000.0,
                "d" | "day" | "days" => 86_400_000.0,
                _ => return None,
            };
            number.parse::<f64>().ok()? * factor
        }
        _ => return None,
    };
    (1.0..=LONGEST_MS).contains(&ms).then_some(ms as u64)
}

pub fn invalid_value(message: impl Into<String>) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, ms: Option<u64>| assert_eq!(parse_duration_ms(&text.into()), ms, "{text}");
        check("500ms", Some(500));
        check("2s", Some(2_000));
        check("1.5 m", Some(90_000));
        check("5", Some(5_000));
        check("5 parsecs", None);
        check("-5s", None);
        check("999999d", None);
    }

    #[test]
    fn unknown_fields_name_the_near_miss() {
        let definition = serde_json::json!({"max_tokes": 1});
        let invalid = Fields::new("agent", &definition, &["max_tokens"]).err().expect("unknown field is refused");
        assert_eq!(invalid.field.as_deref(), Some("max_tokes"));
        assert_eq!(invalid.error.sqlstate(), "22023");
        assert_eq!(invalid.error.0.hint.as_deref(), Some("did you mean \"max_tokens\"?"));
    }
}
