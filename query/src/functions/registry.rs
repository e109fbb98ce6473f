//! The table of scalar functions, operators and aggregates.
//!
//! A row is written as a signature: `t.f("round(numeric, int4) -> numeric", …)`, `t.op("int4 + int4 -> int4", …)`,
//! `t.op("- int4 -> int4", …)`. Type names are PostgreSQL's internal ones; besides them a parameter may be `any`,
//! `anyelement`, `anyarray`, `anynonarray`, `anycompatible` or `anycompatiblearray`, resolved as PostgreSQL resolves its
//! pseudo-types. `variadic` before the last parameter lets it repeat.
//!
//! Rows are strict and immutable unless said otherwise. Oids: rows give PostgreSQL's where clients rely on them; the
//! rest are numbered from 15000 in table order, which is fixed for a version of the program (nothing stores them).

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use sinew_storage::{DataType, Value};

use super::{Accumulator, KernelImpl, ScalarFunction, ScalarImpl, Volatility, WindowKind};
use crate::context::EvalContext;
use crate::error::Result;
use crate::types;

/// First oid of rows without one of PostgreSQL's.
const FIRST_OWN_OID: u32 = 15_000;

/// Evaluates one row's values.
pub(crate) type Eval = fn(&EvalContext<'_>, &[Value]) -> Result<Value>;
/// Makes the evaluator for concrete argument types.
pub(crate) type MakeEval = fn(&[DataType]) -> ScalarImpl;

/// A parameter's or result's type as the table declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypePattern {
    Is(DataType),
    /// Every `anyelement` of a call is one type, and `anyarray` an array of it.
    AnyElement,
    AnyNonArray,
    AnyArray,
    /// As `anyelement`, but arguments are brought to their common type.
    AnyCompatible,
    AnyCompatibleArray,
    /// As `anyelement`, of enums.
    AnyEnum,
    /// Whatever it is.
    Any,
}

impl TypePattern {
    fn parse(text: &str) -> TypePattern {
        match text {
            "any" => TypePattern::Any,
            "anyelement" => TypePattern::AnyElement,
            "anynonarray" => TypePattern::AnyNonArray,
            "anyarray" => TypePattern::AnyArray,
            "anyenum" => TypePattern::AnyEnum,
            "anycompatible" => TypePattern::AnyCompatible,
            "anycompatiblearray" => TypePattern::AnyCompatibleArray,
            // Cypher's dynamic value; has no SQL name.
            "value" => TypePattern::Is(DataType::Any),
            name => {
                TypePattern::Is(types::type_from_name(name).unwrap_or_else(|| panic!("type \"{name}\" in a signature")))
            }
        }
    }

    pub fn is_polymorphic(&self) -> bool {
        !matches!(self, TypePattern::Is(_))
    }

    /// As the documentation and `pg_proc` name it.
    pub fn name(&self) -> String {
        match self {
            TypePattern::Is(DataType::Any) => "value".to_owned(),
            TypePattern::Is(ty) => types::type_name(ty),
            TypePattern::AnyElement => "anyelement".to_owned(),
            TypePattern::AnyNonArray => "anynonarray".to_owned(),
            TypePattern::AnyArray => "anyarray".to_owned(),
            TypePattern::AnyEnum => "anyenum".to_owned(),
            TypePattern::AnyCompatible => "anycompatible".to_owned(),
            TypePattern::AnyCompatibleArray => "anycompatiblearray".to_owned(),
            TypePattern::Any => "\"any\"".to_owned(),
        }
    }

    /// `pg_type` oid, pseudo-types included.
    pub fn oid(&self) -> u32 {
        match self {
            TypePattern::Is(ty) => types::type_oid(ty),
            TypePattern::Any => 2276,
            TypePattern::AnyArray => 2277,
            TypePattern::AnyEnum => 3500,
            TypePattern::AnyElement => 2283,
            TypePattern::AnyNonArray => 2776,
            TypePattern::AnyCompatible => 5077,
            TypePattern::AnyCompatibleArray => 5078,
        }
    }
}

#[derive(Clone)]
pub(crate) enum Body {
    Plain(Eval),
    Typed(MakeEval),
}

