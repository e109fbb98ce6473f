//! Types, collations, casts and extensions.

use sinew_storage::DataType;
use sinew_storage::catalog::{Catalog, EnumType};

use super::identity::{self, OWNER_OID};
use super::{NULL, Row, Rows, SystemRelation, no_rows, row, table, view};
use crate::context::ExecContext;
use crate::functions::{CastContext, all_casts};
use crate::types::{self, names, reg};

pub(super) static RELATIONS: &[SystemRelation] = &[
    table(
        "pg_type",
        "oid oid, typname name, typnamespace oid, typowner oid, typlen int2, typbyval bool, typtype char, \
         typcategory char, typispreferred bool, typisdefined bool, typdelim char, typrelid oid, \
         typsubscript regproc, typelem oid, typarray oid, typinput regproc, typoutput regproc, typreceive regproc, \
         typsend regproc, typmodin regproc, typmodout regproc, typanalyze regproc, typalign char, typstorage char, \
         typnotnull bool, typbasetype oid, typtypmod int4, typndims int4, typcollation oid, \
         typdefaultbin pg_node_tree, typdefault text, typacl aclitem[]",
        pg_types,
    ),
    table(
        "pg_range",
        "rngtypid oid, rngsubtype oid, rngmultitypid oid, rngcollation oid, rngsubopc oid, rngcanonical regproc, \
         rngsubdiff regproc",
        no_rows,
    ),
    table("pg_enum", "oid oid, enumtypid oid, enumsortorder float4, enumlabel name", enum_labels),
    table("pg_cast", "oid oid, castsource oid, casttarget oid, castfunc oid, castcontext char, castmethod char", casts),
    table(
        "pg_collation",
        "oid oid, collname name, collnamespace oid, collowner oid, collprovider char, collisdeterministic bool, \
         collencoding int4, collcollate text, collctype text, colliculocale text, collversion text",
        collations,
    ),
    table(
        "pg_extension",
        "oid oid, extname name, extowner oid, extnamespace oid, extrelocatable bool, extversion text, \
         extconfig oid[], extcondition text[]",
        extensions,
    ),
    view(
        "pg_available_extensions",
        "name name, default_version text, installed_version text, comment text",
        available_extensions,
    ),
    view(
        "pg_available_extension_versions",
        "name name, version text, installed bool, superuser bool, trusted bool, relocatable bool, schema name, \
         requires name[], comment text",
        available_extension_versions,
    ),
];

/// Oid of `vector` in `pg_extension`.
pub(super) const VECTOR_EXTENSION_OID: u32 = 16_102;
/// Oid of `sinew` in `pg_extension`: the schema of that name and what the engine keeps in it.
pub(super) const SINEW_EXTENSION_OID: u32 = 16_103;
const SINEW_VERSION: &str = env!("CARGO_PKG_VERSION");
pub(super) const VECTOR_COMMENT: &str = "vector data type and hnsw access method";
pub(super) const SINEW_COMMENT: &str = "conversations, graph, agents";
/// The release of pgvector whose type, operators and index syntax are followed.
const VECTOR_VERSION: &str = "0.8.0";

/// Whether a type belongs to the extension `vector`.
pub(crate) fn is_of_extension(oid: u32) -> bool {
    oid == names::VECTOR_OID || oid == names::VECTOR_ARRAY_OID
}

