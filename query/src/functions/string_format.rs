//! `format()`, and `to_char`/`to_number` of numbers.

use std::sync::Arc;

use bigdecimal::num_bigint::Sign;
use sinew_storage::{DataType, Numeric, Value};

use super::ScalarImpl;
use super::args::{numeric, text};
use super::growth::TextBuilder;
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
        let mut out = TextBuilder::new(context);
        let mut next = 1usize;
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push_char(c)?;
                continue;
            }
            if chars.peek() == Some(&'%') {
                chars.next();
                out.push_char('%')?;
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
            if number.is_empty() && chars.peek() == Some(&'*') {
                chars.next();
                let mut digits = String::new();
                while let Some(digit) = chars.peek().copied().filter(char::is_ascii_digit) {
                    digits.push(digit);
                    chars.next();
                }
                let at = if digits.is_empty() {
                    next
                } else {
                    if chars.next() != Some('$') {
                        return Err(invalid("width argument position must be ended by \"$\""));
                    }
                    let at = digits.parse().ok().filter(|at| *at > 0);
                    at.ok_or_else(|| invalid("format specifies argument 0, but arguments are numbered from 1"))?
                };
                next = at + 1;
                // NULL is no width, a negative one aligns left.
                let wanted = match args.get(at) {
                    None => return Err(invalid("too few arguments for format()")),
                    Some(Value::Null) => 0,
                    Some(value) => types::to_text(context, value, &types[at])?
                        .parse::<i64>()
                        .ok()
                        .filter(|width| width.unsigned_abs() <= 1 << 20)
                        .ok_or_else(|| invalid("format width is out of range"))?,
                };
                left |= wanted < 0;
                width = wanted.unsigned_abs() as usize;
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
                out.push(&piece)?;
            }
            out.pad(' ', padding)?;
            if !left {
                out.push(&piece)?;
            }
        }
        Ok(out.finish())
    })
}

/// One place of a number template.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Before the point; true for a forced zero.
    Whole(bool),
    Group,
    Point,
    /// After the point; true for a forced zero.
    Fraction(bool),
    /// A sign before the number (`S`, or `MI`/`SG` at the front): shows plus, shows blank for plus.
    Sign {
        plus: bool,
        blank: bool,
    },
    /// `PL`: `+` or a blank, besides the sign of the number itself.
    Plus,
    Literal(char),
}

/// A number template in its parts.
struct NumberFormat {
    slots: Vec<Slot>,
    fill: bool,
    /// `S` at the front: the sign stands directly before the first digit, plus included.
    anchored_plus: bool,
    /// Some slot writes the sign, so none is added.
    explicit_sign: bool,
    brackets: bool,
    roman: bool,
    ordinal: Option<bool>,
    shift: usize,
}