/// A row of the table: a scalar function or an operator.
pub struct Definition {
    pub name: &'static str,
    pub oid: u32,
    pub params: Vec<TypePattern>,
    pub variadic: bool,
    pub returns: TypePattern,
    pub strict: bool,
    pub volatility: Volatility,
    pub is_operator: bool,
    /// Heading of the page it stands on.
    pub section: &'static str,
    pub(crate) body: Body,
    pub(crate) kernel: Option<KernelImpl>,
    /// The function when no parameter is polymorphic, made once.
    pub(crate) fixed: Option<Arc<ScalarFunction>>,
}

impl Definition {
    pub(crate) fn oid(&mut self, oid: u32) -> &mut Self {
        self.oid = oid;
        self
    }

    /// Called with NULLs too.
    pub(crate) fn lax(&mut self) -> &mut Self {
        self.strict = false;
        self
    }

    pub(crate) fn stable(&mut self) -> &mut Self {
        self.volatility = Volatility::Stable;
        self
    }

    pub(crate) fn volatile(&mut self) -> &mut Self {
        self.volatility = Volatility::Volatile;
        self
    }

    pub(crate) fn kernel(&mut self, kernel: KernelImpl) -> &mut Self {
        self.kernel = Some(kernel);
        self
    }

    /// `round(numeric, integer)`, `integer + integer`, `- integer`.
    pub fn signature(&self) -> String {
        let mut params: Vec<String> = self.params.iter().map(TypePattern::name).collect();
        if self.is_operator {
            return match params.as_slice() {
                [operand] => format!("{} {operand}", self.name),
                [left, right] => format!("{left} {} {right}", self.name),
                _ => self.name.to_owned(),
            };
        }
        if self.variadic
            && let Some(last) = params.last_mut()
        {
            last.insert_str(0, "VARIADIC ");
        }
        format!("{}({})", self.name, params.join(", "))
    }

    /// The function for concrete types.
    pub(crate) fn instantiate(&self, args: Vec<DataType>, returns: DataType) -> Arc<ScalarFunction> {
        if let Some(fixed) = &self.fixed {
            return Arc::clone(fixed);
        }
        let eval: ScalarImpl = match &self.body {
            Body::Plain(eval) => {
                let eval = *eval;
                Arc::new(eval)
            }
            Body::Typed(make) => make(&args),
        };
        Arc::new(ScalarFunction {
            name: self.name,
            oid: self.oid,
            args,
            variadic: self.variadic,
            returns,
            strict: self.strict,
            volatility: self.volatility,
            eval,
            kernel: self.kernel,
        })
    }
}

/// A row of the table of aggregates.
pub struct AggregateDefinition {
    pub name: &'static str,
    pub oid: u32,
    pub params: Vec<TypePattern>,
    pub returns: TypePattern,
    pub strict: bool,
    pub(crate) accumulator: fn(&[DataType]) -> Box<dyn Accumulator>,
}

impl AggregateDefinition {
    pub(crate) fn lax(&mut self) -> &mut Self {
        self.strict = false;
        self
    }

    pub(crate) fn oid(&mut self, oid: u32) -> &mut Self {
        self.oid = oid;
        self
    }

    pub fn signature(&self) -> String {
        let params: Vec<String> = self.params.iter().map(TypePattern::name).collect();
        format!("{}({})", self.name, if params.is_empty() { "*".to_owned() } else { params.join(", ") })
    }
}

/// A row of the table of window functions.
pub struct WindowDefinition {
    pub name: &'static str,
    pub oid: u32,
    pub params: Vec<TypePattern>,
    pub returns: TypePattern,
    pub kind: WindowKind,
}

impl WindowDefinition {
    pub fn signature(&self) -> String {
        let params: Vec<String> = self.params.iter().map(TypePattern::name).collect();
        format!("{}({})", self.name, params.join(", "))
    }
}

/// The table while it is being filled.
#[derive(Default)]
pub(crate) struct Table {
    section: &'static str,
    definitions: Vec<Definition>,
    aggregates: Vec<AggregateDefinition>,
    windows: Vec<WindowDefinition>,
}

impl Table {
    pub(crate) fn section(&mut self, section: &'static str) {
        self.section = section;
    }

