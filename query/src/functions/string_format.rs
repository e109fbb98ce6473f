//! `format()`, and `to_char`/`to_number` of numbers.

use std::sync::Arc;

use bigdecimal::num_bigint::Sign;
use sinew_storage::{DataType, Numeric, Value};

use super::ScalarImpl;
use super::args::{numeric, text};
use super::registry::Table;
use super::string::quote_literal;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::{self, IntoValue, numeric as numeric_type, reg};

fn invalid(message: impl Into<String>) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

/// `format(text, …)`: `%s`, `%I`, `%L`, `%%`, positions `%2$s`, widths `%-10s`.
fn format(types: &[DataType]) -> ScalarImpl {
    let types = types.to_vec();
    Arc::new(move |context, args| {
        if args[0].is_null() {
            return Ok(Value::Null);
        }
        let template = text(&args[0])?;
        let mut out = String::new();
        let mut next = 1usize;
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            if chars.peek() == Some(&'%') {
                chars.next();
                out.push('%');
                continue;
            }
            let mut number = String::new();
            while let Some(digit) = chars.peek().copied().filter(char::is_ascii_digit) {
                number.push(digit);
                chars.next();
            }
            let mut position = None;
            let mut left = false;
            let mut width = 0usize;
            if chars.peek() == Some(&'$') && !number.is_empty() {
                chars.next();
                let at: usize = number.parse().map_err(|_| invalid("format specifies argument beyond the last"))?;
                if at == 0 {
                    return Err(invalid("format specifies argument 0, but arguments are numbered from 1"));
                }
                position = Some(at);
                number.clear();
            }
            if number.is_empty() {
                if chars.peek() == Some(&'-') {
                    chars.next();
                    left = true;
                }
                while let Some(digit) = chars.peek().copied().filter(char::is_ascii_digit) {
                    number.push(digit);
                    chars.next();
                }
            }
            if !number.is_empty() {
                width = number
                    .parse()
                    .ok()
                    .filter(|width| *width <= 1 << 20)
                    .ok_or_else(|| invalid("format width is out of range"))?;
            }
            let Some(kind) = chars.next() else {
                return Err(invalid("unterminated format() type specifier").hint("For a single \"%\" use \"%%\"."));
            };
            if !matches!(kind, 's' | 'I' | 'L') {
                return Err(invalid(format!("unrecognized format() type specifier \"{kind}\""))
                    .hint("For a single \"%\" use \"%%\"."));
            }
            let at = position.unwrap_or(next);
            next = at + 1;
            let Some(value) = args.get(at) else {
                return Err(invalid("too few arguments for format()"));
            };
            let piece = match (kind, value) {
                ('s', Value::Null) => String::new(),
                ('I', Value::Null) => {
                    return Err(QueryError::new(
                        sqlstate::NULL_VALUE_NOT_ALLOWED,
                        "null values cannot be formatted as an SQL identifier",
                    ));
                }
                (_, Value::Null) => "NULL".to_owned(),
                (kind, value) => {
                    let string = types::to_text(context, value, &types[at])?;
                    match kind {
                        'I' => reg::quote_identifier(&string),
                        'L' => quote_literal(&string),
                        _ => string,
                    }
                }
            };
            let padding = width.saturating_sub(piece.chars().count());
            if left {
                out.push_str(&piece);
            }
            out.extend(std::iter::repeat_n(' ', padding));
            if !left {
                out.push_str(&piece);
            }
        }
        Ok(Value::text(out))
    })
}

/// A number template in its parts.
#[derive(Default)]
struct NumberFormat {
    /// Before the point: digits and separators as written.
    whole: Vec<char>,
    /// After the point.
    fraction: Vec<char>,
    has_point: bool,
    fill: bool,
    /// Text printed before and after.
    prefix: String,
    suffix: String,
    sign_before: bool,
    sign_after: bool,
    minus: bool,
    minus_first: bool,
    plus: bool,
    brackets: bool,
    roman: bool,
    ordinal: Option<bool>,
    shift: usize,
}

