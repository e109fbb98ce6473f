//! DECLARE, FETCH and MOVE.

use sinew_query::{QueryError, Result};

use super::words::Words;
use super::{CursorOptions, Direction, Utility};
use crate::statement::TokenKind;

pub(super) fn declare(words: &mut Words<'_>) -> Result<Utility> {
    let name = words.identifier("a cursor name")?;
    let mut options = CursorOptions::default();
    let (mut scroll, mut no_scroll, mut insensitive, mut asensitive) = (false, false, false, false);
    loop {
        if words.take("cursor") {
            break;
        }
        if words.take("binary") {
            options.binary = true;
        } else if words.take("scroll") {
            scroll = true;
        } else if words.take("no") {
            if !words.take("scroll") {
                return Err(words.unexpected("SCROLL"));
            }
            no_scroll = true;
        } else if words.take("insensitive") {
            insensitive = true;
        } else if words.take("asensitive") {
            asensitive = true;
        } else {
            return Err(words.unexpected("CURSOR"));
        }
    }
    for (both, what) in
        [(scroll && no_scroll, "SCROLL and NO SCROLL"), (insensitive && asensitive, "INSENSITIVE and ASENSITIVE")]
    {
        if both {
            return Err(QueryError::new("42P11", format!("cannot specify both {what}")));
        }
    }
    options.scroll = scroll;
    options.insensitive = insensitive;
    if words.take("with") {
        if !words.take("hold") {
            return Err(words.unexpected("HOLD"));
        }
        options.hold = true;
    } else if words.take("without") && !words.take("hold") {
        return Err(words.unexpected("HOLD"));
    }
    if !words.take("for") {
        return Err(words.unexpected("FOR"));
    }
    if words.raw().eq_ignore_ascii_case("declare") {
        return Err(words.unexpected("a query"));
    }
    let offset_chars = words.position().map_or(0, |position| position - 1);
    Ok(Utility::Declare { name, options, text: words.rest().to_owned(), offset_chars, source: words.text.to_owned() })
}

/// Behind FETCH or MOVE (`skip`).
pub(super) fn fetch(words: &mut Words<'_>, skip: bool) -> Result<Utility> {
    let direction = if words.take("next") {
        Direction::Forward(Some(1))
    } else if words.take("prior") {
        Direction::Backward(Some(1))
    } else if words.take("first") {
        Direction::Absolute(1)
    } else if words.take("last") {
        Direction::Absolute(-1)
    } else if words.take("absolute") {
        Direction::Absolute(number(words)?.ok_or_else(|| words.unexpected("a number"))?)
    } else if words.take("relative") {
        Direction::Relative(number(words)?.ok_or_else(|| words.unexpected("a number"))?)
    } else if words.take("forward") {
        if words.take("all") { Direction::Forward(None) } else { forward(number(words)?.unwrap_or(1)) }
    } else if words.take("backward") {
        if words.take("all") { Direction::Backward(None) } else { backward(number(words)?.unwrap_or(1)) }
    } else if words.take("all") {
        Direction::Forward(None)
    } else {
        forward(number(words)?.unwrap_or(1))
    };
    if !words.take("from") {
        words.take("in");
    }
    Ok(Utility::Fetch { direction, name: words.identifier("a cursor name")?, skip })
}

fn forward(count: i64) -> Direction {
    if count < 0 { Direction::Backward(Some(count.unsigned_abs())) } else { Direction::Forward(Some(count as u64)) }
}

fn backward(count: i64) -> Direction {
    if count < 0 { Direction::Forward(Some(count.unsigned_abs())) } else { Direction::Backward(Some(count as u64)) }
}

/// A whole number with its sign, if one stands here.
fn number(words: &mut Words<'_>) -> Result<Option<i64>> {
    let negative = words.take("-");
    if !negative {
        words.take("+");
    }
    if words.kind() != Some(TokenKind::Number) {
        return if negative { Err(words.unexpected("a number")) } else { Ok(None) };
    }
    // As in PostgreSQL, counts have four bytes.
    let Ok(value) = words.raw().parse::<i32>() else { return Err(words.unexpected("a number")) };
    words.at += 1;
    Ok(Some(i64::from(if negative { -value } else { value })))
}
