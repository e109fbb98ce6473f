//! Time zones: an offset, or a name whose offset depends on the moment.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, TimeZone};
use sinew_storage::temporal::{OFFSET_SECONDS, SECONDS_PER_DAY, Zone};

use super::invalid;
use crate::error::Result;
use crate::types::calendar;

/// How a clock is set.
#[derive(Clone, Debug)]
pub(in crate::cypher) enum ZoneRule {
    /// Seconds ahead of UTC.
    Offset(i32),
    Named(Arc<str>, TimeZone, PreferredOffset),
}

/// Of a clock that was read before: where it shows the same twice, this offset is meant.
pub(in crate::cypher) type PreferredOffset = Option<i32>;

impl ZoneRule {
    pub const UTC: ZoneRule = ZoneRule::Offset(0);

    /// A name that the database no longer has is taken for its offset.
    pub fn of(zone: &Zone) -> ZoneRule {
        let named = zone.name.as_ref().and_then(|name| Some((name.clone(), TimeZone::get(name).ok()?)));
        let offset = zone.offset_seconds;
        named.map_or(ZoneRule::Offset(offset), |(name, rule)| ZoneRule::Named(name, rule, Some(offset)))
    }

    /// `Europe/Stockholm`, `Z`, `+01:00`, `+0100`, `+01`, `-02:05:07`.
    pub fn parse(text: &str) -> Result<ZoneRule> {
        if let Some(offset) = parse_offset(text) {
            return Ok(ZoneRule::Offset(offset));
        }
        let rule = TimeZone::get(text).map_err(|_| invalid(format!("time zone \"{text}\" is not known")))?;
        let name = rule.iana_name().unwrap_or(text).into();
        Ok(ZoneRule::Named(name, rule, None))
    }

    pub fn name(&self) -> Option<Arc<str>> {
        match self {
            ZoneRule::Offset(_) => None,
            ZoneRule::Named(name, ..) => Some(name.clone()),
        }
    }

    /// Ahead of UTC at an instant. Beyond the years the database covers, as at their border.
    pub fn offset_at(&self, instant_seconds: i64) -> i32 {
        match self {
            ZoneRule::Offset(seconds) => *seconds,
            ZoneRule::Named(_, rule, _) => {
                let border = if instant_seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
                let instant = Timestamp::from_second(instant_seconds).unwrap_or(border);
                rule.to_offset(instant).seconds()
            }
        }
    }

    /// The instant at which a clock shows this. In a gap the clock is put forward by its length; of two instants it is
    /// the one with the preferred offset, else the earlier.
    pub fn instant_of(&self, local_seconds: i64) -> i64 {
        let (rule, preferred) = match self {
            ZoneRule::Offset(seconds) => return local_seconds.saturating_sub(i64::from(*seconds)),
            ZoneRule::Named(_, rule, preferred) => (rule, *preferred),
        };
        let instant = civil(local_seconds).and_then(|clock| {
            let found = rule.to_ambiguous_timestamp(clock);
            let later = match found.offset() {
                AmbiguousOffset::Fold { after, .. } => preferred == Some(after.seconds()),
                _ => false,
            };
            if later { found.later().ok() } else { found.compatible().ok() }
        });
        match instant {
            Some(instant) => instant.as_second(),
            None => local_seconds.saturating_sub(i64::from(self.offset_at(local_seconds))),
        }
    }
}

fn civil(local_seconds: i64) -> Option<jiff::civil::DateTime> {
    let (year, month, day) = calendar::civil_from_days(local_seconds.div_euclid(SECONDS_PER_DAY));
    let second = local_seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let year = i16::try_from(year).ok()?;
    jiff::civil::DateTime::new(year, month as i8, day as i8, hour as i8, minute as i8, second as i8, 0).ok()
}

/// `Z`, `+HH`, `+HHMM`, `+HH:MM`, `+HHMMSS`, `+HH:MM:SS`: seconds ahead of UTC.
pub(super) fn parse_offset(text: &str) -> Option<i32> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-'])?;
    let parts: Vec<&str> = if digits.contains(':') {
        digits.split(':').collect()
    } else {
        (0..digits.len().div_ceil(2)).filter_map(|part| digits.get(part * 2..part * 2 + 2)).collect()
    };
    let complete = parts.concat().len() == digits.bytes().filter(u8::is_ascii_digit).count();
    if !complete || !(1..=3).contains(&parts.len()) {
        return None;
    }
    let mut seconds = 0;
    for (part, unit) in parts.iter().zip([3_600, 60, 1]) {
        if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: i32 = part.parse().ok()?;
        if unit != 3_600 && number > 59 {
            return None;
        }
        seconds += number * unit;
    }
    OFFSET_SECONDS.contains(&seconds).then_some(if negative { -seconds } else { seconds })
}
