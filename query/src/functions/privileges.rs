//! `has_…_privilege`, `pg_has_role` and access lists. There are no roles but the superuser that everybody is, so that
//! every privilege is had; but privileges and objects that do not exist are refused as PostgreSQL refuses them.

use sinew_storage::{DataType, Value};

use super::args::{int, text};
use super::registry::{Eval, Table};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::reg;

/// A kind of object: what it is called, the privileges there are on it, and how one is looked up.
struct Kind {
    privileges: &'static [&'static str],
    object: Object,
}

/// How an object's name or oid is checked.
#[derive(Clone, Copy)]
enum Object {
    Relation,
    Schema,
    Type,
    Function,
    Database,
    /// By oid or name, and taken to exist.
    Other,
}

const TABLE: Kind = Kind {
    privileges: &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "RULE"],
    object: Object::Relation,
};
const COLUMN: Kind = Kind { privileges: &["SELECT", "INSERT", "UPDATE", "REFERENCES"], object: Object::Relation };
const SEQUENCE: Kind = Kind { privileges: &["USAGE", "SELECT", "UPDATE"], object: Object::Relation };
const SCHEMA: Kind = Kind { privileges: &["CREATE", "USAGE"], object: Object::Schema };
const DATABASE: Kind = Kind { privileges: &["CREATE", "TEMPORARY", "TEMP", "CONNECT"], object: Object::Database };
const FUNCTION: Kind = Kind { privileges: &["EXECUTE"], object: Object::Function };
const TYPE: Kind = Kind { privileges: &["USAGE"], object: Object::Type };
const USAGE: Kind = Kind { privileges: &["USAGE"], object: Object::Other };
const TABLESPACE: Kind = Kind { privileges: &["CREATE"], object: Object::Other };
const PARAMETER: Kind = Kind { privileges: &["SET", "ALTER SYSTEM"], object: Object::Other };
const ROLE: Kind = Kind { privileges: &["USAGE", "MEMBER"], object: Object::Other };

/// 22023 for a privilege that such objects do not have. Several may be named.
fn check_privileges(kind: &Kind, list: &str) -> Result<()> {
    for privilege in list.split(',') {
        let privilege = privilege.trim().to_uppercase();
        let name =
            privilege.strip_suffix(" WITH GRANT OPTION").or_else(|| privilege.strip_suffix(" WITH ADMIN OPTION"));
        let name = name.unwrap_or(&privilege).trim_end();
        if !kind.privileges.contains(&name) {
            return Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("unrecognized privilege type: \"{}\"", list.trim()),
            ));
        }
    }
    Ok(())
}

/// The object's oid; None for an oid that nothing has. An unknown name is an error.
fn check_object(context: &EvalContext<'_>, object: Object, value: &Value) -> Result<Option<u32>> {
    let ty = match object {
        Object::Relation => DataType::Regclass,
        Object::Schema => DataType::Regnamespace,
        Object::Type => DataType::Regtype,
        Object::Function => DataType::Regprocedure,
        Object::Database | Object::Other => DataType::Oid,
    };
    let catalog = context.exec.transaction.catalog();
    match (value, object) {
        (Value::Text(name), Object::Database) => {
            if **name != *context.exec.session.database {
                return Err(QueryError::new("3D000", format!("database \"{name}\" does not exist")));
            }
            Ok(Some(0))
        }
        (Value::Text(_), Object::Other) => Ok(Some(0)),
        (Value::Text(name), _) => reg::input(context, name, &ty).map(|oid| u32::try_from(oid).ok()),
        (value, object) => {
            let oid = u32::try_from(int(value)?).unwrap_or(0);
            let exists = match object {
                Object::Relation => reg::relation_name(&catalog, oid).is_some(),
                Object::Schema => reg::schema_name(&catalog, oid).is_some(),
                Object::Type => reg::type_name_by_oid(oid).is_some(),
                _ => true,
            };
            Ok(exists.then_some(oid))
        }
    }
}

fn has(kind: &Kind, context: &EvalContext<'_>, object: &Value, privileges: &Value) -> Result<Value> {
    let found = check_object(context, kind.object, object)?;
    check_privileges(kind, text(privileges)?)?;
    Ok(found.map_or(Value::Null, |_| Value::Bool(true)))
}

/// `has_column_privilege([user,] table, column, privilege)`.
fn has_column(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let [.., relation, column, privileges] = args else { return Ok(Value::Null) };
    let Some(oid) = check_object(context, COLUMN.object, relation)? else { return Ok(Value::Null) };
    check_privileges(&COLUMN, text(privileges)?)?;
    let catalog = context.exec.transaction.catalog();
    let Some(table) = catalog.tables.get(&sinew_storage::ids::RelationId(oid)) else { return Ok(Value::Bool(true)) };
    let exists = match column {
        Value::Text(name) if table.column_position(name).is_none() => {
            return Err(QueryError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
            ));
        }
        Value::Text(_) => true,
        number => usize::try_from(int(number)?).is_ok_and(|number| (1..=table.columns.len()).contains(&number)),
    };
    Ok(if exists { Value::Bool(true) } else { Value::Null })
}

