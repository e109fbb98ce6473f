//! PostgreSQL's set-returning functions whose types depend on their arguments: generate_series, unnest, and those that
//! take jsonb or text apart.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use sinew_storage::{DataType, Interval, Json, Numeric, Value};

use super::catalog_functions;
use super::rows::stream_rows;
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::context::{EvalContext, ExecContext};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::{self, Param, TableFunction};
use crate::types::{self, type_name};

pub const NAMES: &[&str] = &[
    "generate_series",
    "generate_subscripts",
    "unnest",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "string_to_table",
    "regexp_split_to_table",
    "regexp_matches",
    "pg_listening_channels",
];

pub fn is_set_returning(name: &str) -> bool {
    NAMES.contains(&name) || catalog_functions::NAMES.contains(&name)
}

/// Whether a function's only column takes the name of its alias: `FROM generate_series(1, 3) AS g` has a column `g`.
pub fn takes_alias(name: &str) -> bool {
    !matches!(
        name,
        "jsonb_array_elements"
            | "jsonb_array_elements_text"
            | "jsonb_each"
            | "jsonb_each_text"
            | "json_array_elements"
            | "json_array_elements_text"
            | "json_each"
            | "json_each_text"
    )
}

/// The function for these argument types. 42883.
pub fn resolve(name: &str, args: &[DataType]) -> Result<Arc<dyn TableFunction>> {
    let unknown = |ty: &DataType| *ty == DataType::Unknown;
    let fits = |ty: &DataType, wanted: &DataType| unknown(ty) || ty.same_base(wanted);
    let missing = || {
        let shown: Vec<String> = args.iter().map(type_name).collect();
        QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {name}({}) does not exist", shown.join(", ")))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
    };
    let simple = |params: Vec<(&'static str, DataType)>, columns: Vec<(&str, DataType)>, kind: Kind| {
        Ok(Arc::new(SetFunction::new(
            NAMES.iter().find(|known| **known == name).copied().unwrap_or(""),
            params,
            columns,
            kind,
        )) as Arc<dyn TableFunction>)
    };
    let plain: Vec<DataType> = args.iter().map(crate::types::names::without_modifier).collect();
    let args = plain.as_slice();
    match name {
        "generate_series" => {
            if !matches!(args.len(), 2 | 3) {
                return Err(missing());
            }
            let temporal =
                args[..2].iter().find(|ty| matches!(ty, DataType::Timestamp | DataType::Timestamptz | DataType::Date));
            if temporal.is_some() {
                if args.len() != 3 || !fits(&args[2], &DataType::Interval) {
                    return Err(missing());
                }
                // Dates become timestamps with time zone, PostgreSQL's preferred type.
                let plain = args[..2].iter().all(|ty| matches!(ty, DataType::Timestamp | DataType::Unknown));
                let ty = if plain { DataType::Timestamp } else { DataType::Timestamptz };
                let params = vec![("start", ty.clone()), ("stop", ty.clone()), ("step", DataType::Interval)];
                return simple(params, vec![("generate_series", ty)], Kind::TimeSeries);
            }
            if args.iter().all(unknown) {
                return Err(QueryError::new(
                    sqlstate::AMBIGUOUS_FUNCTION,
                    format!("function {name}(unknown, unknown) is not unique"),
                )
                .hint("Could not choose a best candidate function. You might need to add explicit type casts."));
            }
            let ty = functions::common_type(args, "generate_series").map_err(|_| missing())?;
            let ty = match ty {
                DataType::Int2 | DataType::Int4 => DataType::Int4,
                DataType::Int8 => DataType::Int8,
                DataType::Numeric(_) => DataType::Numeric(None),
                _ => return Err(missing()),
            };
            let mut params = vec![("start", ty.clone()), ("stop", ty.clone())];
            if args.len() == 3 {
                params.push(("step", ty.clone()));
            }
            let kind = if matches!(ty, DataType::Numeric(_)) { Kind::NumericSeries } else { Kind::IntegerSeries };
            simple(params, vec![("generate_series", ty)], kind)
        }
        "generate_subscripts" => {
            let (Some(array), true) = (args.first(), matches!(args.len(), 2 | 3)) else { return Err(missing()) };
            let first = match array {
                DataType::Array(_) => 1,
                DataType::Int2vector | DataType::Oidvector => 0,
                _ => return Err(missing()),
            };
            let mut params = vec![("array", array.clone()), ("dimension", DataType::Int4)];
            if args.len() == 3 {
                params.push(("reverse", DataType::Bool));
            }
            simple(params, vec![("generate_subscripts", DataType::Int4)], Kind::Subscripts { first })
        }
        "unnest" => {
            if args.is_empty() {
                return Err(missing());
            }
            let mut params = Vec::with_capacity(args.len());
            let mut columns = Vec::with_capacity(args.len());
            for ty in args {
                let array = ty.vector_as_array();
                let ty = array.as_ref().unwrap_or(ty);
                match ty {
                    DataType::Array(element) if **element == DataType::Unknown => {
                        params.push(("array", DataType::array_of(DataType::Text)));
                        columns.push(("unnest", DataType::Text));
                    }
                    DataType::Array(element) => {
                        params.push(("array", ty.clone()));
                        columns.push(("unnest", (**element).clone()));
                    }
                    DataType::Unknown => {
                        return Err(QueryError::new(
                            sqlstate::AMBIGUOUS_FUNCTION,
                            "function unnest(unknown) is not unique",
                        )
                        .hint(
                            "Could not choose a best candidate function. You might need to add explicit type casts.",
                        ));
                    }
                    _ => return Err(missing()),
                }
            }
            simple(params, columns, Kind::Unnest)
        }
        "jsonb_array_elements"
        | "jsonb_array_elements_text"
        | "jsonb_each"
        | "jsonb_each_text"
        | "jsonb_object_keys"
        | "json_array_elements"
        | "json_array_elements_text"
        | "json_each"
        | "json_each_text"
        | "json_object_keys" => {
            let [arg] = args else { return Err(missing()) };
            let (of, rest) = match name.strip_prefix("jsonb_") {
                Some(rest) => (DataType::Jsonb, rest),
                None => (DataType::Json, name.trim_start_matches("json_")),
            };
            if !fits(arg, &of) {
                return Err(missing());
            }
            let (columns, kind) = match rest {
                "array_elements" => (vec![("value", of.clone())], Kind::JsonElements { text: false }),
                "array_elements_text" => (vec![("value", DataType::Text)], Kind::JsonElements { text: true }),
                "each" => (vec![("key", DataType::Text), ("value", of.clone())], Kind::JsonEach { text: false }),
                "each_text" => {
                    (vec![("key", DataType::Text), ("value", DataType::Text)], Kind::JsonEach { text: true })
                }
                _ => (vec![(name, DataType::Text)], Kind::JsonKeys),
            };
            simple(vec![("from_json", of)], columns, kind)
        }
        "string_to_table" | "regexp_split_to_table" | "regexp_matches" => {
            let text = |ty: &DataType| {
                matches!(
                    ty,
                    DataType::Unknown | DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name
                )
            };
            if !matches!(args.len(), 2 | 3) || !args.iter().all(text) {
                return Err(missing());
            }
            let mut params = vec![("string", DataType::Text), ("delimiter", DataType::Text)];
            if args.len() == 3 {
                params.push(("option", DataType::Text));
            }
            match name {
                "string_to_table" => simple(params, vec![("string_to_table", DataType::Text)], Kind::SplitString),
                "regexp_matches" => {
                    let column = ("regexp_matches", DataType::array_of(DataType::Text));
                    simple(params, vec![column], Kind::RegexMatches)
                }
                _ => simple(params, vec![("regexp_split_to_table", DataType::Text)], Kind::SplitRegex),
            }
        }
        "pg_listening_channels" if args.is_empty() => {
            simple(Vec::new(), vec![("pg_listening_channels", DataType::Text)], Kind::ListeningChannels)
        }
        _ => catalog_functions::resolve(name, args).ok_or_else(missing),
    }
}