fn parse_number_format(template: &str) -> Result<NumberFormat> {
    let mut format = NumberFormat { fill: true, ..NumberFormat::default() };
    let upper = template.to_ascii_uppercase();
    let mut at = 0;
    let mut shifted = false;
    while at < template.len() {
        let rest = &upper[at..];
        let seen = !format.whole.is_empty() || format.has_point;
        let keyword =
            ["FM", "MI", "PL", "SG", "PR", "TH", "RN", "EEEE"].into_iter().find(|word| rest.starts_with(word));
        if let Some(word) = keyword {
            match word {
                "FM" => format.fill = false,
                "MI" => {
                    format.minus = true;
                    format.minus_first = !seen;
                }
                "PL" => format.plus = true,
                "SG" => {
                    format.minus = true;
                    format.plus = true;
                    format.minus_first = !seen;
                }
                "PR" => format.brackets = true,
                "TH" => format.ordinal = Some(template[at..].starts_with("TH")),
                "RN" => format.roman = true,
                _ => return Err(QueryError::unsupported("the format EEEE of to_char()")),
            }
            at += word.len();
            continue;
        }
        let Some(c) = template[at..].chars().next() else { break };
        at += c.len_utf8();
        match c {
            '9' | '0' if shifted => format.shift += 1,
            '9' | '0' if format.has_point => format.fraction.push(c),
            '9' | '0' => format.whole.push(c),
            ',' | 'G' | 'g' if !format.has_point && !shifted => format.whole.push(','),
            '.' | 'D' | 'd' => format.has_point = true,
            'V' | 'v' => shifted = true,
            'S' | 's' => {
                if seen {
                    format.sign_after = true;
                } else {
                    format.sign_before = true;
                }
            }
            'L' | 'l' => {}
            '"' => {
                let rest = &template[at..];
                let end = rest.find('"').unwrap_or(rest.len());
                let literal = &rest[..end];
                if seen {
                    format.suffix.push_str(literal)
                } else {
                    format.prefix.push_str(literal)
                }
                at += (end + 1).min(rest.len());
            }
            other if seen => format.suffix.push(other),
            other => format.prefix.push(other),
        }
    }
    Ok(format)
}

fn roman(number: i64) -> Option<String> {
    const PARTS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4000).contains(&number) {
        return None;
    }
    let mut rest = number;
    let mut out = String::new();
    for (value, digits) in PARTS {
        while rest >= value {
            out.push_str(digits);
            rest -= value;
        }
    }
    Some(out)
}

/// `th` endings, shared with dates.
pub(super) fn ordinal(number: i64, upper: bool) -> &'static str {
    let index = match (number % 100, number % 10) {
        (11..=13, _) => 0,
        (_, 1) => 1,
        (_, 2) => 2,
        (_, 3) => 3,
        _ => 0,
    };
    if upper { ["TH", "ST", "ND", "RD"][index] } else { ["th", "st", "nd", "rd"][index] }
}

