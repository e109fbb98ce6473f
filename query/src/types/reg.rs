//! Object identifier types: `regclass`, `regtype`, `regproc`, `regnamespace`: an oid that reads and prints as a name.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;
use sinew_storage::DataType;
use sinew_storage::catalog::Catalog;

use super::names;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

/// Functions and operators by name and by signature.
mod procedures;

/// The one role: the bootstrap superuser.
const OWNER_OID: u32 = 10;
/// The predefined role that owns schema `public`.
pub(crate) const DATABASE_OWNER_OID: u32 = 6_171;
pub(crate) const DATABASE_OWNER: &str = "pg_database_owner";

/// Name of a role.
pub(crate) fn role_name(context: &EvalContext<'_>, oid: u32) -> Option<String> {
    match oid {
        OWNER_OID => Some(context.exec.session.user.clone()),
        DATABASE_OWNER_OID => Some(DATABASE_OWNER.to_owned()),
        _ => None,
    }
}

/// Collations by oid, as `pg_collation` has them.
const COLLATIONS: &[(&str, u32)] = &[("default", 100), ("C", 950), ("POSIX", 951)];

/// Pseudo-types, which functions' signatures name but no value has: name as it prints, oid.
pub(crate) const PSEUDO_TYPES: &[(&str, u32)] = &[
    ("cstring", 2275),
    ("\"any\"", 2276),
    ("anyarray", 2277),
    ("trigger", 2279),
    ("language_handler", 2280),
    ("internal", 2281),
    ("anyelement", 2283),
    ("anynonarray", 2776),
    ("anyenum", 3500),
    ("event_trigger", 3838),
    ("anycompatible", 5077),
    ("anycompatiblearray", 5078),
];

/// Types of PostgreSQL's that no column can have here yet, listed as shell types, because clients look their oids up by
/// name: name as it prints, `typname`, oid, oid of the array.
pub(crate) const SHELL_TYPES: &[(&str, &str, u32, u32)] =
    &[("bit", "bit", 1560, 1561), ("bit varying", "varbit", 1562, 1563)];

fn shell_type_name(oid: u32) -> Option<String> {
    SHELL_TYPES.iter().find_map(|(name, _, own, array)| match oid {
        oid if oid == *own => Some((*name).to_owned()),
        oid if oid == *array => Some(format!("{name}[]")),
        _ => None,
    })
}

fn shell_type_oid(text: &str) -> Option<u32> {
    let (element, is_array) = match text.strip_suffix("[]").or_else(|| text.strip_prefix('_')) {
        Some(element) => (element, true),
        None => (text, false),
    };
    let (.., own, array) = SHELL_TYPES.iter().find(|(name, internal, ..)| *name == element || *internal == element)?;
    Some(if is_array { *array } else { *own })
}

/// The type of that oid as `format_type` prints it, pseudo-types included.
pub(crate) fn type_name_by_oid(oid: u32) -> Option<String> {
    let pseudo = || PSEUDO_TYPES.iter().find(|(_, known)| *known == oid).map(|(name, _)| (*name).to_owned());
    names::type_from_oid(oid).map(|ty| names::type_name(&ty)).or_else(pseudo).or_else(|| shell_type_name(oid))
}

/// A type by any of its names, with modifiers and schema, pseudo-types included.
pub(crate) fn type_oid_by_name(text: &str) -> Option<u32> {
    let text = text.trim();
    let text = text.strip_prefix("pg_catalog.").or_else(|| text.strip_prefix("public.")).unwrap_or(text);
    let pseudo = || PSEUDO_TYPES.iter().find(|(name, _)| name.trim_matches('"') == text.trim_matches('"'));
    let known = names::type_from_declaration(text).map(|ty| names::type_oid(&ty));
    known.or_else(|| pseudo().map(|(_, oid)| *oid)).or_else(|| shell_type_oid(text))
}

pub const PG_CATALOG_OID: u32 = 11;
pub const PUBLIC_OID: u32 = 2_200;
pub const INFORMATION_SCHEMA_OID: u32 = 13_000;

