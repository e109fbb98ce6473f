//! Finding the function, operator or aggregate that a call means: PostgreSQL's algorithm.
//!
//! 1. Candidates have the name and take that many arguments. One that matches every type exactly wins at once (for
//!    operators a literal of unknown type first counts as the other side's type).
//! 2. Candidates that some argument cannot be implicitly cast to are dropped. One left: taken.
//! 3. Those with the most exact matches stay; of them those with the most exact matches or preferred types.
//! 4. For unknown literals a category is chosen per position: string if any candidate takes one, else the one all share;
//!    candidates outside it go, and those that are not preferred where a preferred one exists.
//! 5. If all known arguments have one type, unknown ones are tried as that type. Otherwise the call is ambiguous.
//!
//! After `func_select_candidate` in PostgreSQL's parse_func.c.

use std::sync::Arc;

use sinew_storage::DataType;

use super::cast::{self, can_cast};
use super::registry::{Definition, TypePattern, WindowDefinition, registry};
use super::{
    AggregateFunction, CastContext, ResolvedAggregate, ResolvedFunction, ResolvedWindow, ScalarFunction, Volatility,
    WindowFunction, conditional,
};
use crate::error::{QueryError, Result, sqlstate};
use crate::types::{category_letter, is_preferred, names::without_modifier, type_from_name, type_name};

/// What PostgreSQL has over a type that is not here.
pub const JSONPATH_FUNCTIONS: [&str; 9] = [
    "jsonb_path_exists",
    "jsonb_path_exists_tz",
    "jsonb_path_match",
    "jsonb_path_match_tz",
    "jsonb_path_query_array",
    "jsonb_path_query_array_tz",
    "jsonb_path_query_first",
    "jsonb_path_query_first_tz",
    "jsonb_path_query",
];

const CAST_HINT: &str =
    "No function matches the given name and argument types. You might need to add explicit type casts.";
const OPERATOR_HINT: &str =
    "No operator matches the given name and argument types. You might need to add explicit type casts.";

/// One way to call: patterns aligned with the arguments.
struct Candidate<'a, T> {
    item: &'a T,
    params: Vec<&'a TypePattern>,
}

fn align(params: &[TypePattern], variadic: bool, count: usize) -> Option<Vec<&TypePattern>> {
    if params.len() == count {
        return Some(params.iter().collect());
    }
    let last = params.last().filter(|_| variadic)?;
    if count + 1 < params.len() {
        return None;
    }
    if count < params.len() {
        // A variadic parameter takes at least one argument.
        return None;
    }
    let mut aligned: Vec<&TypePattern> = params.iter().collect();
    aligned.resize(count, last);
    Some(aligned)
}

/// Types a call's arguments and result get under a candidate; None when the arguments do not fit.
fn concrete(params: &[&TypePattern], returns: &TypePattern, args: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let mut element: Option<DataType> = None;
    let mut compatible: Vec<DataType> = Vec::new();
    let mut has_compatible = false;
    for (param, arg) in params.iter().zip(args) {
        let known = *arg != DataType::Unknown;
        let base = polymorphic_base(arg);
        let found = match param {
            TypePattern::Is(to) => {
                if !can_cast(arg, to, CastContext::Implicit) {
                    return None;
                }
                continue;
            }
            TypePattern::Any => continue,
            TypePattern::AnyElement if known => base,
            TypePattern::AnyNonArray if known => match base {
                DataType::Array(_) => return None,
                base => base,
            },
            TypePattern::AnyEnum if known => match base {
                DataType::Enum(_) => base,
                _ => return None,
            },
            TypePattern::AnyArray if known => match base.vector_as_array().unwrap_or(base) {
                DataType::Array(inner) => *inner,
                _ => return None,
            },
            TypePattern::AnyCompatible => {
                has_compatible = true;
                if known {
                    compatible.push(base);
                }
                continue;
            }
            TypePattern::AnyCompatibleArray => {
                has_compatible = true;
                match base.vector_as_array().unwrap_or(base) {
                    DataType::Array(inner) => compatible.push(*inner),
                    DataType::Unknown => {}
                    _ => return None,
                }
                continue;
            }
            _ => continue,
        };
        match &element {
            None => element = Some(found),
            Some(other) if other.same_base(&found) => {}
            Some(_) => return None,
        }
    }
    let compatible = if has_compatible { Some(common_type(&compatible, "").ok()?) } else { None };
    let resolve = |pattern: &TypePattern, arg: Option<&DataType>| -> Option<DataType> {
        Some(match pattern {
            // A char(n) that comes out as it went in keeps the length that it is shown with.
            TypePattern::Is(DataType::Bpchar(None)) if arg.is_none() => {
                args.iter().find(|ty| matches!(ty, DataType::Bpchar(_))).cloned().unwrap_or(DataType::Bpchar(None))
            }
            TypePattern::Is(ty) => match arg {
                // What a char(n) becomes when it is passed as another string has no blanks to be shown with.
                Some(DataType::Bpchar(_)) if !matches!(ty, DataType::Bpchar(_)) => ty.clone(),
                Some(arg) if cast::same_representation(arg, ty) => arg.clone(),
                _ => ty.clone(),
            },
            TypePattern::Any => match arg {
                None | Some(DataType::Unknown) => DataType::Text,
                Some(arg) => arg.clone(),
            },
            TypePattern::AnyElement | TypePattern::AnyNonArray | TypePattern::AnyEnum => element.clone()?,
            TypePattern::AnyArray => DataType::array_of(element.clone()?),
            TypePattern::AnyCompatible => compatible.clone()?,
            TypePattern::AnyCompatibleArray => DataType::array_of(compatible.clone()?),
        })
    };
    let arg_types = params.iter().zip(args).map(|(param, arg)| resolve(param, Some(arg))).collect::<Option<_>>()?;
    Some((arg_types, resolve(returns, None)?))
}

