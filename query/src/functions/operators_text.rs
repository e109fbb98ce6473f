//! Concatenation, LIKE, regular expressions, and `@@@`.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::args::{bytes, text};
use super::growth::{TextBuilder, check_text_length};
use super::kernel;
use super::pattern::{like, regex_is_match};
use super::registry::Table;
use super::{ScalarImpl, cast};
use crate::error::{QueryError, Result, sqlstate};

fn concatenate(types: &[DataType]) -> ScalarImpl {
    let types = types.to_vec();
    Arc::new(move |context, args| {
        let mut out = TextBuilder::new(context);
        for (value, ty) in args.iter().zip(&types) {
            match value {
                Value::Text(s) => out.push(s)?,
                value => out.push(&cast::string_of(context, value, ty)?)?,
            }
        }
        Ok(out.finish())
    })
}

fn test(args: &[Value], test: impl Fn(&str, &str) -> Result<bool>) -> Result<Value> {
    Ok(Value::Bool(test(text(&args[0])?, text(&args[1])?)?))
}

pub(super) fn register(t: &mut Table) {
    t.section("Text operators");
    t.typed_op("text || text -> text", concatenate);
    t.typed_op("text || anynonarray -> text", concatenate).stable();
    t.typed_op("anynonarray || text -> text", concatenate).stable();
    t.op("bytea || bytea -> bytea", |_, a| {
        let (left, right) = (bytes(&a[0])?, bytes(&a[1])?);
        check_text_length(left.len().saturating_add(right.len()))?;
        Ok(Value::Bytes([left, right].concat().into()))
    });

    t.op("text ~~ text -> bool", |_, a| test(a, |s, p| like(s, p, false)))
        .kernel(|columns| kernel::text_test(columns, |s, p| like(s, p, false)));
    t.op("text !~~ text -> bool", |_, a| test(a, |s, p| Ok(!like(s, p, false)?)))
        .kernel(|columns| kernel::text_test(columns, |s, p| Ok(!like(s, p, false)?)));
    t.op("text ~~* text -> bool", |_, a| test(a, |s, p| like(s, p, true)))
        .kernel(|columns| kernel::text_test(columns, |s, p| like(s, p, true)));
    t.op("text !~~* text -> bool", |_, a| test(a, |s, p| Ok(!like(s, p, true)?)))
        .kernel(|columns| kernel::text_test(columns, |s, p| Ok(!like(s, p, true)?)));

    t.op("text ~ text -> bool", |_, a| test(a, |s, p| regex_is_match(s, p, false)))
        .kernel(|columns| kernel::text_test(columns, |s, p| regex_is_match(s, p, false)));
    t.op("text !~ text -> bool", |_, a| test(a, |s, p| Ok(!regex_is_match(s, p, false)?)));
    t.op("text ~* text -> bool", |_, a| test(a, |s, p| regex_is_match(s, p, true)));
    t.op("text !~* text -> bool", |_, a| test(a, |s, p| Ok(!regex_is_match(s, p, true)?)));
    t.op("text ^@ text -> bool", |_, a| test(a, |s, p| Ok(s.starts_with(p))));

    t.f("bm25_score() -> float8", |_, _| {
        Err(QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, "bm25_score() requires a bm25 index")
            .hint("It is the score of a @@@ in the WHERE clause of the same query."))
    })
    .stable();
    t.op("text @@@ text -> bool", |_, _| {
        Err(QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, "operator @@@ requires a bm25 index")
            .hint("Create one with CREATE INDEX … USING bm25 over the searched columns, and use @@@ in WHERE."))
    })
    .stable();
}