/// `[user,] object, privilege`: the last two arguments count.
macro_rules! checks {
    ($kind:expr) => {
        |context, args| match args {
            [.., object, privileges] => has(&$kind, context, object, privileges),
            _ => Ok(Value::Null),
        }
    };
}

/// What an object's access list is when none was ever granted: `{owner=arwdDxt/owner}`.
fn default_acl(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let (public, owner_privileges) = match text(&args[0])? {
        "c" => (None, ""),
        "r" => (None, "arwdDxt"),
        "s" => (None, "rwU"),
        "d" => (Some("Tc"), "CTc"),
        "f" => (Some("X"), "X"),
        "l" | "T" => (Some("U"), "U"),
        "L" => (None, "rw"),
        "n" => (None, "UC"),
        "p" => (None, "sA"),
        "t" => (None, "C"),
        "F" | "S" => (None, "U"),
        other => {
            return Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("unrecognized object type abbreviation: {other}"),
            ));
        }
    };
    let owner = reg::quote_identifier(&context.exec.session.user);
    let mut items = Vec::new();
    if let Some(public) = public {
        items.push(Value::text(format!("={public}/{owner}")));
    }
    if !owner_privileges.is_empty() {
        items.push(Value::text(format!("{owner}={owner_privileges}/{owner}")));
    }
    Ok(Value::list(items))
}

pub(super) fn register(t: &mut Table) {
    t.section("Catalog");
    let families: &[(&'static [&'static str], Eval)] = &[
        (&TABLE_SIGNATURES, checks!(TABLE)),
        (&ANY_COLUMN_SIGNATURES, checks!(COLUMN)),
        (&SEQUENCE_SIGNATURES, checks!(SEQUENCE)),
        (&SCHEMA_SIGNATURES, checks!(SCHEMA)),
        (&DATABASE_SIGNATURES, checks!(DATABASE)),
        (&FUNCTION_SIGNATURES, checks!(FUNCTION)),
        (&TYPE_SIGNATURES, checks!(TYPE)),
        (&LANGUAGE_SIGNATURES, checks!(USAGE)),
        (&SERVER_SIGNATURES, checks!(USAGE)),
        (&WRAPPER_SIGNATURES, checks!(USAGE)),
        (&TABLESPACE_SIGNATURES, checks!(TABLESPACE)),
        (&ROLE_SIGNATURES, checks!(ROLE)),
        (
            &["has_parameter_privilege(text, text) -> bool", "has_parameter_privilege(name, text, text) -> bool"],
            checks!(PARAMETER),
        ),
        (&COLUMN_SIGNATURES, has_column),
    ];
    for (signatures, eval) in families {
        for signature in *signatures {
            t.f(signature, *eval).stable();
        }
    }
    t.f("row_security_active(oid) -> bool", |_, _| Ok(Value::Bool(false))).stable();
    t.f("row_security_active(text) -> bool", |_, _| Ok(Value::Bool(false))).stable();
    t.f("acldefault(char, oid) -> text[]", default_acl);
}

/// The six ways to call: with and without a user, by names and oids.
macro_rules! signatures {
    ($($constant:ident = $name:literal;)*) => {$(
        const $constant: [&str; 6] = [
            concat!($name, "(text, text) -> bool"),
            concat!($name, "(oid, text) -> bool"),
            concat!($name, "(name, text, text) -> bool"),
            concat!($name, "(name, oid, text) -> bool"),
            concat!($name, "(oid, text, text) -> bool"),
            concat!($name, "(oid, oid, text) -> bool"),
        ];
    )*};
}

signatures! {
    TABLE_SIGNATURES = "has_table_privilege";
    ANY_COLUMN_SIGNATURES = "has_any_column_privilege";
    SEQUENCE_SIGNATURES = "has_sequence_privilege";
    SCHEMA_SIGNATURES = "has_schema_privilege";
    DATABASE_SIGNATURES = "has_database_privilege";
    FUNCTION_SIGNATURES = "has_function_privilege";
    TYPE_SIGNATURES = "has_type_privilege";
    LANGUAGE_SIGNATURES = "has_language_privilege";
    SERVER_SIGNATURES = "has_server_privilege";
    WRAPPER_SIGNATURES = "has_foreign_data_wrapper_privilege";
    TABLESPACE_SIGNATURES = "has_tablespace_privilege";
}

const ROLE_SIGNATURES: [&str; 6] = [
    "pg_has_role(name, text) -> bool",
    "pg_has_role(oid, text) -> bool",
    "pg_has_role(name, name, text) -> bool",
    "pg_has_role(name, oid, text) -> bool",
    "pg_has_role(oid, name, text) -> bool",
    "pg_has_role(oid, oid, text) -> bool",
];

const COLUMN_SIGNATURES: [&str; 8] = [
    "has_column_privilege(text, text, text) -> bool",
    "has_column_privilege(text, int2, text) -> bool",
    "has_column_privilege(oid, text, text) -> bool",
    "has_column_privilege(oid, int2, text) -> bool",
    "has_column_privilege(name, text, text, text) -> bool",
    "has_column_privilege(name, text, int2, text) -> bool",
    "has_column_privilege(name, oid, text, text) -> bool",
    "has_column_privilege(name, oid, int2, text) -> bool",
];
