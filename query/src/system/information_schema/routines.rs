//! Functions and procedures, and their parameters.

use sinew_storage::Value;

use super::data_type_name;
use crate::context::ExecContext;
use crate::system::pg_catalog::functions::procs;
use crate::system::pg_catalog::{Cell, NULL, Row, Rows, SystemRelation, row, view};
use crate::types::{self, names, reg};

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "routines",
        "specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier, \
         routine_catalog sql_identifier, routine_schema sql_identifier, routine_name sql_identifier, \
         routine_type character_data, module_catalog sql_identifier, module_schema sql_identifier, \
         module_name sql_identifier, udt_catalog sql_identifier, udt_schema sql_identifier, udt_name sql_identifier, \
         data_type character_data, character_maximum_length cardinal_number, character_octet_length cardinal_number, \
         character_set_catalog sql_identifier, character_set_schema sql_identifier, \
         character_set_name sql_identifier, collation_catalog sql_identifier, collation_schema sql_identifier, \
         collation_name sql_identifier, numeric_precision cardinal_number, numeric_precision_radix cardinal_number, \
         numeric_scale cardinal_number, datetime_precision cardinal_number, interval_type character_data, \
         interval_precision cardinal_number, type_udt_catalog sql_identifier, type_udt_schema sql_identifier, \
         type_udt_name sql_identifier, scope_catalog sql_identifier, scope_schema sql_identifier, \
         scope_name sql_identifier, maximum_cardinality cardinal_number, dtd_identifier sql_identifier, \
         routine_body character_data, routine_definition character_data, external_name character_data, \
         external_language character_data, parameter_style character_data, is_deterministic yes_or_no, \
         sql_data_access character_data, is_null_call yes_or_no, sql_path character_data, \
         schema_level_routine yes_or_no, max_dynamic_result_sets cardinal_number, is_user_defined_cast yes_or_no, \
         is_implicitly_invocable yes_or_no, security_type character_data, to_sql_specific_catalog sql_identifier, \
         to_sql_specific_schema sql_identifier, to_sql_specific_name sql_identifier, as_locator yes_or_no, \
         created time_stamp, last_altered time_stamp, new_savepoint_level yes_or_no, is_udt_dependent yes_or_no, \
         result_cast_from_data_type character_data, result_cast_as_locator yes_or_no, \
         result_cast_char_max_length cardinal_number, result_cast_char_octet_length cardinal_number, \
         result_cast_char_set_catalog sql_identifier, result_cast_char_set_schema sql_identifier, \
         result_cast_char_set_name sql_identifier, result_cast_collation_catalog sql_identifier, \
         result_cast_collation_schema sql_identifier, result_cast_collation_name sql_identifier, \
         result_cast_numeric_precision cardinal_number, result_cast_numeric_precision_radix cardinal_number, \
         result_cast_numeric_scale cardinal_number, result_cast_datetime_precision cardinal_number, \
         result_cast_interval_type character_data, result_cast_interval_precision cardinal_number, \
         result_cast_type_udt_catalog sql_identifier, result_cast_type_udt_schema sql_identifier, \
         result_cast_type_udt_name sql_identifier, result_cast_scope_catalog sql_identifier, \
         result_cast_scope_schema sql_identifier, result_cast_scope_name sql_identifier, \
         result_cast_maximum_cardinality cardinal_number, result_cast_dtd_identifier sql_identifier",
        routines,
    ),
    view(
        "parameters",
        "specific_catalog sql_identifier, specific_schema sql_identifier, specific_name sql_identifier, \
         ordinal_position cardinal_number, parameter_mode character_data, is_result yes_or_no, \
         as_locator yes_or_no, parameter_name sql_identifier, data_type character_data, \
         character_maximum_length cardinal_number, character_octet_length cardinal_number, \
         character_set_catalog sql_identifier, character_set_schema sql_identifier, \
         character_set_name sql_identifier, collation_catalog sql_identifier, collation_schema sql_identifier, \
         collation_name sql_identifier, numeric_precision cardinal_number, \
         numeric_precision_radix cardinal_number, numeric_scale cardinal_number, \
         datetime_precision cardinal_number, interval_type character_data, interval_precision cardinal_number, \
         udt_catalog sql_identifier, udt_schema sql_identifier, udt_name sql_identifier, \
         scope_catalog sql_identifier, scope_schema sql_identifier, scope_name sql_identifier, \
         maximum_cardinality cardinal_number, dtd_identifier sql_identifier, parameter_default character_data",
        parameters,
    ),
];

/// A row of `pg_proc` under the names of this schema.
pub(super) struct Routine {
    pub schema: String,
    pub name: String,
    /// Unique, since names are not.
    pub specific_name: String,
    is_procedure: bool,
    is_function: bool,
    is_strict: bool,
    is_immutable: bool,
    returns: u32,
    arguments: Vec<u32>,
    /// Types, modes and names of all parameters where results are among them.
    all: Option<(Vec<u32>, Vec<String>, Vec<String>)>,
}