/// One row of one value, for a function in ROWS FROM that returns no set.
pub fn single_value(name: &str, ty: DataType) -> Arc<dyn TableFunction> {
    Arc::new(SetFunction::new("", vec![("value", ty.clone())], vec![(name, ty)], Kind::Single))
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Single,
    IntegerSeries,
    NumericSeries,
    TimeSeries,
    /// From the array's lower bound.
    Subscripts {
        first: i64,
    },
    Unnest,
    JsonElements {
        text: bool,
    },
    JsonEach {
        text: bool,
    },
    JsonKeys,
    SplitString,
    SplitRegex,
    RegexMatches,
    ListeningChannels,
}

#[derive(Debug)]
struct SetFunction {
    name: &'static str,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
    kind: Kind,
}

impl SetFunction {
    fn new(
        name: &'static str,
        params: Vec<(&'static str, DataType)>,
        columns: Vec<(&str, DataType)>,
        kind: Kind,
    ) -> SetFunction {
        SetFunction {
            name,
            params: params.into_iter().map(|(name, ty)| Param { name, ty, default: None }).collect(),
            columns: columns.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect(),
            kind,
        }
    }
}

impl TableFunction for SetFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn estimated_rows(&self) -> f64 {
        match self.kind {
            Kind::IntegerSeries | Kind::NumericSeries | Kind::TimeSeries => 1_000.0,
            _ => 10.0,
        }
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        // All are strict, except unnest of several arrays and string_to_table, whose NULL delimiter splits characters.
        let strict = !matches!(self.kind, Kind::Unnest | Kind::SplitString);
        let has_null =
            strict && args.iter().any(Value::is_null) || args.first().is_none_or(Value::is_null) && args.len() == 1;
        if has_null && !matches!(self.kind, Kind::Single) {
            return Ok(stream_rows(context, &self.columns, Vec::new()));
        }
        let rows = match self.kind {
            Kind::IntegerSeries => return self.integer_series(context, args),
            Kind::NumericSeries => numeric_series(context, args)?,
            Kind::TimeSeries => time_series(context, args, &self.columns[0].1)?,
            Kind::Subscripts { first } => subscripts(args, first),
            Kind::Unnest => unnest(args),
            Kind::JsonElements { text } => json_elements(context, &args[0], text)?,
            Kind::JsonEach { text } => json_each(context, &args[0], text)?,
            Kind::JsonKeys => json_keys(&args[0])?,
            Kind::SplitString => split_string(context, args)?,
            Kind::SplitRegex => split_regex(context, args)?,
            Kind::RegexMatches => regex_matches(context, args)?,
            Kind::Single => vec![args.to_vec()],
            Kind::ListeningChannels => {
                let channels = context.session.notifications.channels();
                channels.iter().map(|channel| vec![Value::text(&**channel)]).collect()
            }
        };
        Ok(stream_rows(context, &self.columns, rows))
    }
}

