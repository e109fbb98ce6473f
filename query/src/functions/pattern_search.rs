//! `regexp_count`, `regexp_instr`, `regexp_substr` and `regexp_replace` with a start, an occurrence, flags and a group.

use regex::{Captures, Regex};
use sinew_storage::Value;

use super::args::{int, text};
use super::pattern::{Flags, compile, flags_of, positive, replace};
use super::registry::Table;
use crate::error::{QueryError, Result, sqlstate};

fn invalid(what: &str, value: i64) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{what}\": {value}"))
}

/// Bytes before the character at a position from 1.
fn offset(string: &str, start: usize) -> usize {
    string.char_indices().nth(start - 1).map_or(string.len(), |(at, _)| at)
}

/// Argument `at`, or what stands for a missing one.
fn optional(args: &[Value], at: usize, missing: i64) -> Result<i64> {
    args.get(at).map_or(Ok(missing), int)
}

fn start(args: &[Value], at: usize) -> Result<usize> {
    args.get(at).map_or(Ok(1), |value| positive(value, "start"))
}

/// 22023: `g` means nothing where one match is asked for.
fn single(name: &str, flags: Flags) -> Result<Flags> {
    if flags.global {
        let message = format!("{name}() does not support the \"global\" option");
        return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
    }
    Ok(flags)
}

/// The `nth` match from a byte on.
fn nth_match<'s>(regex: &Regex, string: &'s str, from: usize, nth: usize) -> Option<Captures<'s>> {
    let mut at = from;
    for _ in 1..nth {
        at = next_start(regex.find_at(string, at)?, string)?;
    }
    regex.captures_at(string, at)
}

/// Where the search after a match begins: behind an empty one at the next character.
fn next_start(found: regex::Match<'_>, string: &str) -> Option<usize> {
    if !found.is_empty() {
        return Some(found.end());
    }
    string[found.end()..].chars().next().map(|c| found.end() + c.len_utf8())
}

fn count(args: &[Value]) -> Result<Value> {
    let string = text(&args[0])?;
    let regex = compile(text(&args[1])?, single("regexp_count", flags_of(args, 3)?)?)?;
    let mut at = Some(offset(string, start(args, 2)?));
    let mut count = 0;
    while let Some(found) = at.and_then(|at| regex.find_at(string, at)) {
        count += 1;
        at = next_start(found, string);
    }
    Ok(Value::Int(count))
}

/// Bounds of the wanted group of the wanted match. Arguments: string, pattern, start, occurrence, then at `flags_at` the
/// flags and behind them the group.
fn wanted(name: &str, args: &[Value], flags_at: usize) -> Result<Option<(usize, usize)>> {
    let string = text(&args[0])?;
    let regex = compile(text(&args[1])?, single(name, flags_of(args, flags_at)?)?)?;
    let nth = args.get(3).map_or(Ok(1), |value| positive(value, "n"))?;
    let group = optional(args, flags_at + 1, 0)?;
    let group = usize::try_from(group).map_err(|_| invalid("subexpr", group))?;
    let captures = nth_match(&regex, string, offset(string, start(args, 2)?), nth);
    Ok(captures.and_then(|captures| captures.get(group)).map(|found| (found.start(), found.end())))
}

fn position(args: &[Value]) -> Result<Value> {
    let end_option = optional(args, 4, 0)?;
    if !matches!(end_option, 0 | 1) {
        return Err(invalid("endoption", end_option));
    }
    let string = text(&args[0])?;
    Ok(Value::Int(match wanted("regexp_instr", args, 5)? {
        None => 0,
        Some((from, to)) => {
            let at = if end_option == 1 { to } else { from };
            string[..at].chars().count() as i64 + 1
        }
    }))
}

fn substring(args: &[Value]) -> Result<Value> {
    let string = text(&args[0])?;
    Ok(wanted("regexp_substr", args, 4)?.map_or(Value::Null, |(from, to)| Value::text(&string[from..to])))
}

pub(super) fn register(t: &mut Table) {
    t.section("Pattern matching");
    for signature in ["regexp_count(text, text, int4) -> int4", "regexp_count(text, text, int4, text) -> int4"] {
        t.f(signature, |_, a| count(a));
    }
    for signature in [
        "regexp_instr(text, text, int4) -> int4",
        "regexp_instr(text, text, int4, int4) -> int4",
        "regexp_instr(text, text, int4, int4, int4) -> int4",
        "regexp_instr(text, text, int4, int4, int4, text) -> int4",
        "regexp_instr(text, text, int4, int4, int4, text, int4) -> int4",
    ] {
        t.f(signature, |_, a| position(a));
    }
    for signature in [
        "regexp_substr(text, text, int4) -> text",
        "regexp_substr(text, text, int4, int4) -> text",
        "regexp_substr(text, text, int4, int4, text) -> text",
        "regexp_substr(text, text, int4, int4, text, int4) -> text",
    ] {
        t.f(signature, |_, a| substring(a));
    }
    t.f("regexp_replace(text, text, text, int4) -> text", |c, a| {
        let regex = compile(text(&a[1])?, Flags::default())?;
        replace(c, text(&a[0])?, &regex, text(&a[2])?, positive(&a[3], "start")? - 1, 1)
    });
    t.f("regexp_replace(text, text, text, int4, int4, text) -> text", |c, a| {
        let regex = compile(text(&a[1])?, single("regexp_replace", flags_of(a, 5)?)?)?;
        let nth = int(&a[4])?;
        let nth = usize::try_from(nth).map_err(|_| invalid("n", nth))?;
        replace(c, text(&a[0])?, &regex, text(&a[2])?, positive(&a[3], "start")? - 1, nth)
    });
}
