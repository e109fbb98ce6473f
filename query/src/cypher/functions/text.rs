//! String operators and functions. Positions and lengths are in characters.

use std::cell::RefCell;

use regex::{Regex, RegexBuilder};
use sinew_storage::{DataType, Value};

use super::{Builder, kind_name, wrong_type};
use crate::context::EvalContext;
use crate::cypher::errors;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::growth::{ListBuilder, replaced};
use crate::functions::unicode;

pub(super) fn register(builder: &mut Builder) {
    // Not strings: null.
    builder.operator("starts with", 2, DataType::Bool, true, |_, args| both(args, |a, b| a.starts_with(b)));
    builder.operator("ends with", 2, DataType::Bool, true, |_, args| both(args, |a, b| a.ends_with(b)));
    builder.operator("contains", 2, DataType::Bool, true, |_, args| both(args, |a, b| a.contains(b)));
    builder.operator("=~", 2, DataType::Bool, true, matches);
    for (name, convert) in [
        ("toUpper", (|s| s.to_uppercase()) as fn(&str) -> String),
        ("upper", |s| s.to_uppercase()),
        ("toLower", |s| s.to_lowercase()),
        ("lower", |s| s.to_lowercase()),
        ("trim", |s| s.trim().to_owned()),
    ] {
        let function = builder.pure(name, (1, 1), DataType::Text, |_, _| Ok(Value::Null));
        let converted = crate::functions::ScalarFunction {
            name,
            oid: 0,
            args: vec![DataType::Any],
            variadic: false,
            returns: DataType::Text,
            strict: true,
            volatility: crate::functions::Volatility::Immutable,
            eval: std::sync::Arc::new(move |_, args| Ok(Value::text(convert(string(name, &args[0])?)))),
            kernel: None,
        };
        function.function = std::sync::Arc::new(converted);
    }
    builder.pure("btrim", (1, 2), DataType::Text, |_, args| trimmed("btrim()", args, true, true));
    builder.pure("lTrim", (1, 2), DataType::Text, |_, args| trimmed("lTrim()", args, true, false));
    builder.pure("rTrim", (1, 2), DataType::Text, |_, args| trimmed("rTrim()", args, false, true));
    builder.pure("normalize", (1, 2), DataType::Text, |context, args| {
        let form = args.get(1).map_or(Ok("NFC"), |form| string("normalize()", form))?;
        unicode::normalize(context, string("normalize()", &args[0])?, form)
    });
    builder.operator("is normalized", 2, DataType::Bool, true, |_, args| match &args[0] {
        Value::Text(text) => unicode::is_normalized(text, string("IS NORMALIZED", &args[1])?),
        // No string has a normal form.
        _ => Ok(Value::Null),
    });
    builder.pure("left", (2, 2), DataType::Text, |_, args| {
        let length = length("left()", &args[1])?;
        Ok(Value::text(string("left()", &args[0])?.chars().take(length).collect::<String>()))
    });
    builder.pure("right", (2, 2), DataType::Text, |_, args| {
        let length = length("right()", &args[1])?;
        let text = string("right()", &args[0])?;
        let skipped = text.chars().count().saturating_sub(length);
        Ok(Value::text(text.chars().skip(skipped).collect::<String>()))
    });
    builder.pure("substring", (2, 3), DataType::Text, |_, args| {
        let text = string("substring()", &args[0])?;
        let start = length("substring()", &args[1])?;
        let length = args.get(2).map_or(Ok(usize::MAX), |value| length("substring()", value))?;
        Ok(Value::text(text.chars().skip(start).take(length).collect::<String>()))
    });
    builder.pure("replace", (3, 3), DataType::Text, |context, args| {
        let part = |at: usize| string("replace()", &args[at]);
        replaced(context, part(0)?, part(1)?, part(2)?)
    });
    builder.pure("split", (2, 2), DataType::array_of(DataType::Text), split);
    for name in ["char_length", "character_length"] {
        builder.pure(name, (1, 1), DataType::Int8, |_, args| {
            super::access::count(string("char_length()", &args[0])?.chars().count())
        });
    }
}

/// Without the characters of the second argument, or blanks, at its ends.
fn trimmed(function: &str, args: &[Value], start: bool, end: bool) -> Result<Value> {
    let mut text = string(function, &args[0])?;
    let characters = args.get(1).map(|characters| string(function, characters)).transpose()?;
    let goes = |c: char| characters.map_or(c.is_whitespace(), |characters| characters.contains(c));
    if start {
        text = text.trim_start_matches(goes);
    }
    if end {
        text = text.trim_end_matches(goes);
    }
    Ok(Value::text(text))
}

fn string<'v>(function: &str, value: &'v Value) -> Result<&'v str> {
    value.as_str().ok_or_else(|| wrong_type(function, "a string", value))
}

fn length(function: &str, value: &Value) -> Result<usize> {
    match value {
        Value::Int(i) => usize::try_from(*i).map_err(|_| {
            let message = format!("{function} expected a length or position of at least 0, got {i}");
            errors::runtime("ArgumentError", "NumberOutOfRange", message)
        }),
        other => Err(wrong_type(function, "an integer", other)),
    }
}

fn both(args: &[Value], test: fn(&str, &str) -> bool) -> Result<Value> {
    match (&args[0], &args[1]) {
        (Value::Text(a), Value::Text(b)) => Ok(Value::Bool(test(a, b))),
        _ => Ok(Value::Null),
    }
}

thread_local! {
    /// The last pattern of this thread: a filter asks for the same one on every row.
    static PATTERN: RefCell<Option<(String, Regex)>> = const { RefCell::new(None) };
}

/// Of one compiled pattern.
const REGEX_SIZE_LIMIT_BYTES: usize = 4 << 20;

/// The whole string must match.
fn matches(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let (Value::Text(text), Value::Text(pattern)) = (&args[0], &args[1]) else {
        if let Value::Text(_) = &args[0] {
            let message = format!("=~ expected a pattern string, got {}", kind_name(&args[1]));
            return Err(errors::type_error(message));
        }
        return Ok(Value::Null);
    };
    PATTERN.with_borrow_mut(|cached| {
        if !matches!(cached, Some((known, _)) if **known == **pattern) {
            // Compiling takes long when each row brings a pattern of its own.
            context.exec.cancel.check()?;
            let source = format!("^(?:{pattern})$");
            let regex = RegexBuilder::new(&source).size_limit(REGEX_SIZE_LIMIT_BYTES).build().map_err(|error| {
                let message = format!("invalid regular expression: {error}");
                QueryError::new(sqlstate::INVALID_REGULAR_EXPRESSION, message).cypher(
                    "ArgumentError",
                    errors::RUNTIME,
                    "InvalidArgumentValue",
                )
            })?;
            *cached = Some((pattern.to_string(), regex));
        }
        Ok(Value::Bool(cached.as_ref().is_some_and(|(_, regex)| regex.is_match(text))))
    })
}

/// At a string; an empty delimiter splits into characters.
fn split(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let text = string("split()", &args[0])?;
    let delimiter = string("split()", &args[1])?;
    let mut parts = ListBuilder::new(context);
    if delimiter.is_empty() {
        parts.extend(text.chars().map(|c| Value::text(c.to_string())))?;
    } else {
        parts.extend(text.split(delimiter).map(Value::from))?;
    }
    Ok(parts.finish())
}