fn number_to_char(value: &Numeric, template: &str) -> Result<String> {
    let format = parse_number_format(template)?;
    let Numeric::Finite(decimal) = value else {
        let width = format.whole.len() + format.fraction.len() + usize::from(format.has_point);
        return Ok(format!(" {}", "#".repeat(width.max(1))));
    };
    if format.roman {
        let digits = numeric_type::to_i64(decimal).and_then(roman).unwrap_or_else(|| "#".repeat(15));
        return Ok(if format.fill { format!("{digits:>15}") } else { digits });
    }
    let mut decimal = decimal.clone();
    for _ in 0..format.shift {
        decimal *= 10;
    }
    let rounded = numeric_type::round(&decimal, format.fraction.len() as i64);
    let negative = rounded.sign() == Sign::Minus;
    let plain = numeric_type::plain(&rounded.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let whole = if whole == "0" { "" } else { whole };
    let slots = format.whole.iter().filter(|c| **c != ',').count() + format.shift;
    let overflow = whole.len() > slots;

    // Digits right-aligned in their slots; blanks before the first digit or forced zero.
    let mut body = String::new();
    let mut digit_at = 0usize;
    let pad = slots.saturating_sub(whole.len());
    let first_zero = format.whole.iter().filter(|c| **c != ',').position(|c| *c == '0').unwrap_or(slots);
    let start = pad.min(first_zero);
    let digits: Vec<char> = std::iter::repeat_n('0', pad).chain(whole.chars()).collect();
    let slot_chars = format.whole.iter().copied().chain(std::iter::repeat_n('9', format.shift));
    for slot in slot_chars {
        if slot == ',' {
            if digit_at > start {
                body.push(',');
            } else if format.fill {
                body.push(' ');
            }
            continue;
        }
        if overflow {
            body.push('#');
        } else if digit_at >= start {
            body.push(digits[digit_at]);
        } else if format.fill {
            body.push(' ');
        }
        digit_at += 1;
    }
    if format.has_point {
        // With nothing before the point a lone zero is printed only where a slot asks for it.
        body.push('.');
        if overflow {
            body.extend(std::iter::repeat_n('#', format.fraction.len()));
        } else if format.fill {
            body.push_str(fraction);
        } else {
            // FM drops trailing zeros down to the last forced one.
            let forced = format.fraction.iter().rposition(|c| *c == '0').map_or(0, |at| at + 1);
            let significant = fraction.trim_end_matches('0').len().max(forced);
            body.push_str(&fraction[..significant]);
        }
    }

    let blanks = body.len() - body.trim_start_matches(' ').len();
    let (lead, number) = body.split_at(blanks);
    let mut out = String::new();
    let explicit = format.sign_before || format.sign_after || format.minus || format.plus || format.brackets;
    if format.brackets {
        out.push_str(lead);
        out.push_str(if negative {
            "<"
        } else if format.fill {
            " "
        } else {
            ""
        });
        out.push_str(&format.prefix);
        out.push_str(number);
        out.push_str(if negative {
            ">"
        } else if format.fill {
            " "
        } else {
            ""
        });
    } else {
        let sign_mark = if negative {
            "-"
        } else if format.plus {
            "+"
        } else if format.fill {
            " "
        } else {
            ""
        };
        if format.minus && format.minus_first || format.plus && !format.minus {
            out.push_str(sign_mark);
        }
        if !explicit {
            // The sign stands directly before the first digit, after the blanks.
            out.push_str(lead);
            out.push_str(if negative {
                "-"
            } else if format.fill {
                " "
            } else {
                ""
            });
        } else {
            out.push_str(lead);
            if format.sign_before {
                out.push(if negative { '-' } else { '+' });
            }
        }
        out.push_str(&format.prefix);
        out.push_str(number);
        if format.sign_after {
            out.push(if negative { '-' } else { '+' });
        }
        if format.minus && !format.minus_first {
            out.push_str(sign_mark);
        }
    }
    if let Some(upper) = format.ordinal
        && !negative
    {
        out.push_str(ordinal(numeric_type::to_i64(&decimal).unwrap_or(0), upper));
    }
    out.push_str(&format.suffix);
    Ok(out)
}

/// Reads the digits, sign and point that a template describes; other characters are skipped.
fn to_number(string: &str, template: &str) -> Result<Numeric> {
    let format = parse_number_format(template)?;
    let mut digits = String::new();
    let mut negative = false;
    for c in string.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '.' if format.has_point && !digits.contains('.') => digits.push('.'),
            '.' if !format.has_point => break,
            '-' | '<' => negative = true,
            _ => {}
        }
    }
    if !digits.bytes().any(|b| b.is_ascii_digit()) {
        return Err(types::invalid_input("numeric", " "));
    }
    let signed = format!("{}{digits}", if negative { "-" } else { "" });
    numeric_type::input(signed.trim_end_matches('.'))
}

fn to_char(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let value = match &args[0] {
        Value::Float(f) => Arc::new(numeric_type::from_float(*f, 15)),
        other => numeric(other)?,
    };
    Ok(Value::text(number_to_char(&value, text(&args[1])?)?))
}

pub(super) fn register(t: &mut Table) {
    t.section("Formatting");
    t.typed("format(text, variadic any) -> text", format).lax().stable();
    t.typed("format(text) -> text", format).lax().stable();
    t.f("to_char(int4, text) -> text", to_char);
    t.f("to_char(int8, text) -> text", to_char);
    t.f("to_char(float4, text) -> text", to_char);
    t.f("to_char(float8, text) -> text", to_char);
    t.f("to_char(numeric, text) -> text", to_char);
    t.f("to_number(text, text) -> numeric", |_, a| Ok(to_number(text(&a[0])?, text(&a[1])?)?.into_value()));
}
