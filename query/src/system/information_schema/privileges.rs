//! Who may do what: the one role may do everything, and owns everything.

use super::{ColumnPlace, columns_of_all, relations_of_all, yes_or_no};
use crate::context::ExecContext;
use crate::system::pg_catalog::functions::procs;
use crate::system::pg_catalog::{Rows, SystemRelation, row, view};

pub(super) static RELATIONS: &[SystemRelation] = &[
    view(
        "table_privileges",
        "grantor sql_identifier, grantee sql_identifier, table_catalog sql_identifier, \
         table_schema sql_identifier, table_name sql_identifier, privilege_type character_data, \
         is_grantable yes_or_no, with_hierarchy yes_or_no",
        tables,
    ),
    view(
        "role_table_grants",
        "grantor sql_identifier, grantee sql_identifier, table_catalog sql_identifier, \
         table_schema sql_identifier, table_name sql_identifier, privilege_type character_data, \
         is_grantable yes_or_no, with_hierarchy yes_or_no",
        tables,
    ),
    view(
        "column_privileges",
        "grantor sql_identifier, grantee sql_identifier, table_catalog sql_identifier, \
         table_schema sql_identifier, table_name sql_identifier, column_name sql_identifier, \
         privilege_type character_data, is_grantable yes_or_no",
        columns,
    ),
    view(
        "role_column_grants",
        "grantor sql_identifier, grantee sql_identifier, table_catalog sql_identifier, \
         table_schema sql_identifier, table_name sql_identifier, column_name sql_identifier, \
         privilege_type character_data, is_grantable yes_or_no",
        columns,
    ),
    view(
        "routine_privileges",
        "grantor sql_identifier, grantee sql_identifier, specific_catalog sql_identifier, \
         specific_schema sql_identifier, specific_name sql_identifier, routine_catalog sql_identifier, \
         routine_schema sql_identifier, routine_name sql_identifier, privilege_type character_data, \
         is_grantable yes_or_no",
        routines,
    ),
    view(
        "role_routine_grants",
        "grantor sql_identifier, grantee sql_identifier, specific_catalog sql_identifier, \
         specific_schema sql_identifier, specific_name sql_identifier, routine_catalog sql_identifier, \
         routine_schema sql_identifier, routine_name sql_identifier, privilege_type character_data, \
         is_grantable yes_or_no",
        routines,
    ),
];

const TABLE_PRIVILEGES: &[&str] = &["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
const COLUMN_PRIVILEGES: &[&str] = &["INSERT", "SELECT", "UPDATE", "REFERENCES"];

fn tables(context: &ExecContext) -> Rows {
    let (user, database) = (&context.session.user, &context.session.database);
    let mut rows = Vec::new();
    for (schema, name, _) in relations_of_all(context) {
        for privilege in TABLE_PRIVILEGES {
            let hierarchy = yes_or_no(*privilege == "SELECT");
            rows.push(row![user, user, database, &schema, &name, *privilege, "YES", hierarchy]);
        }
    }
    Ok(rows)
}

fn columns(context: &ExecContext) -> Rows {
    let (user, database) = (&context.session.user, &context.session.database);
    let mut rows = Vec::new();
    columns_of_all(context, |ColumnPlace { schema, relation, column, .. }| {
        for privilege in COLUMN_PRIVILEGES {
            rows.push(row![user, user, database, schema, relation, column, *privilege, "YES"]);
        }
    });
    Ok(rows)
}

fn routines(context: &ExecContext) -> Rows {
    let (user, database) = (&context.session.user, &context.session.database);
    let mut rows = Vec::new();
    for proc in procs(context)? {
        let routine = super::routines::Routine::of(context, &proc);
        let (schema, specific) = (&routine.schema, &routine.specific_name);
        rows.push(row![user, user, database, schema, specific, database, schema, &routine.name, "EXECUTE", "YES"]);
    }
    Ok(rows)
}
