//! Functions, operators, casts and aggregates: one table from which resolution, documentation and pg_catalog are made.
//!
//! Each page of this folder adds rows to one table ([`registry`]): a signature in text form (`round(numeric, int4) ->
//! numeric`), what evaluates it, and whether it is strict and how volatile. The table is built once. [`resolve`] finds a
//! row by PostgreSQL's algorithm; [`cast`] holds the cast matrix; [`docs`] prints the reference page.
//!
//! Operators and functions live in one table with separate name spaces: an operator's name is its symbol.

pub(crate) mod advisory;
pub(crate) mod aggregate_basic;
pub(crate) mod aggregate_collect;
pub(crate) mod aggregate_grouped;
pub(crate) mod aggregate_regression;
pub(crate) mod aggregate_statistics;
pub(crate) mod args;
pub(crate) mod array;
pub(crate) mod blank_padded;
pub(crate) mod bytea;
pub mod cast;
pub(crate) mod conditional;
pub(crate) mod datetime;
pub(crate) mod datetime_format;
pub(crate) mod digest;
pub mod docs;
pub(crate) mod enum_type;
pub(crate) mod growth;
mod hash;
pub(crate) mod json;
pub(crate) mod kernel;
pub(crate) mod math;
pub(crate) mod math_degrees;
pub(crate) mod operators_arithmetic;
pub(crate) mod operators_array;
pub(crate) mod operators_comparison;
pub(crate) mod operators_datetime;
pub(crate) mod operators_json;
pub(crate) mod operators_text;
pub(crate) mod operators_vector;
pub(crate) mod ordered_set;
pub(crate) mod overlaps;
pub(crate) mod pattern;
pub(crate) mod pattern_search;
pub(crate) mod privileges;
pub mod random;
pub mod registry;
pub(crate) mod resolve;
mod sequence;
pub(crate) mod sessions;
mod settings;
pub(crate) mod string;
pub(crate) mod string_format;
pub(crate) mod subscript_assignment;
pub(crate) mod system;
pub(crate) mod system_catalog;
pub(crate) mod time_of_day;
pub(crate) mod unicode;
pub(crate) mod uuid;
pub(crate) mod vector;
pub(crate) mod visibility;
pub(crate) mod window;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use sinew_storage::{DataType, Value};

use crate::context::{EvalContext, ExecContext};
use crate::error::Result;
use crate::exec::RowStream;
pub use resolve::JSONPATH_FUNCTIONS;
pub use window::{ResolvedWindow, WindowFunction, WindowKind};

/// Evaluates on one row. Strict functions are never called with a NULL.
pub type ScalarImpl = Arc<dyn Fn(&EvalContext<'_>, &[Value]) -> Result<Value> + Send + Sync>;
/// Evaluates on whole columns; None when these columns' forms are not its own.
pub type KernelImpl = fn(&[crate::batch::Column]) -> Option<Result<crate::batch::Column>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// A scalar function or operator of fixed argument types.
pub struct ScalarFunction {
    /// Lower case; operators by their symbol.
    pub name: &'static str,
    pub oid: u32,
    pub args: Vec<DataType>,
    /// The last argument type repeats.
    pub variadic: bool,
    pub returns: DataType,
    /// NULL in, NULL out, without a call.
    pub strict: bool,
    pub volatility: Volatility,
    pub eval: ScalarImpl,
    pub kernel: Option<KernelImpl>,
}

impl fmt::Debug for ScalarFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", self.name, self.args)
    }
}

/// An aggregate of fixed argument types.
pub struct AggregateFunction {
    pub name: &'static str,
    pub oid: u32,
    pub args: Vec<DataType>,
    pub returns: DataType,
    /// Rows with a NULL argument are skipped.
    pub strict: bool,
    pub accumulator: fn(&[DataType]) -> Box<dyn Accumulator>,
}

impl fmt::Debug for AggregateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", self.name, self.args)
    }
}