    fn push(&mut self, parts: Signature, is_operator: bool, body: Body) -> &mut Definition {
        self.definitions.push(Definition {
            name: parts.name,
            oid: 0,
            params: parts.params,
            variadic: parts.variadic,
            returns: parts.returns,
            strict: true,
            volatility: Volatility::Immutable,
            is_operator,
            section: self.section,
            body,
            kernel: None,
            fixed: None,
        });
        self.definitions.last_mut().expect("a row was just pushed")
    }

    /// A function.
    pub(crate) fn f(&mut self, signature: &'static str, eval: Eval) -> &mut Definition {
        self.push(function_signature(signature), false, Body::Plain(eval))
    }

    /// A function whose evaluator depends on its argument types.
    pub(crate) fn typed(&mut self, signature: &'static str, make: MakeEval) -> &mut Definition {
        self.push(function_signature(signature), false, Body::Typed(make))
    }

    /// An operator.
    pub(crate) fn op(&mut self, signature: &'static str, eval: Eval) -> &mut Definition {
        self.push(operator_signature(signature), true, Body::Plain(eval))
    }

    /// An operator whose evaluator depends on its argument types.
    pub(crate) fn typed_op(&mut self, signature: &'static str, make: MakeEval) -> &mut Definition {
        self.push(operator_signature(signature), true, Body::Typed(make))
    }

    /// An aggregate; `count()` is `count(*)`.
    pub(crate) fn aggregate(
        &mut self,
        signature: &'static str,
        accumulator: fn(&[DataType]) -> Box<dyn Accumulator>,
    ) -> &mut AggregateDefinition {
        let parts = function_signature(signature);
        self.aggregates.push(AggregateDefinition {
            name: parts.name,
            oid: 0,
            params: parts.params,
            returns: parts.returns,
            strict: true,
            accumulator,
        });
        self.aggregates.last_mut().expect("a row was just pushed")
    }

    /// A window function, under PostgreSQL's oid.
    pub(crate) fn window(&mut self, signature: &'static str, oid: u32, kind: WindowKind) {
        let parts = function_signature(signature);
        self.windows.push(WindowDefinition {
            name: parts.name,
            oid,
            params: parts.params,
            returns: parts.returns,
            kind,
        });
    }
}

struct Signature {
    name: &'static str,
    params: Vec<TypePattern>,
    variadic: bool,
    returns: TypePattern,
}

fn function_signature(text: &'static str) -> Signature {
    let malformed = || -> ! { panic!("malformed signature {text}") };
    let Some((head, returns)) = text.split_once("->") else { malformed() };
    let Some((name, params)) = head.trim().strip_suffix(')').and_then(|head| head.split_once('(')) else { malformed() };
    let mut variadic = false;
    let params = params
        .split(',')
        .map(str::trim)
        .filter(|param| !param.is_empty())
        .map(|param| {
            TypePattern::parse(match param.strip_prefix("variadic ") {
                Some(param) => {
                    variadic = true;
                    param
                }
                None => param,
            })
        })
        .collect();
    Signature { name, params, variadic, returns: TypePattern::parse(returns.trim()) }
}

fn operator_signature(text: &'static str) -> Signature {
    let words: Vec<&'static str> = text.split_whitespace().collect();
    // The arrow before the result is the last but one word, whatever the operator is.
    let (name, params, returns) = match words.as_slice() {
        [symbol, operand, "->", returns] => (*symbol, vec![*operand], *returns),
        [left, symbol, right, "->", returns] => (*symbol, vec![*left, *right], *returns),
        _ => panic!("malformed signature {text}"),
    };
    Signature {
        name,
        params: params.into_iter().map(TypePattern::parse).collect(),
        variadic: false,
        returns: TypePattern::parse(returns),
    }
}

/// The finished table with its indexes.
pub struct Registry {
    pub definitions: Vec<Definition>,
    pub aggregates: Vec<AggregateDefinition>,
    pub windows: Vec<WindowDefinition>,
    /// Positions in `definitions` by function name.
    pub(crate) functions: FxHashMap<&'static str, Vec<usize>>,
    /// Positions in `definitions` by operator symbol.
    pub(crate) operators: FxHashMap<&'static str, Vec<usize>>,
    /// Positions in `aggregates` by name.
    pub(crate) aggregate_names: FxHashMap<&'static str, Vec<usize>>,
}