/// Oids of PostgreSQL's own catalogs, which clients compare with.
const CATALOG_RELATIONS: &[(&str, u32)] = &[
    ("pg_aggregate", 2600),
    ("pg_am", 2601),
    ("pg_amop", 2602),
    ("pg_amproc", 2603),
    ("pg_attrdef", 2604),
    ("pg_attribute", 1249),
    ("pg_auth_members", 1261),
    ("pg_authid", 1260),
    ("pg_cast", 2605),
    ("pg_class", 1259),
    ("pg_collation", 3456),
    ("pg_constraint", 2606),
    ("pg_conversion", 2607),
    ("pg_database", 1262),
    ("pg_db_role_setting", 2964),
    ("pg_default_acl", 826),
    ("pg_depend", 2608),
    ("pg_description", 2609),
    ("pg_enum", 3501),
    ("pg_event_trigger", 3466),
    ("pg_extension", 3079),
    ("pg_foreign_data_wrapper", 2328),
    ("pg_foreign_server", 1417),
    ("pg_foreign_table", 3118),
    ("pg_index", 2610),
    ("pg_inherits", 2611),
    ("pg_init_privs", 3394),
    ("pg_language", 2612),
    ("pg_largeobject", 2613),
    ("pg_largeobject_metadata", 2995),
    ("pg_namespace", 2615),
    ("pg_opclass", 2616),
    ("pg_operator", 2617),
    ("pg_opfamily", 2753),
    ("pg_parameter_acl", 6243),
    ("pg_partitioned_table", 3350),
    ("pg_policy", 3256),
    ("pg_proc", 1255),
    ("pg_publication", 6104),
    ("pg_publication_namespace", 6237),
    ("pg_publication_rel", 6106),
    ("pg_range", 3541),
    ("pg_replication_origin", 6000),
    ("pg_rewrite", 2618),
    ("pg_seclabel", 3596),
    ("pg_sequence", 2224),
    ("pg_shdepend", 1214),
    ("pg_shdescription", 2396),
    ("pg_shseclabel", 3592),
    ("pg_statistic", 2619),
    ("pg_statistic_ext", 3381),
    ("pg_statistic_ext_data", 3429),
    ("pg_subscription", 6100),
    ("pg_subscription_rel", 6102),
    ("pg_tablespace", 1213),
    ("pg_transform", 3576),
    ("pg_trigger", 2620),
    ("pg_ts_config", 3602),
    ("pg_ts_config_map", 3603),
    ("pg_ts_dict", 3600),
    ("pg_ts_parser", 3601),
    ("pg_ts_template", 3764),
    ("pg_type", 1247),
    ("pg_user_mapping", 1418),
];

/// First oid of the system relations that PostgreSQL does not number either: its views, and ours.
const FIRST_VIEW_OID: u32 = 13_100;

/// Oids of the system relations, both ways.
struct SystemOids {
    by_name: FxHashMap<(&'static str, &'static str), u32>,
    by_oid: FxHashMap<u32, (&'static str, &'static str)>,
}

fn system_oids() -> &'static SystemOids {
    static OIDS: OnceLock<SystemOids> = OnceLock::new();
    OIDS.get_or_init(|| {
        let mut oids = SystemOids { by_name: FxHashMap::default(), by_oid: FxHashMap::default() };
        for ((schema, name), own) in crate::system::system_relation_names().iter().zip(FIRST_VIEW_OID..) {
            let fixed = CATALOG_RELATIONS.iter().find(|(known, _)| *schema == "pg_catalog" && known == name);
            let oid = fixed.map_or(own, |(_, oid)| *oid);
            oids.by_name.insert((schema, name), oid);
            oids.by_oid.insert(oid, (schema, name));
        }
        oids
    })
}

/// Oid of a system relation: PostgreSQL's for its catalogs, else 13100 and up in the order of
/// [`crate::system::system_relation_names`]. None when there is no such relation.
pub fn system_relation_oid(schema: &str, name: &str) -> Option<u32> {
    system_oids().by_name.get(&(schema, name)).copied()
}