/// The running state of one aggregate in one group.
pub trait Accumulator: Send {
    fn update(&mut self, args: &[Value]) -> Result<()>;
    /// Takes a whole column of the first argument; the default goes row by row. `strict` NULLs are the caller's.
    fn update_column(&mut self, column: &crate::batch::Column) -> Result<()> {
        for row in 0..column.len() {
            let value = column.value(row);
            if !value.is_null() {
                self.update(&[value])?;
            }
        }
        Ok(())
    }
    fn finish(&mut self) -> Result<Value>;
    /// The result so far, with further rows to come. One whose `finish` gives its state away has its own.
    fn value(&mut self) -> Result<Value> {
        self.finish()
    }
    /// Takes out the row that was put in first; false when it cannot: then the state is worthless and made anew.
    fn remove(&mut self, args: &[Value]) -> Result<bool> {
        let _ = args;
        Ok(false)
    }
    /// Bytes held, for the memory budget.
    fn size_bytes(&self) -> usize;
}

/// A parameter of a table function or procedure.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: &'static str,
    pub ty: DataType,
    /// None: required.
    pub default: Option<Value>,
}

/// A relation computed on demand: table functions, system tables, procedures.
pub trait TableFunction: Send + Sync + fmt::Debug {
    fn name(&self) -> &str;
    fn params(&self) -> &[Param];
    /// Names and types of the columns; none for a procedure without outputs.
    fn columns(&self) -> &[(String, DataType)];
    /// What it is for, in a sentence, when it is a procedure that SHOW PROCEDURES lists.
    fn description(&self) -> &str {
        ""
    }
    /// May write (CALL only; refused in `cypher()` and read-only contexts).
    fn writes(&self) -> bool {
        false
    }
    /// Its rows are rows written, which the command's tag counts (INSERT and COPY into `sinew.nodes` and `sinew.edges`).
    fn counts_rows(&self) -> bool {
        false
    }
    /// Must run with no transaction held, at the top level of a statement only (`execute_agent`).
    fn outside_transaction(&self) -> bool {
        false
    }
    /// `args` are aligned with `params`, cast, defaults filled in.
    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>>;
    /// Expected row count, for the optimizer.
    fn estimated_rows(&self) -> f64 {
        100.0
    }
}

/// What resolution found: cast the arguments to `args`, then call.
#[derive(Clone, Debug)]
pub struct ResolvedFunction {
    pub function: Arc<ScalarFunction>,
    pub args: Vec<DataType>,
    pub returns: DataType,
}

#[derive(Clone, Debug)]
pub struct ResolvedAggregate {
    pub function: Arc<AggregateFunction>,
    pub args: Vec<DataType>,
    pub returns: DataType,
}

/// When a cast may happen without being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CastContext {
    Implicit,
    Assignment,
    Explicit,
}

/// All functions by name, per language, with table functions that upper crates register.
#[derive(Default)]
pub struct FunctionRegistry {
    pub(crate) table_functions: parking_lot::RwLock<rustc_hash::FxHashMap<String, Arc<dyn TableFunction>>>,
}

impl FunctionRegistry {
    /// Registers (or replaces) a table function or procedure under its lower-case name (`db.index.fulltext.querynodes`).
    pub fn register_table_function(&self, function: Arc<dyn TableFunction>) {
        self.table_functions.write().insert(function.name().to_lowercase(), function);
    }

    pub fn table_function(&self, name: &str) -> Option<Arc<dyn TableFunction>> {
        self.table_functions.read().get(&name.to_lowercase()).cloned()
    }

    pub fn table_function_names(&self) -> Vec<String> {
        self.table_functions.read().keys().cloned().collect()
    }
}

/// PostgreSQL's function resolution (candidates, unknown literals, preferred types). 42883 with the near miss, 42725.
///
/// An entry of `args` may differ from the function's parameter type where both hold values the same way (`int4` for
/// `int8`, `varchar` for `text`): no cast is needed there.
pub fn resolve_function(name: &str, args: &[DataType]) -> Result<ResolvedFunction> {
    or_as_jsonb(args, |args| resolve::function(name, args))
}

