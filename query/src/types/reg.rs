//! Object identifier types: `regclass`, `regtype`, `regproc`, `regnamespace`: an oid that reads and prints as a name.

use sinew_storage::DataType;
use sinew_storage::catalog::Catalog;

use super::names;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

pub const PG_CATALOG_OID: u32 = 11;
pub const PUBLIC_OID: u32 = 2_200;
pub const INFORMATION_SCHEMA_OID: u32 = 13_000;

/// Oids of PostgreSQL's own catalogs, which clients compare with.
const CATALOG_RELATIONS: &[(&str, u32)] = &[
    ("pg_type", 1247),
    ("pg_attribute", 1249),
    ("pg_proc", 1255),
    ("pg_class", 1259),
    ("pg_database", 1262),
    ("pg_authid", 1260),
    ("pg_auth_members", 1261),
    ("pg_tablespace", 1213),
    ("pg_shdescription", 2396),
    ("pg_trigger", 2620),
    ("pg_attrdef", 2604),
    ("pg_cast", 2605),
    ("pg_constraint", 2606),
    ("pg_conversion", 2607),
    ("pg_depend", 2608),
    ("pg_description", 2609),
    ("pg_index", 2610),
    ("pg_inherits", 2611),
    ("pg_language", 2612),
    ("pg_namespace", 2615),
    ("pg_opclass", 2616),
    ("pg_operator", 2617),
    ("pg_rewrite", 2618),
    ("pg_statistic", 2619),
    ("pg_aggregate", 2600),
    ("pg_am", 2601),
    ("pg_amop", 2602),
    ("pg_amproc", 2603),
    ("pg_opfamily", 2753),
    ("pg_collation", 3456),
    ("pg_enum", 3501),
    ("pg_extension", 3079),
    ("pg_range", 3541),
    ("pg_policy", 3256),
    ("pg_sequence", 2224),
    ("pg_partitioned_table", 3350),
    ("pg_publication", 6104),
    ("pg_event_trigger", 3466),
    ("pg_foreign_table", 3118),
    ("pg_foreign_server", 1417),
    ("pg_settings", 12_100),
    ("pg_roles", 12_101),
    ("pg_user", 12_102),
    ("pg_tables", 12_103),
    ("pg_views", 12_104),
    ("pg_indexes", 12_105),
    ("pg_stat_activity", 12_106),
];

/// Oid of a system relation: PostgreSQL's for its catalogs, else 13100 and up in the order of
/// [`crate::system::system_relation_names`]. None when there is no such relation.
pub fn system_relation_oid(schema: &str, name: &str) -> Option<u32> {
    if schema == "pg_catalog"
        && let Some((_, oid)) = CATALOG_RELATIONS.iter().find(|(known, _)| *known == name)
    {
        return Some(*oid);
    }
    let at = crate::system::system_relation_names().iter().position(|known| *known == (schema, name))?;
    Some(13_100 + u32::try_from(at).ok()?)
}

/// The inverse of [`system_relation_oid`].
pub fn system_relation_by_oid(oid: u32) -> Option<(&'static str, &'static str)> {
    if let Some((name, _)) = CATALOG_RELATIONS.iter().find(|(_, known)| *known == oid) {
        return Some(("pg_catalog", name));
    }
    let at = usize::try_from(oid.checked_sub(13_100)?).ok()?;
    crate::system::system_relation_names().get(at).copied()
}

/// Oid of a schema.
pub fn schema_oid(catalog: &Catalog, name: &str) -> Option<u32> {
    match name {
        "pg_catalog" => Some(PG_CATALOG_OID),
        "information_schema" => Some(INFORMATION_SCHEMA_OID),
        name => catalog.schemas.get(name).map(|schema| schema.oid),
    }
}

/// Name of a schema by oid.
pub fn schema_name(catalog: &Catalog, oid: u32) -> Option<String> {
    match oid {
        PG_CATALOG_OID => Some("pg_catalog".to_owned()),
        INFORMATION_SCHEMA_OID => Some("information_schema".to_owned()),
        oid => catalog.schemas.values().find(|schema| schema.oid == oid).map(|schema| schema.name.clone()),
    }
}

/// (schema, name) of a table, index, view or system relation.
pub(crate) fn relation_name(catalog: &Catalog, oid: u32) -> Option<(String, String)> {
    if let Some((schema, name)) = system_relation_by_oid(oid) {
        return Some((schema.to_owned(), name.to_owned()));
    }
    catalog.names.iter().find(|(_, id)| id.0 == oid).map(|((schema, name), _)| (schema.clone(), name.clone()))
}

/// A relation by possibly qualified parts, through the search path.
pub(crate) fn find_relation(context: &EvalContext<'_>, parts: &[String]) -> Option<u32> {
    let catalog = context.exec.transaction.catalog();
    let in_schema = |schema: &str, name: &str| {
        catalog.relation_id(schema, name).map(|id| id.0).or_else(|| system_relation_oid(schema, name))
    };
    match parts {
        [name] => context.exec.session.search_path().iter().find_map(|schema| in_schema(schema, name)),
        [schema, name] => in_schema(schema, name),
        [_, schema, name] => in_schema(schema, name),
        _ => None,
    }
}

