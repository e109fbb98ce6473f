//! What Cypher's operators, functions and aggregates compute.
//!
//! All of them take dynamically typed values: a [`ScalarFunction`] here has arguments of type Any and checks kinds when
//! it runs. Operators are found by their symbol (`+`, `=`, `starts with`), functions by their lower-case name.

mod access;
mod aggregate;
mod arithmetic;
mod catalog;
mod compare;
mod convert;
mod labels;
mod list;
mod math;
mod membership;
mod temporal;
#[cfg(test)]
mod tests;
mod text;
mod value_type;
mod vector;

pub use access::{has_labels, property};
pub(in crate::cypher) use catalog::function_names;
pub use catalog::{FunctionInfo, function_infos};
pub use compare::{compare_orderability, cypher_compare, cypher_equals, equivalent, hash_equivalent};
pub use convert::{format_float, json_to_value};
pub(super) use convert::{from_sql, from_sql_function, to_sql_function};
pub(crate) use list::Range;
pub(super) use temporal::{added as temporal_sum, constructed as constructed_temporal, duration_from_map};
pub(super) use value_type::type_test;

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;
use sinew_storage::{DataType, Value};

use crate::algebra::Expr;
use crate::context::EvalContext;
use crate::error::{QueryError, Result};
use crate::functions::{AggregateFunction, KernelImpl, ScalarFunction, Volatility};

type Eval = fn(&EvalContext<'_>, &[Value]) -> Result<Value>;

/// A function with how many arguments it takes.
pub(super) struct Function {
    /// As users write it.
    pub display: &'static str,
    pub min_args: usize,
    pub max_args: usize,
    pub function: Arc<ScalarFunction>,
    /// Static types of the first argument that the function refuses at compile time.
    pub refuses: fn(&DataType) -> bool,
}

pub(super) struct Aggregate {
    pub display: &'static str,
    pub args: usize,
    pub function: Arc<AggregateFunction>,
}

/// Collects the entries of the tables.
struct Builder {
    functions: FxHashMap<String, Function>,
    operators: FxHashMap<&'static str, Arc<ScalarFunction>>,
}

fn nothing(_: &DataType) -> bool {
    false
}

impl Builder {
    fn add(
        &mut self,
        display: &'static str,
        (min_args, max_args): (usize, usize),
        returns: DataType,
        (strict, volatility): (bool, Volatility),
        eval: Eval,
    ) -> &mut Function {
        let function = Arc::new(scalar(display, max_args, returns, strict, volatility, eval));
        let entry = Function { display, min_args, max_args, function, refuses: nothing };
        self.functions.entry(display.to_lowercase()).insert_entry(entry).into_mut()
    }

    /// Strict and immutable.
    fn pure(&mut self, display: &'static str, args: (usize, usize), returns: DataType, eval: Eval) -> &mut Function {
        self.add(display, args, returns, (true, Volatility::Immutable), eval)
    }

    /// Strict, reads the graph.
    fn graph(&mut self, display: &'static str, returns: DataType, eval: Eval) -> &mut Function {
        self.add(display, (1, 1), returns, (true, Volatility::Stable), eval)
    }

    /// Strict, reads the graph.
    fn graph_operator(&mut self, symbol: &'static str, args: usize, returns: DataType, eval: Eval) {
        let function = scalar(symbol, args, returns, true, Volatility::Stable, eval);
        self.operators.insert(symbol, Arc::new(function));
    }

    fn operator(&mut self, symbol: &'static str, args: usize, returns: DataType, strict: bool, eval: Eval) {
        let function = scalar(symbol, args, returns, strict, Volatility::Immutable, eval);
        self.operators.insert(symbol, Arc::new(function));
    }

    /// Gives an operator that is there a way to work on whole columns.
    fn kernel(&mut self, symbol: &str, kernel: KernelImpl) {
        let function = self.operators.get_mut(symbol).and_then(Arc::get_mut);
        function.expect("the operator was added, and nobody has it yet").kernel = Some(kernel);
    }
}

fn scalar(
    name: &'static str,
    max_args: usize,
    returns: DataType,
    strict: bool,
    volatility: Volatility,
    eval: Eval,
) -> ScalarFunction {
    ScalarFunction {
        name,
        oid: 0,
        args: vec![DataType::Any; max_args.min(8)],
        variadic: max_args > 8,
        returns,
        strict,
        volatility,
        eval: Arc::new(eval),
        kernel: None,
    }
}

static TABLE: LazyLock<Builder> = LazyLock::new(|| {
    let mut builder = Builder { functions: FxHashMap::default(), operators: FxHashMap::default() };
    arithmetic::register(&mut builder);
    compare::register(&mut builder);
    access::register(&mut builder);
    convert::register(&mut builder);
    labels::register(&mut builder);
    list::register(&mut builder);
    math::register(&mut builder);
    membership::register(&mut builder);
    temporal::register(&mut builder);
    text::register(&mut builder);
    vector::register(&mut builder);
    builder
});

static AGGREGATES: LazyLock<FxHashMap<String, Aggregate>> = LazyLock::new(aggregate::table);

pub(super) fn function(name: &str) -> Option<&'static Function> {
    TABLE.functions.get(&name.to_lowercase())
}

/// A call of one of the table's functions; the planner names no others.
pub(crate) fn function_call(name: &str, args: Vec<Expr>) -> Expr {
    let function = function(name).expect("the planner names only functions of the table");
    let ty = function.function.returns.clone();
    Expr::Call { function: function.function.clone(), args, ty, position: None }
}

pub(super) fn aggregate(name: &str) -> Option<&'static Aggregate> {
    AGGREGATES.get(&name.to_lowercase())
}

/// An operator or internal function by symbol.
pub(super) fn operator(symbol: &str) -> Arc<ScalarFunction> {
    TABLE.operators.get(symbol).cloned().expect("the binder names only operators of the table")
}

/// What a value is, for messages.
pub(super) fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Int(_) => "INTEGER",
        Value::Float(_) => "FLOAT",
        Value::Numeric(_) => "NUMERIC",
        Value::Text(_) => "STRING",
        Value::Bytes(_) => "BYTES",
        Value::Temporal(value) => value.kind().name(),
        Value::Timestamp(_) => "TIMESTAMP",
        Value::Date(_) => "SQL DATE",
        Value::Interval(_) => "INTERVAL",
        Value::Uuid(_) => "UUID",
        Value::Json(_) => "JSON",
        Value::Vector(_) => "VECTOR",
        Value::List(_) => "LIST",
        Value::Map(_) => "MAP",
        Value::Node(_) => "NODE",
        Value::Relationship(_) => "RELATIONSHIP",
        Value::Path(_) => "PATH",
    }
}

/// A TypeError at run time: `function` does not take `value`.
fn wrong_type(function: &str, expected: &str, value: &Value) -> QueryError {
    super::errors::type_error(format!("{function} expected {expected}, got {}", kind_name(value)))
}