/// The type that a polymorphic parameter takes: without a modifier, except the length with which `char(n)` is shown.
fn polymorphic_base(ty: &DataType) -> DataType {
    match ty {
        DataType::Bpchar(_) => ty.clone(),
        DataType::Array(element) => DataType::array_of(polymorphic_base(element)),
        ty => without_modifier(ty),
    }
}

/// True when the arguments could be coerced; polymorphic parameters over unknown literals only count as possible.
fn fits(params: &[&TypePattern], args: &[DataType]) -> bool {
    let filler = TypePattern::Is(DataType::Void);
    if concrete(params, &filler, args).is_some() {
        return true;
    }
    // `anyarray` over nothing but unknown literals: resolvable in form, refused later with a clear error.
    params.iter().zip(args).all(|(param, arg)| match param {
        TypePattern::Is(to) => can_cast(arg, to, CastContext::Implicit),
        // A literal does not tell which enum it is of.
        TypePattern::AnyEnum => false,
        _ => *arg == DataType::Unknown,
    })
}

fn is_exact(param: &TypePattern, arg: &DataType) -> bool {
    matches!(param, TypePattern::Is(ty) if ty.same_base(arg))
}

fn is_preferred_for(param: &TypePattern, arg: &DataType) -> bool {
    matches!(param, TypePattern::Is(ty) if is_preferred(ty) && category_letter(ty) == category_letter(arg))
}

/// Category of a pattern; polymorphic ones count as pseudo-types.
fn pattern_category(param: &TypePattern) -> char {
    match param {
        TypePattern::Is(ty) => category_letter(ty),
        _ => 'P',
    }
}

fn keep_best<'a, T>(
    candidates: Vec<Candidate<'a, T>>,
    score: impl Fn(&Candidate<'a, T>) -> usize,
) -> Vec<Candidate<'a, T>> {
    let best = candidates.iter().map(&score).max().unwrap_or(0);
    candidates.into_iter().filter(|candidate| score(candidate) == best).collect()
}