/// Input, output, receive and send of a type: (name, oid) each, as PostgreSQL numbers them. Clients recognize arrays
/// and composites by them.
pub(super) struct TypeFunctions {
    pub ty: DataType,
    pub functions: [(&'static str, u32); 4],
}

macro_rules! type_functions {
    ($($ty:expr => $i:literal $io:literal, $o:literal $oo:literal, $r:literal $ro:literal, $s:literal $so:literal;)*) => {
        pub(super) static TYPE_FUNCTIONS: &[TypeFunctions] =
            &[$(TypeFunctions { ty: $ty, functions: [($i, $io), ($o, $oo), ($r, $ro), ($s, $so)] }),*];
    };
}

type_functions! {
    DataType::Bool => "boolin" 1242, "boolout" 1243, "boolrecv" 2436, "boolsend" 2437;
    DataType::Bytea => "byteain" 1244, "byteaout" 31, "bytearecv" 2412, "byteasend" 2413;
    DataType::Char => "charin" 1245, "charout" 33, "charrecv" 2434, "charsend" 2435;
    DataType::Name => "namein" 34, "nameout" 35, "namerecv" 2422, "namesend" 2423;
    DataType::Int8 => "int8in" 460, "int8out" 461, "int8recv" 2408, "int8send" 2409;
    DataType::Int2 => "int2in" 38, "int2out" 39, "int2recv" 2404, "int2send" 2405;
    DataType::Int4 => "int4in" 42, "int4out" 43, "int4recv" 2406, "int4send" 2407;
    DataType::Regproc => "regprocin" 44, "regprocout" 45, "regprocrecv" 2444, "regprocsend" 2445;
    DataType::Text => "textin" 46, "textout" 47, "textrecv" 2414, "textsend" 2415;
    DataType::Oid => "oidin" 1798, "oidout" 1799, "oidrecv" 2418, "oidsend" 2419;
    DataType::Json => "json_in" 321, "json_out" 322, "json_recv" 323, "json_send" 324;
    DataType::Float4 => "float4in" 200, "float4out" 201, "float4recv" 2424, "float4send" 2425;
    DataType::Float8 => "float8in" 214, "float8out" 215, "float8recv" 2426, "float8send" 2427;
    DataType::Unknown => "unknownin" 109, "unknownout" 110, "unknownrecv" 2416, "unknownsend" 2417;
    DataType::Bpchar(None) => "bpcharin" 1044, "bpcharout" 1045, "bpcharrecv" 2430, "bpcharsend" 2431;
    DataType::Varchar(None) => "varcharin" 1046, "varcharout" 1047, "varcharrecv" 2432, "varcharsend" 2433;
    DataType::Date => "date_in" 1084, "date_out" 1085, "date_recv" 2468, "date_send" 2469;
    DataType::Time => "time_in" 1143, "time_out" 1144, "time_recv" 2470, "time_send" 2471;
    DataType::Timetz => "timetz_in" 1350, "timetz_out" 1351, "timetz_recv" 2472, "timetz_send" 2473;
    DataType::Timestamp => "timestamp_in" 1312, "timestamp_out" 1313, "timestamp_recv" 2474, "timestamp_send" 2475;
    DataType::Timestamptz =>
        "timestamptz_in" 1150, "timestamptz_out" 1151, "timestamptz_recv" 2476, "timestamptz_send" 2477;
    DataType::Interval => "interval_in" 1160, "interval_out" 1161, "interval_recv" 2478, "interval_send" 2479;
    DataType::Numeric(None) => "numeric_in" 1701, "numeric_out" 1702, "numeric_recv" 2460, "numeric_send" 2461;
    DataType::Regclass => "regclassin" 2218, "regclassout" 2219, "regclassrecv" 2452, "regclasssend" 2453;
    DataType::Regtype => "regtypein" 2220, "regtypeout" 2221, "regtyperecv" 2454, "regtypesend" 2455;
    DataType::Record => "record_in" 2290, "record_out" 2291, "record_recv" 2402, "record_send" 2403;
    DataType::Void => "void_in" 2298, "void_out" 2299, "void_recv" 3120, "void_send" 3121;
    DataType::Uuid => "uuid_in" 2952, "uuid_out" 2953, "uuid_recv" 2961, "uuid_send" 2962;
    DataType::Jsonb => "jsonb_in" 3806, "jsonb_out" 3804, "jsonb_recv" 3805, "jsonb_send" 3803;
    DataType::Regnamespace =>
        "regnamespacein" 4084, "regnamespaceout" 4085, "regnamespacerecv" 4087, "regnamespacesend" 4088;
    DataType::Int2vector => "int2vectorin" 40, "int2vectorout" 41, "int2vectorrecv" 2410, "int2vectorsend" 2411;
    DataType::Oidvector => "oidvectorin" 54, "oidvectorout" 55, "oidvectorrecv" 2420, "oidvectorsend" 2421;
    DataType::Regprocedure =>
        "regprocedurein" 2212, "regprocedureout" 2213, "regprocedurerecv" 2446, "regproceduresend" 2447;
    DataType::Regoper => "regoperin" 2214, "regoperout" 2215, "regoperrecv" 2448, "regopersend" 2449;
    DataType::Regoperator =>
        "regoperatorin" 2216, "regoperatorout" 2217, "regoperatorrecv" 2450, "regoperatorsend" 2451;
    DataType::Regrole => "regrolein" 4098, "regroleout" 4092, "regrolerecv" 4094, "regrolesend" 4095;
    DataType::Regcollation =>
        "regcollationin" 4193, "regcollationout" 4194, "regcollationrecv" 4196, "regcollationsend" 4197;
    DataType::Vector(None) => "vector_in" 14_900, "vector_out" 14_901, "vector_recv" 14_902, "vector_send" 14_903;
}

/// Name of an input, output, receive or send function.
pub(crate) fn type_function_by_oid(oid: u32) -> Option<&'static str> {
    let of_types = TYPE_FUNCTIONS.iter().flat_map(|row| &row.functions).chain(&ENUM_FUNCTIONS);
    of_types.chain(&ARRAY_FUNCTIONS).chain([&ARRAY_SUBSCRIPT_HANDLER]).find(|known| known.1 == oid).map(|known| known.0)
}

/// The same of every enum type.
pub(super) static ENUM_FUNCTIONS: [(&str, u32); 4] =
    [("enum_in", 3506), ("enum_out", 3507), ("enum_recv", 3532), ("enum_send", 3533)];
/// The same of every array type.
pub(super) static ARRAY_FUNCTIONS: [(&str, u32); 4] =
    [("array_in", 750), ("array_out", 751), ("array_recv", 2400), ("array_send", 2401)];
/// `array_subscript_handler`, PostgreSQL's mark of a true array.
pub(super) const ARRAY_SUBSCRIPT_HANDLER: (&str, u32) = ("array_subscript_handler", 6179);

/// `typbyval`.
pub(super) fn is_by_value(ty: &DataType) -> bool {
    matches!(types::type_length(ty), 1 | 2 | 4 | 8)
}

/// `typalign`.
pub(super) fn alignment(ty: &DataType) -> char {
    match types::type_length(ty) {
        1 => 'c',
        2 => 's',
        8 => 'd',
        64 | -2 => 'c',
        16 if *ty == DataType::Uuid => 'c',
        16 => 'd',
        _ => 'i',
    }
}

/// `typstorage`.
pub(super) fn storage(ty: &DataType) -> char {
    match (types::type_length(ty), ty) {
        (-1, DataType::Numeric(_)) => 'm',
        (-1, DataType::Vector(_)) => 'e',
        (-1, _) => 'x',
        _ => 'p',
    }
}

fn pg_types(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let mut rows: Vec<Row> = types::all_types().iter().map(|ty| type_row(&catalog, ty)).collect();
    for of in catalog.enums.values() {
        let ty = DataType::Enum(EnumType(of.clone()));
        rows.push(type_row(&catalog, &ty));
        rows.push(type_row(&catalog, &DataType::array_of(ty)));
    }
    for (_, internal, oid, array) in reg::SHELL_TYPES {
        rows.push(shell_type_row(internal, *oid, *array, 0));
        rows.push(shell_type_row(&format!("_{internal}"), *array, 0, *oid));
    }
    for (name, oid) in reg::PSEUDO_TYPES {
        let length: i16 = match *name {
            "cstring" => -2,
            "internal" => 8,
            "anyarray" | "anycompatiblearray" => -1,
            _ => 4,
        };
        rows.push(row![
            *oid,
            name.trim_matches('"'),
            reg::PG_CATALOG_OID,
            OWNER_OID,
            length,
            length > 0,
            'p',
            'P',
            false,
            true,
            ',',
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            0_u32,
            if length == 8 { 'd' } else { 'i' },
            'p',
            false,
            0_u32,
            -1_i32,
            0_i32,
            0_u32,
            NULL,
            NULL,
            NULL,
        ]);
    }
    Ok(rows)
}

/// Their places, in steps of those that were made one after another, are what PostgreSQL numbers labels with.
fn enum_labels(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    let labels = catalog.enums.values().flat_map(|of| of.labels.iter().map(move |label| (of.oid, label)));
    Ok(labels.map(|(oid, label)| row![label.oid, oid, label.sort_order(), label.name.as_str()]).collect())
}

/// A type that is not defined: no functions, and nothing has it.
fn shell_type_row(name: &str, oid: u32, array: u32, element: u32) -> Row {
    let is_array = element != 0;
    row![
        oid,
        name,
        reg::PG_CATALOG_OID,
        OWNER_OID,
        -1_i32,
        false,
        'b',
        if is_array { 'A' } else { 'V' },
        false,
        false,
        ',',
        0_u32,
        0_u32,
        element,
        array,
        0_u32,
        0_u32,
        0_u32,
        0_u32,
        0_u32,
        0_u32,
        0_u32,
        'i',
        'x',
        false,
        0_u32,
        -1_i32,
        0_i32,
        0_u32,
        NULL,
        NULL,
        NULL,
    ]
}

fn type_row(catalog: &Catalog, ty: &DataType) -> Row {
    let (element, functions) = match ty {
        DataType::Array(element) => (Some(&**element), ARRAY_FUNCTIONS),
        ty => {
            let known = TYPE_FUNCTIONS.iter().find(|row| row.ty == *ty);
            let unknown = if matches!(ty, DataType::Enum(_)) { ENUM_FUNCTIONS } else { [("", 0); 4] };
            (None, known.map_or(unknown, |row| row.functions))
        }
    };
    let is_vector = matches!(element.unwrap_or(ty), DataType::Vector(_));
    let namespace = match ty.enum_type() {
        Some(of) => identity::schema_oid(catalog, &of.schema),
        // An extension's type lives where the extension was created.
        None if is_vector => reg::PUBLIC_OID,
        None => reg::PG_CATALOG_OID,
    };
    let category = types::category_letter(ty);
    row![
        types::type_oid(ty),
        names::internal_name(ty),
        namespace,
        OWNER_OID,
        types::type_length(ty),
        is_by_value(ty),
        match category {
            'P' | 'X' => 'p',
            'E' => 'e',
            _ => 'b',
        },
        category,
        types::is_preferred(ty),
        true,
        ',',
        0_u32,
        if element.is_some() { ARRAY_SUBSCRIPT_HANDLER.1 } else { 0 },
        element.map_or(0, types::type_oid),
        types::array_oid(ty),
        functions[0].1,
        functions[1].1,
        functions[2].1,
        functions[3].1,
        0_u32,
        0_u32,
        0_u32,
        alignment(element.unwrap_or(ty)),
        storage(ty),
        false,
        0_u32,
        -1_i32,
        0_i32,
        identity::collation_oid(ty),
        NULL,
        NULL,
        NULL,
    ]
}

/// `castmethod` is `i` (by text) throughout: which code does the cast is not a function one could call.
fn casts(_: &ExecContext) -> Rows {
    let rows = all_casts().into_iter().enumerate().map(|(at, (from, to, context))| {
        let context = match context {
            CastContext::Implicit => 'i',
            CastContext::Assignment => 'a',
            CastContext::Explicit => 'e',
        };
        row![10_000 + u32::try_from(at).unwrap_or(0), types::type_oid(&from), types::type_oid(&to), 0_u32, context, 'i']
    });
    Ok(rows.collect())
}

fn collations(_: &ExecContext) -> Rows {
    let collation = |oid: u32, name: &str, provider: char, locale: Option<&str>| {
        row![oid, name, reg::PG_CATALOG_OID, OWNER_OID, provider, true, -1_i32, locale, locale, NULL, NULL]
    };
    Ok(vec![
        collation(identity::DEFAULT_COLLATION_OID, "default", 'd', None),
        collation(identity::C_COLLATION_OID, "C", 'c', Some("C")),
        collation(951, "POSIX", 'c', Some("POSIX")),
    ])
}

/// Oid of an extension.
pub(crate) fn extension_oid(name: &str) -> Option<u32> {
    match name {
        "vector" => Some(VECTOR_EXTENSION_OID),
        "sinew" => Some(SINEW_EXTENSION_OID),
        _ => None,
    }
}

/// Name of an extension.
pub(crate) fn extension_name(oid: u32) -> Option<&'static str> {
    match oid {
        VECTOR_EXTENSION_OID => Some("vector"),
        SINEW_EXTENSION_OID => Some("sinew"),
        _ => None,
    }
}

