//! `greatest`, `least`, counts of NULLs. (COALESCE, NULLIF and CASE are expressions of their own.)

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::registry::Table;
use super::{ResolvedFunction, ScalarFunction, Volatility, common_type};
use crate::error::{QueryError, Result, sqlstate};
use crate::types::compare_sql;

/// `greatest` and `least`: the common type of all arguments; NULLs are ignored.
pub(super) fn extreme(name: &str, args: &[DataType]) -> Result<ResolvedFunction> {
    if args.is_empty() {
        return Err(QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {name}() does not exist")));
    }
    let greatest = name == "greatest";
    let ty = common_type(args, if greatest { "GREATEST" } else { "LEAST" })?;
    let function = Arc::new(ScalarFunction {
        name: if greatest { "greatest" } else { "least" },
        oid: 0,
        args: vec![ty.clone(); args.len()],
        variadic: true,
        returns: ty.clone(),
        strict: false,
        volatility: Volatility::Immutable,
        eval: Arc::new(move |_, values| {
            let mut best: Option<&Value> = None;
            for value in values.iter().filter(|value| !value.is_null()) {
                let better = match best {
                    None => true,
                    Some(best) if greatest => compare_sql(value, best).is_gt(),
                    Some(best) => compare_sql(value, best).is_lt(),
                };
                if better {
                    best = Some(value);
                }
            }
            Ok(best.cloned().unwrap_or(Value::Null))
        }),
        kernel: None,
    });
    Ok(ResolvedFunction { function, args: vec![ty.clone(); args.len()], returns: ty })
}

pub(super) fn register(t: &mut Table) {
    t.section("Counts of NULLs");
    t.f("num_nulls(variadic any) -> int4", |_, a| Ok(Value::Int(a.iter().filter(|v| v.is_null()).count() as i64)))
        .lax();
    t.f("num_nonnulls(variadic any) -> int4", |_, a| Ok(Value::Int(a.iter().filter(|v| !v.is_null()).count() as i64)))
        .lax();
}