/// Steps 2 to 5. An empty result means no candidate fits, more than one that the call is ambiguous.
fn select<'a, T>(candidates: Vec<Candidate<'a, T>>, args: &[DataType]) -> Vec<Candidate<'a, T>> {
    let mut candidates: Vec<_> = candidates.into_iter().filter(|candidate| fits(&candidate.params, args)).collect();
    if candidates.len() <= 1 {
        return candidates;
    }
    let known: Vec<usize> = (0..args.len()).filter(|i| args[*i] != DataType::Unknown).collect();
    candidates =
        keep_best(candidates, |candidate| known.iter().filter(|i| is_exact(candidate.params[**i], &args[**i])).count());
    if candidates.len() == 1 {
        return candidates;
    }
    candidates = keep_best(candidates, |candidate| {
        known
            .iter()
            .filter(|i| {
                let (param, arg) = (candidate.params[**i], &args[**i]);
                is_exact(param, arg) || is_preferred_for(param, arg)
            })
            .count()
    });
    if candidates.len() == 1 || known.len() == args.len() {
        return candidates;
    }

    // Categories of unknown literals.
    let mut wanted: Vec<Option<(char, bool)>> = vec![None; args.len()];
    let mut resolved = true;
    for i in (0..args.len()).filter(|i| args[*i] == DataType::Unknown) {
        let mut category: Option<char> = None;
        let mut has_preferred = false;
        let mut conflict = false;
        for candidate in &candidates {
            let current = pattern_category(candidate.params[i]);
            let preferred = matches!(candidate.params[i], TypePattern::Is(ty) if is_preferred(ty));
            match category {
                None => {
                    category = Some(current);
                    has_preferred = preferred;
                }
                Some(known) if known == current => has_preferred |= preferred,
                Some(_) if current == 'S' => {
                    // Strings win over everything.
                    category = Some('S');
                    has_preferred = preferred;
                    conflict = false;
                }
                Some('S') => {}
                Some(_) => conflict = true,
            }
        }
        if conflict && category != Some('S') {
            resolved = false;
            break;
        }
        wanted[i] = category.map(|category| (category, has_preferred));
    }
    if resolved {
        let matching = |candidate: &Candidate<'a, T>| {
            wanted.iter().enumerate().all(|(i, wanted)| match wanted {
                None => true,
                Some((category, has_preferred)) => {
                    pattern_category(candidate.params[i]) == *category
                        && (!has_preferred || matches!(candidate.params[i], TypePattern::Is(ty) if is_preferred(ty)))
                }
            })
        };
        if candidates.iter().any(matching) {
            candidates.retain(matching);
        }
        if candidates.len() == 1 {
            return candidates;
        }
    }

    // Unknown literals as the one known type.
    if let Some(first) = known.first()
        && known.iter().all(|i| args[*i].same_base(&args[*first]))
    {
        let same: Vec<DataType> = vec![args[*first].clone(); args.len()];
        let accepting: Vec<usize> = (0..candidates.len()).filter(|at| fits(&candidates[*at].params, &same)).collect();
        if let [only] = accepting.as_slice() {
            return vec![candidates.swap_remove(*only)];
        }
    }
    candidates
}

fn type_list(args: &[DataType]) -> String {
    args.iter().map(type_name).collect::<Vec<_>>().join(", ")
}

fn polymorphic_error() -> QueryError {
    QueryError::new(sqlstate::DATATYPE_MISMATCH, "could not determine polymorphic type because input has type unknown")
}

fn finish(candidate: &Candidate<'_, Definition>, args: &[DataType]) -> Result<ResolvedFunction> {
    let definition = candidate.item;
    let (arg_types, returns) = concrete(&candidate.params, &definition.returns, args).ok_or_else(polymorphic_error)?;
    let function = definition.instantiate(arg_types.clone(), returns.clone());
    Ok(ResolvedFunction { function, args: arg_types, returns })
}

pub(super) fn function(name: &str, args: &[DataType]) -> Result<ResolvedFunction> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    if matches!(name, "greatest" | "least") {
        return conditional::extreme(name, args);
    }
    let registry = registry();
    let positions = registry.functions.get(name).map_or(&[][..], Vec::as_slice);
    let mut candidates: Vec<Candidate<'_, Definition>> = Vec::new();
    for at in positions {
        let definition = &registry.definitions[*at];
        if let Some(params) = align(&definition.params, definition.variadic, args.len()) {
            let candidate = Candidate { item: definition, params };
            if !args.is_empty() && candidate.params.iter().zip(args).all(|(param, arg)| is_exact(param, arg)) {
                return finish(&candidate, args);
            }
            candidates.push(candidate);
        }
    }
    // `int4('1')`: a type's name with one argument is a cast.
    if let ([arg], Some(to)) = (args, type_from_name(name)) {
        // Casts that are functions of that name are among the candidates; what is left are the casts through text.
        let through_text = *arg == DataType::Unknown || category_letter(arg) == 'S' || arg.same_base(&to);
        if (through_text || positions.is_empty()) && can_cast(arg, &to, CastContext::Explicit) {
            return Ok(cast_function(arg, &to));
        }
    }
    let chosen = select(candidates, args);
    match chosen.as_slice() {
        [only] => finish(only, args),
        [] if JSONPATH_FUNCTIONS.contains(&name) => {
            Err(QueryError::unsupported(format!("{name}(): the type jsonpath")))
        }
        [] => {
            let error = QueryError::new(
                sqlstate::UNDEFINED_FUNCTION,
                format!("function {name}({}) does not exist", type_list(args)),
            );
            Err(error.hint(match near_miss(name, positions.is_empty()) {
                Some(other) => format!("Perhaps you meant the function \"{other}\"."),
                None => CAST_HINT.to_owned(),
            }))
        }
        _ => Err(QueryError::new(
            sqlstate::AMBIGUOUS_FUNCTION,
            format!("function {name}({}) is not unique", type_list(args)),
        )
        .hint("Could not choose a best candidate function. You might need to add explicit type casts.")),
    }
}