/// Splits `a."B c"` into its parts, folding unquoted ones. None when malformed.
pub(crate) fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut chars = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        if chars.peek() == Some(&'"') {
            chars.next();
            loop {
                match chars.next()? {
                    '"' if chars.peek() == Some(&'"') => {
                        chars.next();
                        part.push('"');
                    }
                    '"' => break,
                    c => part.push(c),
                }
            }
        } else {
            while let Some(c) = chars.peek().copied().filter(|c| *c != '.') {
                if c == '"' || c.is_whitespace() {
                    return None;
                }
                part.extend(c.to_lowercase());
                chars.next();
            }
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match chars.next() {
            None => return Some(parts),
            Some('.') => {}
            Some(_) => return None,
        }
    }
}

/// As `quote_ident`: bare when lower-case and no reserved word.
pub(crate) fn quote_identifier(name: &str) -> String {
    const RESERVED: &[&str] = &[
        "all",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "current_date",
        "current_role",
        "current_time",
        "current_timestamp",
        "current_user",
        "default",
        "deferrable",
        "desc",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "grant",
        "group",
        "having",
        "in",
        "initially",
        "intersect",
        "into",
        "lateral",
        "leading",
        "limit",
        "localtime",
        "localtimestamp",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "placing",
        "primary",
        "references",
        "returning",
        "select",
        "session_user",
        "some",
        "symmetric",
        "table",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "user",
        "using",
        "variadic",
        "when",
        "where",
        "window",
        "with",
        "authorization",
        "binary",
        "collation",
        "concurrently",
        "cross",
        "current_catalog",
        "current_schema",
        "freeze",
        "full",
        "ilike",
        "inner",
        "is",
        "isnull",
        "join",
        "left",
        "like",
        "natural",
        "notnull",
        "outer",
        "overlaps",
        "right",
        "similar",
        "tablesample",
        "verbose",
        "between",
        "bigint",
        "bit",
        "boolean",
        "char",
        "character",
        "coalesce",
        "dec",
        "decimal",
        "exists",
        "extract",
        "float",
        "greatest",
        "grouping",
        "inout",
        "int",
        "integer",
        "interval",
        "least",
        "national",
        "nchar",
        "none",
        "normalize",
        "nullif",
        "numeric",
        "out",
        "overlay",
        "position",
        "precision",
        "real",
        "row",
        "setof",
        "smallint",
        "substring",
        "time",
        "timestamp",
        "treat",
        "trim",
        "values",
        "varchar",
    ];
    let bare = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&name);
    if bare { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

pub(super) fn output(context: &EvalContext<'_>, oid: i64, ty: &DataType) -> String {
    let number = u32::try_from(oid).unwrap_or(0);
    let name = match ty {
        _ if number == 0 => Some("-".to_owned()),
        DataType::Regtype => names::type_from_oid(number).map(|ty| names::type_name(&ty)),
        DataType::Regproc => crate::functions::function_name_by_oid(number).map(quote_identifier),
        DataType::Regnamespace => {
            schema_name(&context.exec.transaction.catalog(), number).map(|name| quote_identifier(&name))
        }
        _ => relation_name(&context.exec.transaction.catalog(), number).map(|(schema, name)| {
            // Qualified only when the search path does not find it first.
            let quoted = quote_identifier(&name);
            if find_relation(context, &[name]) == Some(number) {
                quoted
            } else {
                format!("{}.{quoted}", quote_identifier(&schema))
            }
        }),
    };
    name.unwrap_or_else(|| oid.to_string())
}

/// A number, `-` (0), or a name. 42P01, 42704, 42883, 3F000 when there is no such object.
pub(super) fn input(context: &EvalContext<'_>, text: &str, ty: &DataType) -> Result<i64> {
    let trimmed = text.trim();
    if trimmed == "-" {
        return Ok(0);
    }
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit()) {
        return super::int::input(trimmed, super::int::Width::Oid);
    }
    lookup(context, trimmed, ty).map(i64::from).ok_or_else(|| match ty {
        DataType::Regclass => {
            QueryError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{trimmed}\" does not exist"))
        }
        DataType::Regproc => {
            QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("function \"{trimmed}\" does not exist"))
        }
        DataType::Regnamespace => {
            QueryError::new(sqlstate::INVALID_SCHEMA_NAME, format!("schema \"{trimmed}\" does not exist"))
        }
        _ => QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{trimmed}\" does not exist")),
    })
}

/// The oid of a named object; None when there is none (`to_regclass` and the like).
pub(crate) fn lookup(context: &EvalContext<'_>, text: &str, ty: &DataType) -> Option<u32> {
    match ty {
        DataType::Regclass => find_relation(context, &split_name(text)?),
        DataType::Regtype => names::type_from_declaration(text).map(|ty| names::type_oid(&ty)),
        DataType::Regproc => crate::functions::function_oid_by_name(split_name(text)?.last()?),
        DataType::Regnamespace => schema_oid(&context.exec.transaction.catalog(), split_name(text)?.first()?),
        _ => None,
    }
}
