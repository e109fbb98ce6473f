//! `char(n)`: what is computed on its blank-padded form. Everything else of it is text's.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::ScalarImpl;
use super::args::text;
use super::pattern::{like, regex_is_match};
use super::registry::Table;
use crate::error::Result;
use crate::types::text::with_blanks;

/// The declared length of the first argument.
fn length_of(types: &[DataType]) -> Option<u32> {
    match types.first() {
        Some(DataType::Bpchar(length)) => *length,
        _ => None,
    }
}

type Test = fn(&str, &str) -> Result<bool>;

/// A test of the padded form against a pattern.
fn padded_test(types: &[DataType], test: Test) -> ScalarImpl {
    let length = length_of(types);
    Arc::new(move |_, args| Ok(Value::Bool(test(&with_blanks(text(&args[0])?, length), text(&args[1])?)?)))
}

pub(super) fn register(t: &mut Table) {
    t.section("Text operators");
    t.typed_op("bpchar ~~ text -> bool", |types| padded_test(types, |s, p| like(s, p, false)));
    t.typed_op("bpchar !~~ text -> bool", |types| padded_test(types, |s, p| Ok(!like(s, p, false)?)));
    t.typed_op("bpchar ~~* text -> bool", |types| padded_test(types, |s, p| like(s, p, true)));
    t.typed_op("bpchar !~~* text -> bool", |types| padded_test(types, |s, p| Ok(!like(s, p, true)?)));
    t.typed_op("bpchar ~ text -> bool", |types| padded_test(types, |s, p| regex_is_match(s, p, false)));
    t.typed_op("bpchar !~ text -> bool", |types| padded_test(types, |s, p| Ok(!regex_is_match(s, p, false)?)));
    t.typed_op("bpchar ~* text -> bool", |types| padded_test(types, |s, p| regex_is_match(s, p, true)));
    t.typed_op("bpchar !~* text -> bool", |types| padded_test(types, |s, p| Ok(!regex_is_match(s, p, true)?)));

    t.section("String functions");
    for signature in ["length(bpchar) -> int4", "char_length(bpchar) -> int4", "character_length(bpchar) -> int4"] {
        t.f(signature, |_, a| Ok(Value::Int(text(&a[0])?.chars().count() as i64)));
    }
    t.typed("octet_length(bpchar) -> int4", |types| {
        let length = length_of(types);
        Arc::new(move |_, a| Ok(Value::Int(with_blanks(text(&a[0])?, length).len() as i64)))
    });
}