fn extensions(context: &ExecContext) -> Rows {
    let catalog = context.transaction.catalog();
    // Rows that users put into the engine's tables: pg_dump takes the data of such a table when it is named.
    let tables: Vec<u32> = identity::engine_tables(&catalog).map(|table| table.id.0).collect();
    let conditions = vec![""; tables.len()];
    let schema = identity::schema_oid(&catalog, "sinew");
    Ok(vec![
        row![VECTOR_EXTENSION_OID, "vector", OWNER_OID, reg::PUBLIC_OID, true, VECTOR_VERSION, NULL, NULL],
        row![SINEW_EXTENSION_OID, "sinew", OWNER_OID, schema, false, SINEW_VERSION, tables, conditions],
    ])
}

fn available_extensions(_: &ExecContext) -> Rows {
    Ok(vec![
        row!["vector", VECTOR_VERSION, VECTOR_VERSION, VECTOR_COMMENT],
        row!["sinew", SINEW_VERSION, SINEW_VERSION, SINEW_COMMENT],
    ])
}

fn available_extension_versions(_: &ExecContext) -> Rows {
    Ok(vec![
        row!["vector", VECTOR_VERSION, true, true, true, true, NULL, NULL, VECTOR_COMMENT],
        row!["sinew", SINEW_VERSION, true, true, false, false, "sinew", NULL, SINEW_COMMENT],
    ])
}