fn parse_number_format(template: &str) -> Result<NumberFormat> {
    let mut format = NumberFormat {
        slots: Vec::new(),
        fill: true,
        anchored_plus: false,
        explicit_sign: false,
        brackets: false,
        roman: false,
        ordinal: None,
        shift: 0,
    };
    let upper = template.to_ascii_uppercase();
    let mut at = 0;
    let mut shifted = false;
    let mut has_point = false;
    while at < template.len() {
        let rest = &upper[at..];
        let seen = format.slots.iter().any(|slot| matches!(slot, Slot::Whole(_) | Slot::Point));
        let keyword =
            ["FM", "MI", "PL", "SG", "PR", "TH", "RN", "EEEE"].into_iter().find(|word| rest.starts_with(word));
        if let Some(word) = keyword {
            match word {
                "FM" => format.fill = false,
                "PL" => format.slots.push(Slot::Plus),
                "MI" | "SG" => {
                    format.explicit_sign = true;
                    format.slots.push(Slot::Sign { plus: word != "MI", blank: word == "MI" });
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
            '9' | '0' => {
                if shifted {
                    format.shift += 1;
                }
                format.slots.push(if has_point { Slot::Fraction(c == '0') } else { Slot::Whole(c == '0') });
            }
            ',' | 'G' | 'g' => format.slots.push(Slot::Group),
            '.' | 'D' | 'd' if has_point => {
                return Err(QueryError::new(sqlstate::SYNTAX_ERROR, "multiple decimal points"));
            }
            '.' | 'D' | 'd' => {
                has_point = true;
                format.slots.push(Slot::Point);
            }
            'V' | 'v' => shifted = true,
            'S' | 's' => {
                format.explicit_sign = true;
                if seen {
                    format.slots.push(Slot::Sign { plus: true, blank: false });
                } else {
                    format.anchored_plus = true;
                }
            }
            // The C locale has no currency symbol: a blank stands for it.
            'L' | 'l' => format.slots.push(Slot::Literal(' ')),
            '"' => {
                let rest = &template[at..];
                let end = rest.find('"').unwrap_or(rest.len());
                format.slots.extend(rest[..end].chars().map(Slot::Literal));
                at += (end + 1).min(rest.len());
            }
            other => format.slots.push(Slot::Literal(other)),
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
    let count = |accept: fn(&Slot) -> bool| format.slots.iter().filter(|slot| accept(slot)).count();
    let whole_slots = count(|slot| matches!(slot, Slot::Whole(_)));
    let fraction_slots = count(|slot| matches!(slot, Slot::Fraction(_)));
    let decimal = match value {
        Numeric::Finite(decimal) => decimal,
        _ => return Ok(format!(" {}", "#".repeat((whole_slots + fraction_slots).max(1)))),
    };
    if format.roman {
        let number = numeric_type::to_i64(decimal)
            .filter(|number| i32::try_from(*number).is_ok())
            .ok_or_else(|| crate::types::int::Width::Four.out_of_range())?;
        let digits = roman(number).unwrap_or_else(|| "#".repeat(15));
        return Ok(if format.fill { format!("{digits:>15}") } else { digits });
    }
    let mut decimal = decimal.clone();
    for _ in 0..format.shift {
        decimal *= 10;
    }
    let rounded = numeric_type::round(&decimal, fraction_slots as i64);
    let negative = rounded.sign() == Sign::Minus;
    let plain = numeric_type::plain(&rounded.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    // A lone zero needs a slot after the point or a forced one; `9` alone prints it too.
    let overflow = whole.len() > whole_slots;
    let whole = if whole == "0" && fraction_slots > 0 { "" } else { whole };
    let padding = whole_slots.saturating_sub(whole.len());
    let digits: Vec<char> = std::iter::repeat_n('0', padding).chain(whole.chars()).collect();
    let mut forced_from = whole_slots;
    let mut at = 0;
    for slot in &format.slots {
        if let Slot::Whole(forced) = slot {
            if *forced {
                forced_from = forced_from.min(at);
            }
            at += 1;
        }
    }
    // First whole slot that prints a digit.
    let start = if overflow { 0 } else { padding.min(forced_from) };
    // FM drops trailing zeros down to the last forced one.
    let forced_fraction = format
        .slots
        .iter()
        .filter_map(|slot| if let Slot::Fraction(forced) = slot { Some(*forced) } else { None })
        .collect::<Vec<_>>()
        .iter()
        .rposition(|forced| *forced)
        .map_or(0, |at| at + 1);
    let fraction_end =
        if format.fill { fraction_slots } else { fraction.trim_end_matches('0').len().max(forced_fraction) };

    let mut out = String::new();
    let mut sign_written = false;
    let mut sign = |out: &mut String| {
        if sign_written {
            return;
        }
        sign_written = true;
        if format.brackets {
            out.push_str(if negative {
                "<"
            } else if format.fill {
                " "
            } else {
                ""
            });
        } else if format.anchored_plus {
            out.push(if negative { '-' } else { '+' });
        } else if !format.explicit_sign {
            out.push_str(if negative {
                "-"
            } else if format.fill {
                " "
            } else {
                ""
            });
        }
    };
    let (mut whole_at, mut fraction_at) = (0, 0);
    for slot in &format.slots {
        match slot {
            Slot::Whole(_) => {
                if whole_at >= start {
                    sign(&mut out);
                    out.push(if overflow { '#' } else { digits[whole_at] });
                } else if format.fill {
                    out.push(' ');
                }
                whole_at += 1;
            }
            Slot::Group => {
                if whole_at > start {
                    out.push(',');
                } else if format.fill {
                    out.push(' ');
                }
            }
            // Without digits after it the point is not printed.
            Slot::Point if fraction_slots == 0 && !overflow => {}
            Slot::Point => {
                sign(&mut out);
                out.push('.');
            }
            Slot::Fraction(_) => {
                if overflow || fraction_at < fraction_end {
                    out.push(if overflow { '#' } else { fraction.chars().nth(fraction_at).unwrap_or('0') });
                }
                fraction_at += 1;
            }
            Slot::Sign { plus, blank } => out.push_str(if negative {
                "-"
            } else if *plus {
                "+"
            } else if *blank && format.fill {
                " "
            } else {
                ""
            }),
            Slot::Plus => out.push(if negative { ' ' } else { '+' }),
            Slot::Literal(c) => out.push(*c),
        }
    }
    if format.brackets {
        out.push_str(if negative {
            ">"
        } else if format.fill {
            " "
        } else {
            ""
        });
    }
    if let Some(upper) = format.ordinal
        && !negative
        && !overflow
    {
        out.push_str(ordinal(numeric_type::to_i64(&decimal).unwrap_or(0), upper));
    }
    Ok(out)
}

/// Reads the digits, sign and point that a template describes; other characters are skipped.
fn to_number(string: &str, template: &str) -> Result<Numeric> {
    let has_point = parse_number_format(template)?.slots.contains(&Slot::Point);
    let mut digits = String::new();
    let mut negative = false;
    for c in string.chars() {
        match c {
            '0'..='9' => digits.push(c),
            '.' if has_point && !digits.contains('.') => digits.push('.'),
            '.' if !has_point => break,
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