/// Binary (both) or prefix (`left` None) operator. 42883.
pub fn resolve_operator(symbol: &str, left: Option<&DataType>, right: &DataType) -> Result<ResolvedFunction> {
    let args: Vec<DataType> = left.into_iter().chain([right]).cloned().collect();
    or_as_jsonb(&args, |args| match args {
        [left, right] => resolve::operator(symbol, Some(left), right),
        _ => resolve::operator(symbol, left, right),
    })
}

/// What is found for the arguments, else for them with values of Cypher as the jsonb that they are to SQL.
pub(crate) fn or_as_jsonb<T>(args: &[DataType], resolve: impl Fn(&[DataType]) -> Result<T>) -> Result<T> {
    let is_dynamic = |ty: &DataType| crate::types::is_dynamic(ty);
    resolve(args).or_else(|error| {
        if !args.iter().any(is_dynamic) {
            return Err(error);
        }
        let as_jsonb = |ty: &DataType| if is_dynamic(ty) { DataType::Jsonb } else { ty.clone() };
        resolve(&args.iter().map(as_jsonb).collect::<Vec<_>>()).map_err(|_| error)
    })
}

/// None when no aggregate has that name; 42883 when the arguments fit none. `count(*)` has no arguments.
pub fn resolve_aggregate(name: &str, args: &[DataType]) -> Result<Option<ResolvedAggregate>> {
    or_as_jsonb(args, |args| resolve::aggregate(name, args))
}

/// None when no window function has that name; 42883 when the arguments fit none.
pub fn resolve_window(name: &str, args: &[DataType]) -> Result<Option<ResolvedWindow>> {
    or_as_jsonb(args, |args| resolve::window(name, args))
}

/// True when a scalar function of that name exists (whatever its arguments).
pub fn function_exists(name: &str) -> bool {
    registry::registry().functions.contains_key(name) || matches!(name, "greatest" | "least")
}

/// The name of a function or aggregate by its oid.
pub fn function_name_by_oid(oid: u32) -> Option<&'static str> {
    registry::registry().name_by_oid(oid)
}

/// The oid of the first function or aggregate of that name.
pub fn function_oid_by_name(name: &str) -> Option<u32> {
    registry::registry().oid_by_name(name)
}

/// Every scalar function, for `pg_proc` and the documentation.
pub fn all_functions() -> impl Iterator<Item = &'static registry::Definition> {
    registry::registry().definitions.iter().filter(|definition| !definition.is_operator)
}

/// Every operator, for `pg_operator` and the documentation.
pub fn all_operators() -> impl Iterator<Item = &'static registry::Definition> {
    registry::registry().definitions.iter().filter(|definition| definition.is_operator)
}

/// Every aggregate, for `pg_aggregate` and the documentation.
pub fn all_aggregates() -> impl Iterator<Item = &'static registry::AggregateDefinition> {
    registry::registry().aggregates.iter()
}

/// Every window function that is no aggregate, for `pg_proc` and the documentation.
pub fn all_windows() -> impl Iterator<Item = &'static registry::WindowDefinition> {
    registry::registry().windows.iter()
}

/// Every cast of the matrix, for `pg_cast` and the documentation.
pub fn all_casts() -> Vec<(DataType, DataType, CastContext)> {
    cast::all()
}

/// Whether `from` may become `to` in this context.
pub fn can_cast(from: &DataType, to: &DataType, context: CastContext) -> bool {
    cast::can_cast(from, to, context)
}

/// PostgreSQL's common type of UNION, CASE, VALUES, arrays, COALESCE; 42804. All unknown gives text.
pub fn common_type(types: &[DataType], what: &str) -> Result<DataType> {
    resolve::common_type(types, what)
}

/// Casts one value; applies length, precision and dimension modifiers of `to`. NULL stays NULL.
pub fn cast_value(
    context: &EvalContext<'_>,
    value: &Value,
    from: &DataType,
    to: &DataType,
    explicit: bool,
) -> Result<Value> {
    cast::cast_value(context, value, from, to, explicit)
}