/// A cast in the shape of a function.
fn cast_function(from: &DataType, to: &DataType) -> ResolvedFunction {
    let (from, to) = (from.clone(), to.clone());
    let source = if from == DataType::Unknown { DataType::Text } else { from };
    let eval = {
        let (source, to) = (source.clone(), to.clone());
        Arc::new(move |context: &crate::context::EvalContext<'_>, args: &[sinew_storage::Value]| {
            cast::cast_value(context, &args[0], &source, &to, true)
        })
    };
    let function = Arc::new(ScalarFunction {
        name: "cast",
        oid: 0,
        args: vec![source.clone()],
        variadic: false,
        returns: to.clone(),
        strict: true,
        volatility: Volatility::Stable,
        eval,
        kernel: None,
    });
    ResolvedFunction { function, args: vec![source], returns: to }
}

/// The registered name closest to a misspelt one.
fn near_miss(name: &str, unknown_name: bool) -> Option<&'static str> {
    if !unknown_name {
        return None;
    }
    let registry = registry();
    crate::near_miss::near_miss(name, registry.functions.keys().chain(registry.aggregate_names.keys()).copied())
}

pub(super) fn operator(symbol: &str, left: Option<&DataType>, right: &DataType) -> Result<ResolvedFunction> {
    let symbol = if symbol == "!=" { "<>" } else { symbol };
    let args: Vec<DataType> = left.into_iter().chain([right]).cloned().collect();
    let registry = registry();
    let positions = registry.operators.get(symbol).map_or(&[][..], Vec::as_slice);
    let candidates: Vec<Candidate<'_, Definition>> = positions
        .iter()
        .map(|at| &registry.definitions[*at])
        .filter(|definition| definition.params.len() == args.len())
        .map(|definition| Candidate { item: definition, params: definition.params.iter().collect() })
        .collect();
    let exact = |types: &[DataType]| {
        candidates.iter().find(|candidate| candidate.params.iter().zip(types).all(|(param, arg)| is_exact(param, arg)))
    };
    if let Some(candidate) = exact(&args) {
        return finish(candidate, &args);
    }
    // An unknown literal beside a known type is first tried as that type.
    if let [left, right] = args.as_slice()
        && (*left == DataType::Unknown) != (*right == DataType::Unknown)
    {
        let known = if *left == DataType::Unknown { right } else { left };
        if let Some(candidate) = exact(&[known.clone(), known.clone()]) {
            return finish(candidate, &args);
        }
    }
    let chosen = select(candidates, &args);
    let described = match args.as_slice() {
        [operand] => format!("{symbol} {}", type_name(operand)),
        [left, right] => format!("{} {symbol} {}", type_name(left), type_name(right)),
        _ => symbol.to_owned(),
    };
    match chosen.as_slice() {
        [only] => finish(only, &args),
        [] => Err(QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("operator does not exist: {described}"))
            .hint(OPERATOR_HINT)),
        _ => Err(QueryError::new(sqlstate::AMBIGUOUS_FUNCTION, format!("operator is not unique: {described}"))
            .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")),
    }
}