fn oids(value: &Value) -> Option<Vec<u32>> {
    let Value::List(items) = value else { return None };
    Some(items.iter().filter_map(Value::as_int).filter_map(|oid| u32::try_from(oid).ok()).collect())
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let Value::List(items) = value else { return None };
    let text = |item: &Value| if let Value::Text(text) = item { text.to_string() } else { String::new() };
    Some(items.iter().map(text).collect())
}

impl Routine {
    /// `proc` is a row of `pg_proc`.
    pub(super) fn of(context: &ExecContext, proc: &Row) -> Routine {
        let text =
            |at: usize| if let Some(Value::Text(text)) = proc.get(at) { text.to_string() } else { String::new() };
        let oid = |at: usize| proc.get(at).and_then(Value::as_int).and_then(|oid| u32::try_from(oid).ok()).unwrap_or(0);
        let list = |at: usize| proc.get(at).and_then(oids);
        let catalog = context.transaction.catalog();
        let all = match (list(20), proc.get(21).and_then(texts), proc.get(22).and_then(texts)) {
            (Some(types), Some(modes), Some(names)) => Some((types, modes, names)),
            _ => None,
        };
        Routine {
            schema: reg::schema_name(&catalog, oid(2)).unwrap_or_default(),
            specific_name: format!("{}_{}", text(1), oid(0)),
            name: text(1),
            is_procedure: text(9) == "p",
            is_function: text(9) == "f",
            is_strict: proc.get(12) == Some(&Value::Bool(true)),
            is_immutable: text(14) == "i",
            returns: oid(18),
            arguments: list(19).unwrap_or_default(),
            all,
        }
    }
}

/// Schema and name of a type as `udt_…` columns give them.
fn udt(oid: u32) -> (String, String) {
    match types::type_from_oid(oid) {
        Some(ty) => (super::type_schema(&ty).to_owned(), names::internal_name(&ty)),
        None => ("pg_catalog".to_owned(), reg::type_name_by_oid(oid).unwrap_or_default().trim_matches('"').to_owned()),
    }
}

fn type_words(oid: u32) -> String {
    match types::type_from_oid(oid) {
        Some(ty) => data_type_name(&ty),
        None => reg::type_name_by_oid(oid).unwrap_or_default(),
    }
}

const ROUTINE_COLUMNS: usize = 82;

fn routines(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let mut rows = Vec::new();
    for proc in procs(context)? {
        let routine = Routine::of(context, &proc);
        let kind = match (routine.is_function, routine.is_procedure) {
            (true, _) => Some("FUNCTION"),
            (_, true) => Some("PROCEDURE"),
            _ => None,
        };
        let mut row: Row = vec![Value::Null; ROUTINE_COLUMNS];
        let mut set = |at: usize, value: Value| row[at] = value;
        set(0, database.cell());
        set(1, (&routine.schema).cell());
        set(2, (&routine.specific_name).cell());
        set(3, database.cell());
        set(4, (&routine.schema).cell());
        set(5, (&routine.name).cell());
        set(6, kind.cell());
        if !routine.is_procedure {
            let (schema, name) = udt(routine.returns);
            set(10, database.cell());
            set(11, schema.cell());
            set(12, name.cell());
            set(13, type_words(routine.returns).cell());
            set(35, "0".cell());
        }
        set(36, "EXTERNAL".cell());
        set(38, (&routine.name).cell());
        set(39, "INTERNAL".cell());
        set(40, "GENERAL".cell());
        set(41, super::yes_or_no(routine.is_immutable).cell());
        set(42, "MODIFIES".cell());
        if routine.is_function {
            set(43, super::yes_or_no(routine.is_strict).cell());
        }
        set(45, "YES".cell());
        set(46, 0_i32.cell());
        set(49, "INVOKER".cell());
        set(53, "NO".cell());
        set(57, "NO".cell());
        rows.push(row);
    }
    Ok(rows)
}

fn parameters(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    let mut rows = Vec::new();
    for proc in procs(context)? {
        let routine = Routine::of(context, &proc);
        let count = routine.all.as_ref().map_or(routine.arguments.len(), |(types, ..)| types.len());
        for at in 0..count {
            let (ty, mode, name) = match &routine.all {
                Some((types, modes, names)) => (types[at], modes.get(at).map(String::as_str), names.get(at)),
                None => (routine.arguments[at], None, None),
            };
            let (mode, is_result) = match mode {
                Some("o") | Some("t") => ("OUT", "NO"),
                Some("b") => ("INOUT", "NO"),
                _ => ("IN", "NO"),
            };
            let (schema, udt_name) = udt(ty);
            rows.push(row![
                database,
                &routine.schema,
                &routine.specific_name,
                at + 1,
                mode,
                is_result,
                "NO",
                name.filter(|name| !name.is_empty()),
                type_words(ty),
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                NULL,
                database,
                schema,
                udt_name,
                NULL,
                NULL,
                NULL,
                NULL,
                (at + 1).to_string(),
                NULL,
            ]);
        }
    }
    Ok(rows)
}