impl SetFunction {
    fn integer_series(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let int = |index: usize| args.get(index).and_then(Value::as_int);
        let (Some(start), Some(stop)) = (int(0), int(1)) else {
            return Ok(stream_rows(context, &self.columns, Vec::new()));
        };
        let step = int(2).unwrap_or(1);
        if step == 0 {
            return Err(zero_step());
        }
        Ok(Box::new(IntegerSeries { next: Some(start), stop, step, context: context.clone() }))
    }
}

fn zero_step() -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

/// Generated as it is read: a series may be long and its reader stop early.
struct IntegerSeries {
    next: Option<i64>,
    stop: i64,
    step: i64,
    context: ExecContext,
}

impl RowStream for IntegerSeries {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.context.cancel.check()?;
        let mut values: Vec<i64> = Vec::new();
        while let Some(value) = self.next {
            let past = if self.step > 0 { value > self.stop } else { value < self.stop };
            if past {
                self.next = None;
                break;
            }
            if values.len() == BATCH_ROWS {
                break;
            }
            values.push(value);
            self.next = value.checked_add(self.step);
        }
        if values.is_empty() {
            return Ok(None);
        }
        let row_count = values.len();
        Ok(Some(Batch::new(vec![Column::Int(values.into())], row_count)))
    }
}

fn numeric_series(context: &ExecContext, args: &[Value]) -> Result<Vec<Vec<Value>>> {
    let finite = |value: &Value, what: &str| match value {
        Value::Numeric(numeric) => match &**numeric {
            Numeric::Finite(decimal) => Ok(decimal.clone()),
            Numeric::NaN => {
                Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("{what} value cannot be NaN")))
            }
            _ => Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("{what} value cannot be infinity"))),
        },
        Value::Int(int) => Ok(BigDecimal::from(*int)),
        _ => Err(QueryError::internal("generate_series expects numbers")),
    };
    let start = finite(&args[0], "start")?;
    let stop = finite(&args[1], "stop")?;
    let step = match args.get(2) {
        Some(step) => finite(step, "step size")?,
        None => BigDecimal::from(1),
    };
    let zero = BigDecimal::from(0);
    if step == zero {
        return Err(zero_step());
    }
    let mut rows = Vec::new();
    let mut value = start;
    while if step > zero { value <= stop } else { value >= stop } {
        rows.push(vec![Value::Numeric(Arc::new(Numeric::Finite(value.clone())))]);
        value = &value + &step;
        check_size(context, rows.len())?;
    }
    Ok(rows)
}

/// Every thousand rows: cancelled, or too large for memory (about 64 bytes a row).
fn check_size(context: &ExecContext, row_count: usize) -> Result<()> {
    if !row_count.is_multiple_of(BATCH_ROWS) {
        return Ok(());
    }
    context.cancel.check()?;
    if row_count.saturating_mul(64) > context.memory_limit_bytes {
        return Err(QueryError::new(
            sqlstate::OUT_OF_MEMORY,
            format!("a series of more than {row_count} rows exceeds the statement's memory limit"),
        ));
    }
    Ok(())
}

