//! Arguments and results of functions in words, as `pg_get_function_arguments` and its kin give them and psql's `\df`
//! shows them.

use sinew_storage::{DataType, Value};

use super::functions::table_functions;
use super::types::{ARRAY_FUNCTIONS, ARRAY_SUBSCRIPT_HANDLER, ENUM_FUNCTIONS, TYPE_FUNCTIONS};
use crate::context::EvalContext;
use crate::error::Result;
use crate::functions::registry::TypePattern;
use crate::functions::{self, Param, TableFunction, string};
use crate::types::{to_text, type_name};

/// One function's arguments and result.
pub(crate) struct Signature {
    /// With names and defaults.
    pub arguments: String,
    /// Without defaults.
    pub identity_arguments: String,
    /// None: a procedure.
    pub result: Option<String>,
}

/// None when no function has the oid.
pub(crate) fn signature(context: &EvalContext<'_>, oid: u32) -> Result<Option<Signature>> {
    if let Some(definition) = functions::all_functions().find(|definition| definition.oid == oid) {
        return Ok(Some(of_types(&definition.params, definition.variadic, &definition.returns)));
    }
    if let Some(aggregate) = functions::all_aggregates().find(|aggregate| aggregate.oid == oid) {
        return Ok(Some(of_types(&aggregate.params, false, &aggregate.returns)));
    }
    if let Some(window) = functions::all_windows().find(|window| window.oid == oid) {
        return Ok(Some(of_types(&window.params, false, &window.returns)));
    }
    if let Some(signature) = of_type_function(oid) {
        return Ok(Some(signature));
    }
    match table_functions(context.exec).into_iter().find(|(known, _)| *known == oid) {
        Some((_, function)) => of_table_function(context, &*function).map(Some),
        None => Ok(None),
    }
}

fn of_types(params: &[TypePattern], variadic: bool, returns: &TypePattern) -> Signature {
    let mut params: Vec<String> = params.iter().map(TypePattern::name).collect();
    if variadic && let Some(last) = params.last_mut() {
        last.insert_str(0, "VARIADIC ");
    }
    plain(params.join(", "), returns.name())
}

fn plain(arguments: String, result: String) -> Signature {
    Signature { identity_arguments: arguments.clone(), arguments, result: Some(result) }
}

/// Input and output functions of types.
fn of_type_function(oid: u32) -> Option<Signature> {
    let of_type = TYPE_FUNCTIONS.iter().map(|row| (&row.functions, type_name(&row.ty)));
    for (functions, name) in
        of_type.chain([(&ARRAY_FUNCTIONS, "anyarray".to_owned()), (&ENUM_FUNCTIONS, "anyenum".to_owned())])
    {
        let Some(at) = functions.iter().position(|(_, known)| *known == oid) else { continue };
        let (argument, result) = match at {
            0 => ("cstring".to_owned(), name),
            1 => (name, "cstring".to_owned()),
            2 => ("internal".to_owned(), name),
            _ => (name, "bytea".to_owned()),
        };
        return Some(plain(argument, result));
    }
    (oid == ARRAY_SUBSCRIPT_HANDLER.1).then(|| plain("internal".to_owned(), "internal".to_owned()))
}

fn of_table_function(context: &EvalContext<'_>, function: &dyn TableFunction) -> Result<Signature> {
    let named = |param: &Param| format!("{} {}", param.name, type_name(&param.ty));
    let mut arguments = Vec::with_capacity(function.params().len());
    for param in function.params() {
        arguments.push(match &param.default {
            Some(default) => format!("{} DEFAULT {}", named(param), literal(context, default, &param.ty)?),
            None => named(param),
        });
    }
    let identity: Vec<String> = function.params().iter().map(named).collect();
    let columns: Vec<String> =
        function.columns().iter().map(|(name, ty)| format!("{name} {}", type_name(ty))).collect();
    Ok(Signature {
        arguments: arguments.join(", "),
        identity_arguments: identity.join(", "),
        result: (!columns.is_empty()).then(|| format!("TABLE({})", columns.join(", "))),
    })
}

/// A default as it would be written.
fn literal(context: &EvalContext<'_>, value: &Value, ty: &DataType) -> Result<String> {
    Ok(match value {
        Value::Null => format!("NULL::{}", type_name(ty)),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let text = to_text(context, value, ty)?;
            match text.as_str() {
                "t" => "true".to_owned(),
                "f" => "false".to_owned(),
                _ => text,
            }
        }
        value => format!("{}::{}", string::quote_literal(&to_text(context, value, ty)?), type_name(ty)),
    })
}
