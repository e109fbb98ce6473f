//! The proleptic Gregorian calendar on day numbers counted from 1970-01-01 (Howard Hinnant's algorithms).

pub(crate) const DAY_US: i64 = 86_400_000_000;
pub(crate) const HOUR_US: i64 = 3_600_000_000;
pub(crate) const MINUTE_US: i64 = 60_000_000;
pub(crate) const SECOND_US: i64 = 1_000_000;
/// Days from 1970-01-01 to 2000-01-01, the wire's epoch.
pub(crate) const WIRE_EPOCH_DAYS: i32 = 10_957;
/// PostgreSQL's first day (4714-11-24 BC) and first day no more, counted from the wire's epoch.
pub(crate) const WIRE_DAYS: std::ops::Range<i32> = -2_451_545..2_145_031_949;
/// The same of timestamps, in microseconds (to the end of the year 294276). The last thirty years of it lie beyond what is
/// kept here.
pub(crate) const WIRE_TIMESTAMPS_US: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// A civil date and time. Year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub year: i64,
    pub month: u32,
    pub day: u32,
    /// Microseconds since midnight.
    pub time_us: i64,
}

pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let shifted = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

pub(crate) fn is_leap_year(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Splits microseconds since 1970 (of a clock without zone).
pub(crate) fn split(timestamp_us: i64) -> Civil {
    let days = timestamp_us.div_euclid(DAY_US);
    let (year, month, day) = civil_from_days(days);
    Civil { year, month, day, time_us: timestamp_us.rem_euclid(DAY_US) }
}

/// None when it does not fit.
pub(crate) fn join(civil: &Civil) -> Option<i64> {
    days_from_civil(civil.year, civil.month, civil.day).checked_mul(DAY_US)?.checked_add(civil.time_us)
}

/// 0 is Sunday.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

/// ISO week-numbering year, week 1..=53 and day 1 (Monday)..=7.
pub(crate) fn iso_week(days: i64) -> (i64, i64, i64) {
    let iso_day = (days + 3).rem_euclid(7) + 1;
    let thursday = days - iso_day + 4;
    let (year, _, _) = civil_from_days(thursday);
    let week = (thursday - days_from_civil(year, 1, 1)) / 7 + 1;
    (year, week, iso_day)
}

pub(crate) fn day_of_year(days: i64) -> i64 {
    let (year, _, _) = civil_from_days(days);
    days - days_from_civil(year, 1, 1) + 1
}

/// Adds months, keeping the day within the new month. None when out of range.
pub(crate) fn add_months(civil: &Civil, months: i64) -> Option<Civil> {
    let total = civil.year.checked_mul(12)?.checked_add(i64::from(civil.month) - 1)?.checked_add(months)?;
    let year = total.div_euclid(12);
    let month = total.rem_euclid(12) as u32 + 1;
    Some(Civil { year, month, day: civil.day.min(days_in_month(year, month)), time_us: civil.time_us })
}

/// `HH:MM:SS` with as many decimals as needed.
pub(crate) fn write_time(time_us: i64, out: &mut String) {
    let seconds = time_us / SECOND_US;
    out.push_str(&format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    write_fraction(time_us % SECOND_US, out);
}

/// `.5` of 500,000; nothing of 0.
pub(crate) fn write_fraction(microseconds: i64, out: &mut String) {
    if microseconds != 0 {
        let digits = format!("{microseconds:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
}

/// `2026-01-02`; years before 1 are written as their BC number (the caller adds ` BC`).
pub(crate) fn write_date(year: i64, month: u32, day: u32, out: &mut String) {
    let shown = if year <= 0 { 1 - year } else { year };
    out.push_str(&format!("{shown:04}-{month:02}-{day:02}"));
}