impl Registry {
    fn build() -> Registry {
        let mut table = Table::default();
        super::operators_arithmetic::register(&mut table);
        super::operators_comparison::register(&mut table);
        super::operators_text::register(&mut table);
        super::blank_padded::register(&mut table);
        super::operators_datetime::register(&mut table);
        super::operators_json::register(&mut table);
        super::operators_array::register(&mut table);
        super::operators_vector::register(&mut table);
        super::math::register(&mut table);
        super::math_degrees::register(&mut table);
        super::string::register(&mut table);
        super::hash::register(&mut table);
        super::string_format::register(&mut table);
        super::pattern::register(&mut table);
        super::pattern_search::register(&mut table);
        super::unicode::register(&mut table);
        super::bytea::register(&mut table);
        super::datetime::register(&mut table);
        super::datetime_format::register(&mut table);
        super::time_of_day::register(&mut table);
        super::overlaps::register(&mut table);
        super::json::register(&mut table);
        super::array::register(&mut table);
        super::enum_type::register(&mut table);
        super::vector::register(&mut table);
        super::uuid::register(&mut table);
        super::conditional::register(&mut table);
        super::system::register(&mut table);
        super::system_catalog::register(&mut table);
        super::visibility::register(&mut table);
        super::privileges::register(&mut table);
        super::sequence::register(&mut table);
        super::advisory::register(&mut table);
        super::sessions::register(&mut table);
        super::aggregate_basic::register(&mut table);
        super::aggregate_statistics::register(&mut table);
        super::aggregate_regression::register(&mut table);
        super::aggregate_collect::register(&mut table);
        super::window::register(&mut table);

        let Table { mut definitions, mut aggregates, windows, .. } = table;
        let mut next_function = FIRST_OWN_OID;
        let mut next_operator = FIRST_OWN_OID;
        let mut functions: FxHashMap<&'static str, Vec<usize>> = FxHashMap::default();
        let mut operators: FxHashMap<&'static str, Vec<usize>> = FxHashMap::default();
        let mut aggregate_names: FxHashMap<&'static str, Vec<usize>> = FxHashMap::default();
        let number = |oid: &mut u32, next: &mut u32| {
            if *oid == 0 {
                *oid = *next;
                *next += 1;
            }
        };
        for (at, definition) in definitions.iter_mut().enumerate() {
            let (names, next) = if definition.is_operator {
                (&mut operators, &mut next_operator)
            } else {
                (&mut functions, &mut next_function)
            };
            names.entry(definition.name).or_default().push(at);
            number(&mut definition.oid, next);
            let args: Option<Vec<DataType>> = definition
                .params
                .iter()
                .map(|param| match param {
                    TypePattern::Is(ty) => Some(ty.clone()),
                    _ => None,
                })
                .collect();
            // Evaluators that are made for their types look at modifiers too.
            if let (Some(args), TypePattern::Is(returns), false, Body::Plain(_)) =
                (args, definition.returns.clone(), definition.variadic, &definition.body)
            {
                definition.fixed = Some(definition.instantiate(args, returns));
            }
        }
        for (at, aggregate) in aggregates.iter_mut().enumerate() {
            aggregate_names.entry(aggregate.name).or_default().push(at);
            number(&mut aggregate.oid, &mut next_function);
        }
        Registry { definitions, aggregates, windows, functions, operators, aggregate_names }
    }

    pub(crate) fn name_by_oid(&self, oid: u32) -> Option<&'static str> {
        let scalar = self.definitions.iter().find(|d| !d.is_operator && d.oid == oid).map(|d| d.name);
        let aggregate = || self.aggregates.iter().find(|a| a.oid == oid).map(|a| a.name);
        scalar.or_else(aggregate).or_else(|| self.windows.iter().find(|w| w.oid == oid).map(|w| w.name))
    }

    pub(crate) fn oid_by_name(&self, name: &str) -> Option<u32> {
        let scalar = self.functions.get(name).and_then(|at| at.first()).map(|at| self.definitions[*at].oid);
        let aggregate = || self.aggregate_names.get(name).and_then(|at| at.first()).map(|at| self.aggregates[*at].oid);
        scalar.or_else(aggregate).or_else(|| self.windows.iter().find(|w| w.name == name).map(|w| w.oid))
    }
}

/// The table, built on first use.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::build)
}