pub(super) fn aggregate(name: &str, args: &[DataType]) -> Result<Option<ResolvedAggregate>> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let registry = registry();
    let Some(positions) = registry.aggregate_names.get(name) else { return Ok(None) };
    let candidates: Vec<_> = positions
        .iter()
        .map(|at| &registry.aggregates[*at])
        .filter(|definition| definition.params.len() == args.len())
        .map(|definition| Candidate { item: definition, params: definition.params.iter().collect() })
        .collect();
    let exact = candidates
        .iter()
        .position(|candidate| candidate.params.iter().zip(args).all(|(param, arg)| is_exact(param, arg)));
    let chosen = match exact {
        Some(at) => candidates.into_iter().skip(at).take(1).collect(),
        None => select(candidates, args),
    };
    let [only] = chosen.as_slice() else { return Err(not_one(name, args, chosen.is_empty())) };
    let definition = only.item;
    let (mut arg_types, returns) = concrete(&only.params, &definition.returns, args).ok_or_else(polymorphic_error)?;
    // Accumulators have no transaction: Cypher's values reach JSON aggregates already as jsonb.
    if name.starts_with("json") {
        for ty in &mut arg_types {
            if crate::types::is_dynamic(ty) {
                *ty = DataType::Jsonb;
            }
        }
    }
    let function = Arc::new(AggregateFunction {
        name: definition.name,
        oid: definition.oid,
        args: arg_types.clone(),
        returns: returns.clone(),
        strict: definition.strict,
        accumulator: definition.accumulator,
    });
    Ok(Some(ResolvedAggregate { function, args: arg_types, returns }))
}

/// 42883 or 42725 of a call that no candidate, or more than one, fits.
fn not_one(name: &str, args: &[DataType], none: bool) -> QueryError {
    let (code, message, hint) = if none {
        (sqlstate::UNDEFINED_FUNCTION, "does not exist", CAST_HINT)
    } else {
        (
            sqlstate::AMBIGUOUS_FUNCTION,
            "is not unique",
            "Could not choose a best candidate function. You might need to add explicit type casts.",
        )
    };
    QueryError::new(code, format!("function {name}({}) {message}", type_list(args))).hint(hint)
}

pub(super) fn window(name: &str, args: &[DataType]) -> Result<Option<ResolvedWindow>> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let named: Vec<&WindowDefinition> = registry().windows.iter().filter(|window| window.name == name).collect();
    if named.is_empty() {
        return Ok(None);
    }
    let candidates = named
        .into_iter()
        .filter(|definition| definition.params.len() == args.len())
        .map(|definition| Candidate { item: definition, params: definition.params.iter().collect() })
        .collect();
    let chosen = select(candidates, args);
    let [only] = chosen.as_slice() else { return Err(not_one(name, args, chosen.is_empty())) };
    let WindowDefinition { name, oid, kind, returns, .. } = only.item;
    let (arg_types, returns) = concrete(&only.params, returns, args).ok_or_else(polymorphic_error)?;
    let function = Arc::new(WindowFunction { name, oid: *oid, kind: *kind });
    Ok(Some(ResolvedWindow { function, args: arg_types, returns }))
}

/// `select_common_type`: the first known type, giving way to one it implicitly casts to (unless it is preferred).
/// 42804 when categories differ, 42846 when one cannot be cast to the result.
pub(super) fn common_type(types: &[DataType], what: &str) -> Result<DataType> {
    let mut known = types.iter().filter(|ty| **ty != DataType::Unknown);
    let Some(first) = known.next() else { return Ok(DataType::Text) };
    if types.iter().all(|ty| ty == first) {
        return Ok(first.clone());
    }
    let mut same_modifier = true;
    let mut common = first.clone();
    for ty in known {
        if *ty == common {
            continue;
        }
        if ty.same_base(&common) {
            same_modifier = false;
            continue;
        }
        if category_letter(ty) != category_letter(&common) {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("{what} types {} and {} cannot be matched", type_name(&common), type_name(ty)),
            ));
        }
        if !is_preferred(&common)
            && can_cast(&common, ty, CastContext::Implicit)
            && !can_cast(ty, &common, CastContext::Implicit)
        {
            common = ty.clone();
            same_modifier = false;
        } else {
            same_modifier = false;
        }
    }
    if !same_modifier {
        common = without_modifier(&common);
    }
    for ty in types {
        if !can_cast(ty, &common, CastContext::Implicit) {
            return Err(QueryError::new(
                sqlstate::CANNOT_COERCE,
                format!("{what} could not convert type {} to {}", type_name(ty), type_name(&common)),
            ));
        }
    }
    Ok(common)
}
