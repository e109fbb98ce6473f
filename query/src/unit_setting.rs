//! Numbers with a unit, as settings are written.

use crate::error::{QueryError, Result, sqlstate};

/// A kind of settings whose values have a unit.
pub(crate) struct Units {
    /// With what each is in the unit that values are kept in.
    pub factors: &'static [(&'static str, f64)],
    /// The unit that values are kept in, and meant when none is written.
    pub kept: &'static str,
    pub hint: &'static str,
}

impl Units {
    /// To whole units of those that are kept, `least` to 2^31 - 1. 22023 for anything else.
    pub fn parse(&self, name: &str, value: &str, least: i64) -> Result<i64> {
        let invalid = || {
            QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("invalid value for parameter \"{name}\": \"{value}\""),
            )
        };
        let text = value.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+')).unwrap_or(text.len());
        let number: f64 = text[..end].parse().map_err(|_| invalid())?;
        let unit = text[end..].trim_start();
        let factor = match self.factors.iter().find(|(known, _)| *known == unit) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1.0,
            None => return Err(invalid().hint(self.hint)),
        };
        let kept = (number * factor).round();
        if !(least as f64..=f64::from(i32::MAX)).contains(&kept) {
            return Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!(
                    "{kept} {} is outside the valid range for parameter \"{name}\" ({least} .. {})",
                    self.kept,
                    i32::MAX
                ),
            ));
        }
        Ok(kept as i64)
    }
}