fn time_series(context: &ExecContext, args: &[Value], ty: &DataType) -> Result<Vec<Vec<Value>>> {
    let (Value::Timestamp(start), Value::Timestamp(stop), Value::Interval(step)) = (&args[0], &args[1], &args[2])
    else {
        return Err(QueryError::internal("generate_series expects timestamps and an interval"));
    };
    let months = i128::from(step.months) * 30 * 86_400_000_000;
    let sign = months + i128::from(step.days) * 86_400_000_000 + i128::from(step.microseconds);
    if sign == 0 {
        return Err(zero_step());
    }
    let add = functions::resolve_operator("+", Some(ty), &DataType::Interval)?;
    let eval = EvalContext::new(context);
    let mut rows = Vec::new();
    let mut value = *start;
    while if sign > 0 { value <= *stop } else { value >= *stop } {
        rows.push(vec![Value::Timestamp(value)]);
        check_size(context, rows.len())?;
        // Intervals of days need no calendar when nothing but fixed lengths is in them.
        value = match step {
            Interval { months: 0, days: 0, microseconds } => match value.checked_add(*microseconds) {
                Some(value) => value,
                None => break,
            },
            _ => match (add.function.eval)(&eval, &[Value::Timestamp(value), Value::Interval(*step)])? {
                Value::Timestamp(value) => value,
                _ => break,
            },
        };
    }
    Ok(rows)
}

fn subscripts(args: &[Value], first: i64) -> Vec<Vec<Value>> {
    let (Value::List(items), Some(1)) = (&args[0], args[1].as_int()) else { return Vec::new() };
    let mut rows: Vec<Vec<Value>> = (0..items.len() as i64).map(|index| vec![Value::Int(first + index)]).collect();
    if args.get(2).and_then(Value::as_bool) == Some(true) {
        rows.reverse();
    }
    rows
}

/// Shorter arrays are filled up with NULL.
fn unnest(args: &[Value]) -> Vec<Vec<Value>> {
    let lists: Vec<&[Value]> = args
        .iter()
        .map(|arg| match arg {
            Value::List(items) => &items[..],
            _ => &[],
        })
        .collect();
    let length = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    (0..length).map(|row| lists.iter().map(|list| list.get(row).cloned().unwrap_or_default()).collect()).collect()
}

fn json_text(context: &ExecContext, json: &Json) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::String(text) => Value::Text(text.clone()),
        other => {
            Value::text(types::to_text(&EvalContext::new(context), &Value::json(other.clone()), &DataType::Jsonb)?)
        }
    })
}

fn json_elements(context: &ExecContext, value: &Value, text: bool) -> Result<Vec<Vec<Value>>> {
    let Value::Json(json) = value else { return Err(QueryError::internal("jsonb was expected")) };
    match &**json {
        Json::Array(items) => items
            .iter()
            .map(|item| Ok(vec![if text { json_text(context, item)? } else { Value::json(item.clone()) }]))
            .collect(),
        Json::Object(_) => {
            Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "cannot extract elements from an object"))
        }
        _ => Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "cannot extract elements from a scalar")),
    }
}

fn json_each(context: &ExecContext, value: &Value, text: bool) -> Result<Vec<Vec<Value>>> {
    let Value::Json(json) = value else { return Err(QueryError::internal("jsonb was expected")) };
    let Json::Object(members) = &**json else {
        return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "cannot call jsonb_each on a non-object"));
    };
    members
        .iter()
        .map(|(key, value)| {
            let value = if text { json_text(context, value)? } else { Value::json(value.clone()) };
            Ok(vec![Value::Text(key.clone()), value])
        })
        .collect()
}

fn json_keys(value: &Value) -> Result<Vec<Vec<Value>>> {
    let Value::Json(json) = value else { return Err(QueryError::internal("jsonb was expected")) };
    match &**json {
        Json::Object(members) => Ok(members.iter().map(|(key, _)| vec![Value::Text(key.clone())]).collect()),
        Json::Array(_) => {
            Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "cannot call jsonb_object_keys on an array"))
        }
        _ => Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "cannot call jsonb_object_keys on a scalar")),
    }
}

