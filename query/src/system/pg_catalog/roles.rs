//! Roles, the database, tablespaces. Every session is the one superuser, under the name it connected with.

use super::identity::{DATABASE_OID, OWNER_OID, TABLESPACE_OID};
use super::{NULL, Rows, SystemRelation, no_rows, row, table, view};
use crate::context::ExecContext;
use crate::types::reg::{DATABASE_OWNER, DATABASE_OWNER_OID};

const USER_COLUMNS: &str = "usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, \
     usebypassrls bool, passwd text, valuntil timestamptz, useconfig text[]";

pub(super) static RELATIONS: &[SystemRelation] = &[
    table(
        "pg_authid",
        "oid oid, rolname name, rolsuper bool, rolinherit bool, rolcreaterole bool, rolcreatedb bool, \
         rolcanlogin bool, rolreplication bool, rolbypassrls bool, rolconnlimit int4, rolpassword text, \
         rolvaliduntil timestamptz",
        auth_ids,
    ),
    view(
        "pg_roles",
        "rolname name, rolsuper bool, rolinherit bool, rolcreaterole bool, rolcreatedb bool, rolcanlogin bool, \
         rolreplication bool, rolconnlimit int4, rolpassword text, rolvaliduntil timestamptz, rolbypassrls bool, \
         rolconfig text[], oid oid",
        roles,
    ),
    view("pg_user", USER_COLUMNS, users),
    view("pg_shadow", USER_COLUMNS, users),
    view("pg_group", "groname name, grosysid oid, grolist oid[]", no_rows),
    table("pg_auth_members", "roleid oid, member oid, grantor oid, admin_option bool", no_rows),
    table("pg_db_role_setting", "setdatabase oid, setrole oid, setconfig text[]", no_rows),
    table(
        "pg_database",
        "oid oid, datname name, datdba oid, encoding int4, datlocprovider char, datistemplate bool, \
         datallowconn bool, datconnlimit int4, datfrozenxid xid, datminmxid xid, dattablespace oid, \
         datcollate text, datctype text, daticulocale text, datcollversion text, datacl aclitem[]",
        databases,
    ),
    table("pg_tablespace", "oid oid, spcname name, spcowner oid, spcacl aclitem[], spcoptions text[]", tablespaces),
    table("pg_shdescription", "objoid oid, classoid oid, description text", no_rows),
];

/// Encoding UTF8 as `pg_encoding_to_char` numbers it.
const UTF8: i32 = 6;

fn auth_ids(context: &ExecContext) -> Rows {
    let user = &context.session.user;
    Ok(vec![
        row![OWNER_OID, user, true, true, true, true, true, true, true, -1_i32, NULL, NULL],
        row![DATABASE_OWNER_OID, DATABASE_OWNER, false, true, false, false, false, false, false, -1_i32, NULL, NULL],
    ])
}

fn roles(context: &ExecContext) -> Rows {
    let user = &context.session.user;
    Ok(vec![
        row![user, true, true, true, true, true, true, -1_i32, "********", NULL, true, NULL, OWNER_OID],
        row![
            DATABASE_OWNER,
            false,
            true,
            false,
            false,
            false,
            false,
            -1_i32,
            "********",
            NULL,
            false,
            NULL,
            DATABASE_OWNER_OID
        ],
    ])
}

fn users(context: &ExecContext) -> Rows {
    let user = &context.session.user;
    Ok(vec![row![user, OWNER_OID, true, true, true, true, "********", NULL, NULL]])
}

fn databases(context: &ExecContext) -> Rows {
    let database = &context.session.database;
    Ok(vec![row![
        DATABASE_OID,
        database,
        OWNER_OID,
        UTF8,
        'c',
        false,
        true,
        -1_i32,
        0_u32,
        0_u32,
        TABLESPACE_OID,
        "C",
        "C",
        NULL,
        NULL,
        NULL,
    ]])
}

fn tablespaces(_: &ExecContext) -> Rows {
    Ok(vec![
        row![TABLESPACE_OID, "pg_default", OWNER_OID, NULL, NULL],
        row![1664_u32, "pg_global", OWNER_OID, NULL, NULL],
    ])
}