/// The inverse of [`system_relation_oid`].
pub fn system_relation_by_oid(oid: u32) -> Option<(&'static str, &'static str)> {
    system_oids().by_oid.get(&oid).copied()
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
        [schema, name] | [_, schema, name] => in_schema(&context.exec.session.schema_meant(schema), name),
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

/// A relation's name, with its schema when the search path does not find it first.
pub(crate) fn qualified_unless_visible(context: &EvalContext<'_>, schema: &str, name: &str, oid: u32) -> String {
    let quoted = quote_identifier(name);
    if find_relation(context, &[name.to_owned()]) == Some(oid) {
        quoted
    } else {
        format!("{}.{quoted}", quote_identifier(schema))
    }
}

/// Name of a function of any kind.
pub(crate) fn function_name(context: &EvalContext<'_>, oid: u32) -> Option<String> {
    procedures::name(context, oid)
}

pub(super) fn output(context: &EvalContext<'_>, oid: i64, ty: &DataType) -> String {
    let number = u32::try_from(oid).unwrap_or(0);
    let name = match ty {
        _ if number == 0 => Some("-".to_owned()),
        DataType::Regtype => type_name_by_oid(number).or_else(|| {
            super::enum_type::by_oid(&context.exec.transaction.catalog(), number).map(|ty| names::type_name(&ty))
        }),
        DataType::Regproc => procedures::name(context, number).map(|name| quote_identifier(&name)),
        DataType::Regprocedure => procedures::with_arguments(context, number),
        DataType::Regoper => procedures::operator(number).map(|operator| operator.name.to_owned()),
        DataType::Regoperator => procedures::operator(number).map(procedures::operator_with_operands),
        DataType::Regrole => role_name(context, number).map(|name| quote_identifier(&name)),
        DataType::Regcollation => {
            COLLATIONS.iter().find(|(_, oid)| *oid == number).map(|(name, _)| quote_identifier(name))
        }
        DataType::Regnamespace => {
            schema_name(&context.exec.transaction.catalog(), number).map(|name| quote_identifier(&name))
        }
        _ => relation_name(&context.exec.transaction.catalog(), number)
            .map(|(schema, name)| qualified_unless_visible(context, &schema, &name, number)),
    };
    name.unwrap_or_else(|| oid.to_string())
}

/// A number, `-` (0), or a name. 42P01, 42704, 42883, 3F000 when there is no such object.
pub(crate) fn input(context: &EvalContext<'_>, text: &str, ty: &DataType) -> Result<i64> {
    let trimmed = text.trim();
    if trimmed == "-" {
        return Ok(0);
    }
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit()) {
        return super::int::input(trimmed, super::int::Width::Oid);
    }
    if let Some(error) = procedures::ambiguous(context, trimmed, ty) {
        return Err(error);
    }
    lookup(context, trimmed, ty).map(i64::from).ok_or_else(|| match ty {
        DataType::Regclass => {
            QueryError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{trimmed}\" does not exist"))
        }
        DataType::Regproc | DataType::Regprocedure => {
            QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("function \"{trimmed}\" does not exist"))
        }
        DataType::Regoper | DataType::Regoperator => {
            QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("operator does not exist: {trimmed}"))
        }
        DataType::Regrole => QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("role \"{trimmed}\" does not exist")),
        DataType::Regcollation => QueryError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("collation \"{trimmed}\" for encoding \"UTF8\" does not exist"),
        ),
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
        DataType::Regtype => type_oid_by_name(text).or_else(|| {
            let catalog = context.exec.transaction.catalog();
            let search_path = context.exec.session.search_path();
            super::enum_type::by_declaration(&catalog, &search_path, text).map(|ty| names::type_oid(&ty))
        }),
        DataType::Regproc => procedures::named(context, &split_name(text)?).first().copied(),
        DataType::Regprocedure => procedures::by_signature(context, text),
        DataType::Regoper => procedures::operators_named(text).next().map(|operator| operator.oid),
        DataType::Regoperator => procedures::operator_by_signature(text),
        DataType::Regrole => {
            let name = split_name(text)?.pop()?;
            let own = (name == context.exec.session.user).then_some(OWNER_OID);
            own.or_else(|| (name == DATABASE_OWNER).then_some(DATABASE_OWNER_OID))
        }
        DataType::Regcollation => {
            let name = split_name(text)?.pop()?;
            COLLATIONS.iter().find(|(known, _)| *known == name).map(|(_, oid)| *oid)
        }
        DataType::Regnamespace => schema_oid(&context.exec.transaction.catalog(), split_name(text)?.first()?),
        _ => None,
    }
}
