//! `generate_series` and `generate_subscripts`.

use std::sync::Arc;

use sinew_storage::{DataType, Interval, Value};

use super::{IteratorStream, no_such_function, one_column};
use crate::context::{EvalContext, ExecContext};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::args::{boolean, int, interval, list, numeric, timestamp};
use crate::functions::operators_datetime::{add_instant, add_local};
use crate::functions::{CastContext, Param, ResolvedTableFunction, TableFunction, can_cast};
use crate::types::numeric::from_int;
use crate::types::{IntoValue, compare, compare_sql, numeric_math, zone};

fn invalid_step() -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

/// Integers, numerics or timestamps from start to stop, both included. A NULL among the bounds gives no rows.
#[derive(Debug)]
struct GenerateSeries {
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

const NAME: &str = "generate_series";

impl TableFunction for GenerateSeries {
    fn name(&self) -> &str {
        NAME
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn resolve(&self, args: &[DataType]) -> Result<ResolvedTableFunction> {
        let bounds = args.get(..2).filter(|_| args.len() <= 3).ok_or_else(|| no_such_function(NAME, args))?;
        let implicit = |from: &DataType, to: &DataType| can_cast(from, to, CastContext::Implicit);
        let step = args.get(2);
        let all = |to: &DataType| args.iter().all(|arg| implicit(arg, to));
        let known = |accept: fn(&DataType) -> bool| args.iter().any(accept);
        if known(|ty| matches!(ty, DataType::Timestamp | DataType::Timestamptz | DataType::Date))
            || step.is_some_and(|ty| *ty == DataType::Interval)
        {
            let zoned = !bounds.contains(&DataType::Timestamp) || bounds.contains(&DataType::Timestamptz);
            let ty = if zoned { DataType::Timestamptz } else { DataType::Timestamp };
            let fits = bounds.iter().all(|bound| implicit(bound, &ty))
                && step.is_some_and(|step| implicit(step, &DataType::Interval));
            if !fits {
                return Err(no_such_function(NAME, args));
            }
            return Ok(one_column(NAME, vec![ty.clone(), ty.clone(), DataType::Interval], ty));
        }
        let ty = [DataType::Int4, DataType::Int8, DataType::Numeric(None)]
            .into_iter()
            .find(|ty| all(ty))
            .ok_or_else(|| no_such_function(NAME, args))?;
        Ok(one_column(NAME, vec![ty.clone(); 3], ty))
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let (start, stop) = (&args[0], &args[1]);
        let step = args.get(2).filter(|step| !step.is_null());
        if start.is_null() || stop.is_null() {
            return Ok(IteratorStream::boxed(std::iter::empty(), vec![DataType::Any], &context.cancel));
        }
        match (start, stop) {
            (Value::Int(start), Value::Int(stop)) => {
                let step = step.map_or(Ok(1), int)?;
                if step == 0 {
                    return Err(invalid_step());
                }
                let (stop, mut next) = (*stop, Some(*start));
                let rows = std::iter::from_fn(move || {
                    let current = next.filter(|x| if step > 0 { *x <= stop } else { *x >= stop })?;
                    next = current.checked_add(step);
                    Some(Ok(vec![Value::Int(current)]))
                });
                Ok(IteratorStream::boxed(rows, vec![DataType::Int8], &context.cancel))
            }
            (Value::Timestamp(_), Value::Timestamp(_)) => self.timestamps(context, args),
            _ => {
                let (start, stop) = (numeric(start)?, numeric(stop)?);
                let step = step.map_or(Ok(Arc::new(from_int(1))), numeric)?;
                let direction = compare_sql(&Value::Numeric(Arc::clone(&step)), &Value::Int(0));
                if direction.is_eq() {
                    return Err(invalid_step());
                }
                for (value, what) in [(&start, "start"), (&stop, "stop"), (&step, "step size")] {
                    if !matches!(**value, sinew_storage::Numeric::Finite(_)) {
                        return Err(QueryError::new(
                            sqlstate::INVALID_PARAMETER_VALUE,
                            format!("{what} value cannot be NaN or infinity"),
                        ));
                    }
                }
                let mut next = (*start).clone();
                let rows = std::iter::from_fn(move || {
                    let order = crate::types::numeric::compare(&next, &stop);
                    if if direction.is_gt() { order.is_gt() } else { order.is_lt() } {
                        return None;
                    }
                    let current = next.clone();
                    Some(numeric_math::add(&current, &step).map(|sum| {
                        next = sum;
                        vec![current.into_value()]
                    }))
                });
                Ok(IteratorStream::boxed(rows, vec![DataType::Numeric(None)], &context.cancel))
            }
        }
    }

    fn estimated_rows(&self) -> f64 {
        1_000.0
    }
}

impl GenerateSeries {
    fn timestamps(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let (start, stop) = (timestamp(&args[0])?, timestamp(&args[1])?);
        let step: Interval = match args.get(2).filter(|step| !step.is_null()) {
            Some(step) => interval(step)?,
            None => return Ok(IteratorStream::boxed(std::iter::empty(), vec![DataType::Any], &context.cancel)),
        };
        let direction = compare::interval_span(&step);
        if direction == 0 {
            return Err(invalid_step());
        }
        // `timestamp` and `timestamptz` look alike here; in UTC they also step alike.
        let zone = zone::session_zone(&EvalContext::new(context));
        let fixed = matches!(zone, zone::Zone::Fixed(_));
        let mut next = Some(start);
        let rows = std::iter::from_fn(move || {
            let current = next.filter(|t| if direction > 0 { *t <= stop } else { *t >= stop })?;
            let moved = if fixed { add_local(current, &step) } else { add_instant(current, &step, &zone) };
            // Beyond the last representable instant the series ends.
            next = moved.ok();
            Some(Ok(vec![Value::Timestamp(current)]))
        });
        Ok(IteratorStream::boxed(rows, vec![DataType::Timestamptz], &context.cancel))
    }
}

/// `generate_subscripts(array, dimension [, reverse])`.
#[derive(Debug)]
struct GenerateSubscripts {
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl TableFunction for GenerateSubscripts {
    fn name(&self) -> &str {
        "generate_subscripts"
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn resolve(&self, args: &[DataType]) -> Result<ResolvedTableFunction> {
        match args {
            [array @ DataType::Array(_), rest @ ..]
                if matches!(rest.len(), 1 | 2)
                    && can_cast(&rest[0], &DataType::Int4, CastContext::Implicit)
                    && rest.get(1).is_none_or(|ty| can_cast(ty, &DataType::Bool, CastContext::Implicit)) =>
            {
                Ok(one_column(self.name(), vec![array.clone(), DataType::Int4, DataType::Bool], DataType::Int4))
            }
            _ => Err(no_such_function(self.name(), args)),
        }
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let mut subscripts: Vec<i64> = Vec::new();
        if !args[0].is_null() && !args[1].is_null() && int(&args[1])? == 1 {
            subscripts = (1..=list(&args[0])?.len() as i64).collect();
        }
        if let Some(reverse) = args.get(2).filter(|value| !value.is_null())
            && boolean(reverse)?
        {
            subscripts.reverse();
        }
        let rows = subscripts.into_iter().map(|at| Ok(vec![Value::Int(at)]));
        Ok(IteratorStream::boxed(rows, vec![DataType::Int4], &context.cancel))
    }
}

fn param(name: &'static str, ty: DataType, default: Option<Value>) -> Param {
    Param { name, ty, default }
}

pub(super) fn functions() -> Vec<Arc<dyn TableFunction>> {
    vec![
        Arc::new(GenerateSeries {
            params: vec![
                param("start", DataType::Any, None),
                param("stop", DataType::Any, None),
                param("step", DataType::Any, Some(Value::Null)),
            ],
            columns: vec![(NAME.to_owned(), DataType::Int8)],
        }),
        Arc::new(GenerateSubscripts {
            params: vec![
                param("array", DataType::Any, None),
                param("dim", DataType::Int4, None),
                param("reverse", DataType::Bool, Some(Value::Bool(false))),
            ],
            columns: vec![("generate_subscripts".to_owned(), DataType::Int4)],
        }),
    ]
}
