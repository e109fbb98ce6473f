//! The maps that constructors take.

use sinew_storage::Value;
use sinew_storage::value::MapValue;

use super::{Moment, ZoneRule, invalid};
use crate::cypher::errors;
use crate::cypher::functions::kind_name;
use crate::error::Result;

/// Names of date fields, by the way they say a date.
pub(super) const DATE_FIELDS: &[&str] =
    &["year", "month", "day", "week", "dayOfWeek", "quarter", "dayOfQuarter", "ordinalDay"];
pub(super) const TIME_FIELDS: &[&str] = &["hour", "minute", "second", "millisecond", "microsecond", "nanosecond"];

/// A map with the function that was called with it, for messages.
#[derive(Clone, Copy)]
pub(super) struct Fields<'m> {
    pub function: &'static str,
    pub map: &'m MapValue,
}

impl<'m> Fields<'m> {
    /// Refuses names that the function does not know.
    pub fn check_names(&self, known: &[&[&str]]) -> Result<()> {
        let all = || known.iter().flat_map(|names| names.iter().copied());
        match self.map.keys().find(|key| !all().any(|name| name == &***key)) {
            None => Ok(()),
            Some(key) => {
                let error = invalid(format!("{}() does not know the field \"{key}\"", self.function));
                Err(match errors::near_miss(key, all()) {
                    Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                    None => error,
                })
            }
        }
    }

    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.map.contains_key(*name))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>> {
        match self.map.get(name) {
            None => Ok(None),
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(other) => Err(self.wrong(name, "an integer", other)),
        }
    }

    /// An integer of a range; `range` reads `1 to 12`.
    pub fn integer_in(&self, name: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>> {
        let value = self.integer(name)?;
        match value {
            Some(value) if !range.contains(&value) => {
                let message = format!("{} must be {} to {}, got {value}", name, range.start(), range.end());
                Err(invalid(message))
            }
            value => Ok(value),
        }
    }

    /// The parts of a point in time given under `name`.
    pub fn moment(&self, name: &str) -> Result<Option<Moment>> {
        match self.map.get(name) {
            None => Ok(None),
            Some(Value::Temporal(value)) => match Moment::of(value) {
                Some(moment) => Ok(Some(moment)),
                None => Err(self.wrong(name, "a point in time", &Value::Temporal(value.clone()))),
            },
            Some(other) => Err(self.wrong(name, "a temporal value", other)),
        }
    }

    pub fn zone(&self) -> Result<Option<ZoneRule>> {
        match self.map.get("timezone") {
            None => Ok(None),
            Some(Value::Text(text)) => ZoneRule::parse(text).map(Some),
            Some(other) => Err(self.wrong("timezone", "a string", other)),
        }
    }

    fn wrong(&self, name: &str, expected: &str, found: &Value) -> crate::error::QueryError {
        let found = kind_name(found);
        let message = format!("field \"{name}\" of {}() expected {expected}, got {found}", self.function);
        errors::runtime("TypeError", "InvalidArgumentType", message)
    }
}