/// A NULL delimiter splits into characters, an empty one not at all; parts equal to the third argument are NULL.
fn split_string(context: &ExecContext, args: &[Value]) -> Result<Vec<Vec<Value>>> {
    let Some(text) = args[0].as_str().filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let null = args.get(2).and_then(Value::as_str);
    let mut rows = Vec::new();
    let mut add = |part: &str| {
        rows.push(vec![if null == Some(part) { Value::Null } else { Value::from(part) }]);
        check_size(context, rows.len())
    };
    match args[1].as_str() {
        None => text.chars().try_for_each(|c| add(c.encode_utf8(&mut [0; 4])))?,
        Some("") => add(text)?,
        Some(delimiter) => text.split(delimiter).try_for_each(add)?,
    }
    Ok(rows)
}

fn split_regex(context: &ExecContext, args: &[Value]) -> Result<Vec<Vec<Value>>> {
    let (Some(text), Some(pattern)) = (args[0].as_str(), args[1].as_str()) else { return Ok(Vec::new()) };
    let mut builder = regex::RegexBuilder::new(pattern);
    for flag in args.get(2).and_then(Value::as_str).unwrap_or_default().chars() {
        match flag {
            'i' => {
                builder.case_insensitive(true);
            }
            'c' => {
                builder.case_insensitive(false);
            }
            other => {
                return Err(QueryError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("invalid regular expression option: \"{other}\""),
                ));
            }
        }
    }
    let regex = builder.build().map_err(|error| {
        QueryError::new(sqlstate::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {error}"))
    })?;
    // An empty match at the very start or end splits nothing off, as in PostgreSQL.
    let mut rows = Vec::new();
    let mut from = 0;
    for found in regex.find_iter(text) {
        if found.is_empty() && (found.start() == 0 || found.start() == text.len()) {
            continue;
        }
        rows.push(vec![Value::text(&text[from..found.start()])]);
        check_size(context, rows.len())?;
        from = found.end();
    }
    rows.push(vec![Value::text(&text[from..])]);
    Ok(rows)
}

fn regex_matches(context: &ExecContext, args: &[Value]) -> Result<Vec<Vec<Value>>> {
    let (Some(text), Some(pattern)) = (args[0].as_str(), args[1].as_str()) else { return Ok(Vec::new()) };
    let flags = args.get(2).and_then(Value::as_str).unwrap_or_default();
    let mut rows = Vec::new();
    functions::pattern::all_groups(text, pattern, flags, |groups| {
        rows.push(vec![groups]);
        check_size(context, rows.len())
    })?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(rows: Vec<Vec<Value>>) -> Vec<String> {
        rows.into_iter().map(|row| row[0].as_str().unwrap_or("NULL").to_owned()).collect()
    }

    #[test]
    fn unnest_fills_up_shorter_arrays() {
        let rows = unnest(&[Value::list(vec![Value::Int(1), Value::Int(2)]), Value::list(vec![Value::text("a")])]);
        assert_eq!(rows, vec![vec![Value::Int(1), Value::text("a")], vec![Value::Int(2), Value::Null]]);
        assert!(unnest(&[Value::Null]).is_empty());
    }

    #[test]
    fn strings_split_as_in_postgresql() {
        let context = crate::functions::testing::context(&[]);
        let split = |args: &[Value]| texts(split_string(&context, args).expect("split"));
        assert_eq!(split(&[Value::text("a,b,"), Value::text(",")]), ["a", "b", ""]);
        assert_eq!(split(&[Value::text("ab"), Value::Null]), ["a", "b"]);
        assert_eq!(split(&[Value::text("a,x"), Value::text(","), Value::text("x")]), ["a", "NULL"]);
        let long = Value::text("a".repeat(1 << 20));
        assert_eq!(split_string(&context, &[long, Value::Null]).expect_err("too many rows").sqlstate(), "53200");
        let rows = split_regex(&context, &[Value::text("a1b22c"), Value::text("[0-9]+")]).expect("split");
        assert_eq!(texts(rows), ["a", "b", "c"]);
        let pairs = |flags: &str| {
            let args = [Value::text("a1b2"), Value::text("([a-z])([0-9])"), Value::text(flags)];
            regex_matches(&context, &args).expect("matches")
        };
        let pair = |letter: &str, digit: &str| vec![Value::list(vec![Value::text(letter), Value::text(digit)])];
        assert_eq!(pairs("g"), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(pairs(""), [pair("a", "1")]);
    }

    #[test]
    fn resolution_finds_columns_by_type() {
        let unnest = resolve("unnest", &[DataType::array_of(DataType::Int4)]).expect("unnest");
        assert_eq!(unnest.columns(), [("unnest".to_owned(), DataType::Int4)]);
        let each = resolve("jsonb_each", &[DataType::Jsonb]).expect("jsonb_each");
        assert_eq!(each.columns().len(), 2);
        assert!(takes_alias("generate_series") && !takes_alias("jsonb_array_elements"));
    }
}
