//! What `regproc`, `regprocedure`, `regoper` and `regoperator` read and print.

use sinew_storage::DataType;

use super::{quote_identifier, split_name, type_oid_by_name};
use crate::context::EvalContext;
use crate::error::{QueryError, sqlstate};
use crate::functions::registry::{Definition, TypePattern};
use crate::functions::{self, TableFunction};
use crate::system::pg_catalog::functions::{table_functions, type_functions};
use crate::types::{type_name, type_oid};

/// A function of any kind: oid, name, argument types by oid.
struct Procedure {
    oid: u32,
    name: String,
    arguments: Vec<u32>,
}

/// Those of a name, or all.
fn procedures(context: &EvalContext<'_>, name: Option<&str>) -> Vec<Procedure> {
    let wanted = |known: &str| name.is_none_or(|name| name == known);
    let oids = |params: &[TypePattern]| params.iter().map(TypePattern::oid).collect();
    let mut found: Vec<Procedure> = functions::all_functions()
        .filter(|function| wanted(function.name))
        .map(|function| Procedure {
            oid: function.oid,
            name: function.name.to_owned(),
            arguments: oids(&function.params),
        })
        .collect();
    found.extend(functions::all_aggregates().filter(|aggregate| wanted(aggregate.name)).map(|aggregate| Procedure {
        oid: aggregate.oid,
        name: aggregate.name.to_owned(),
        arguments: oids(&aggregate.params),
    }));
    found.extend(functions::all_windows().filter(|window| wanted(window.name)).map(|window| Procedure {
        oid: window.oid,
        name: window.name.to_owned(),
        arguments: oids(&window.params),
    }));
    let of_types = type_functions().into_iter().filter(|(known, ..)| wanted(known));
    found.extend(of_types.map(|(name, oid, arguments, _)| Procedure { oid, name: name.to_owned(), arguments }));
    let arguments =
        |function: &dyn TableFunction| function.params().iter().map(|param| type_oid(&param.ty)).collect::<Vec<u32>>();
    found.extend(
        table_functions(context.exec).into_iter().filter(|(_, function)| wanted(function.name())).map(
            |(oid, function)| Procedure { oid, name: function.name().to_owned(), arguments: arguments(&*function) },
        ),
    );
    found
}

/// Oids of the functions of a possibly qualified name.
pub(super) fn named(context: &EvalContext<'_>, parts: &[String]) -> Vec<u32> {
    let Some(name) = parts.last() else { return Vec::new() };
    procedures(context, Some(name)).into_iter().map(|procedure| procedure.oid).collect()
}

fn by_oid(context: &EvalContext<'_>, oid: u32) -> Option<Procedure> {
    // The table is short, and catalog queries ask for names a row at a time only where they show functions.
    procedures(context, None).into_iter().find(|procedure| procedure.oid == oid)
}

pub(super) fn name(context: &EvalContext<'_>, oid: u32) -> Option<String> {
    if let Some(name) = functions::function_name_by_oid(oid) {
        return Some(name.to_owned());
    }
    let of_type = crate::system::pg_catalog::types::type_function_by_oid(oid);
    of_type.map(str::to_owned).or_else(|| by_oid(context, oid).map(|procedure| procedure.name))
}

/// `lower(text)`.
pub(super) fn with_arguments(context: &EvalContext<'_>, oid: u32) -> Option<String> {
    let procedure = by_oid(context, oid)?;
    let arguments: Vec<String> =
        procedure.arguments.iter().map(|oid| super::type_name_by_oid(*oid).unwrap_or_else(|| "-".to_owned())).collect();
    Some(format!("{}({})", quote_identifier(&procedure.name), arguments.join(",")))
}

/// `now()`, `pg_catalog.lower(text)`.
pub(super) fn by_signature(context: &EvalContext<'_>, text: &str) -> Option<u32> {
    let (name, arguments) = text.trim().strip_suffix(')')?.split_once('(')?;
    let name = split_name(name)?.pop()?;
    let arguments: Vec<u32> = match arguments.trim() {
        "" => Vec::new(),
        list => list.split(',').map(type_oid_by_name).collect::<Option<_>>()?,
    };
    procedures(context, Some(&name)).into_iter().find(|known| known.arguments == arguments).map(|known| known.oid)
}

pub(super) fn operator(oid: u32) -> Option<&'static Definition> {
    functions::all_operators().find(|operator| operator.oid == oid)
}

/// `=(integer,integer)`, with NONE for the operand that a prefix operator lacks.
pub(super) fn operator_with_operands(operator: &Definition) -> String {
    let mut operands: Vec<String> = operator.params.iter().map(pattern_name).collect();
    if operands.len() == 1 {
        operands.insert(0, "NONE".to_owned());
    }
    format!("{}({})", operator.name, operands.join(","))
}

fn pattern_name(pattern: &TypePattern) -> String {
    match pattern {
        TypePattern::Is(ty) => type_name(ty),
        pattern => pattern.name(),
    }
}

fn symbol(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("pg_catalog.").unwrap_or(text)
}

pub(super) fn operators_named(text: &str) -> impl Iterator<Item = &'static Definition> {
    functions::all_operators().filter(move |operator| operator.name == symbol(text))
}

/// `=(integer,integer)`.
pub(super) fn operator_by_signature(text: &str) -> Option<u32> {
    let (name, operands) = text.trim().strip_suffix(')')?.split_once('(')?;
    let operands: Vec<u32> = operands
        .split(',')
        .filter(|operand| !operand.trim().eq_ignore_ascii_case("none"))
        .map(type_oid_by_name)
        .collect::<Option<_>>()?;
    functions::all_operators()
        .find(|operator| {
            operator.name == symbol(name)
                && operator.params.iter().map(TypePattern::oid).collect::<Vec<u32>>() == operands
        })
        .map(|operator| operator.oid)
}

/// 42725 for a bare name that several functions or operators have.
pub(super) fn ambiguous(context: &EvalContext<'_>, text: &str, ty: &DataType) -> Option<QueryError> {
    let (what, count) = match ty {
        DataType::Regproc => ("function", named(context, &split_name(text)?).len()),
        DataType::Regoper => ("operator", operators_named(text).count()),
        _ => return None,
    };
    let shown = if what == "function" { format!("\"{text}\"") } else { text.to_owned() };
    (count > 1).then(|| QueryError::new(sqlstate::AMBIGUOUS_FUNCTION, format!("more than one {what} named {shown}")))
}
