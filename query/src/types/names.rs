//! Names, oids and categories of types: the rows of `pg_type`.

use sinew_storage::{DataType, TemporalType};

use super::modifier;

/// Oid of `vector`. pgvector's oid differs per database (it is an extension); ours is fixed, below
/// `FIRST_USER_RELATION`, and clients look it up by name as they do there.
pub const VECTOR_OID: u32 = 16_100;
/// Oid of `vector[]`.
pub const VECTOR_ARRAY_OID: u32 = 16_101;

/// One base type: SQL name as `format_type` prints it, `pg_type.typname`, oids, length and category.
pub(crate) struct TypeRow {
    pub ty: DataType,
    pub internal_name: &'static str,
    pub sql_name: &'static str,
    pub oid: u32,
    pub array_oid: u32,
    pub length: i16,
    pub category: char,
    pub preferred: bool,
}

macro_rules! types {
    ($($ty:expr, $internal:literal, $sql:literal, $oid:expr, $array:expr, $length:literal, $category:literal, $preferred:literal;)*) => {
        pub(crate) static TYPES: &[TypeRow] = &[$(TypeRow {
            ty: $ty, internal_name: $internal, sql_name: $sql, oid: $oid, array_oid: $array, length: $length,
            category: $category, preferred: $preferred,
        }),*];
    };
}

types! {
    DataType::Bool, "bool", "boolean", 16, 1000, 1, 'B', true;
    DataType::Bytea, "bytea", "bytea", 17, 1001, -1, 'U', false;
    DataType::Char, "char", "\"char\"", 18, 1002, 1, 'Z', false;
    DataType::Name, "name", "name", 19, 1003, 64, 'S', false;
    DataType::Int8, "int8", "bigint", 20, 1016, 8, 'N', false;
    DataType::Int2, "int2", "smallint", 21, 1005, 2, 'N', false;
    DataType::Int4, "int4", "integer", 23, 1007, 4, 'N', false;
    DataType::Regproc, "regproc", "regproc", 24, 1008, 4, 'N', false;
    DataType::Text, "text", "text", 25, 1009, -1, 'S', true;
    DataType::Oid, "oid", "oid", 26, 1028, 4, 'N', true;
    DataType::Json, "json", "json", 114, 199, -1, 'U', false;
    DataType::Float4, "float4", "real", 700, 1021, 4, 'N', false;
    DataType::Float8, "float8", "double precision", 701, 1022, 8, 'N', true;
    DataType::Unknown, "unknown", "unknown", 705, 0, -2, 'X', false;
    DataType::Bpchar(None), "bpchar", "character", 1042, 1014, -1, 'S', false;
    DataType::Varchar(None), "varchar", "character varying", 1043, 1015, -1, 'S', false;
    DataType::Date, "date", "date", 1082, 1182, 4, 'D', false;
    DataType::Time, "time", "time without time zone", 1083, 1183, 8, 'D', false;
    DataType::Timetz, "timetz", "time with time zone", 1266, 1270, 12, 'D', false;
    DataType::Timestamp, "timestamp", "timestamp without time zone", 1114, 1115, 8, 'D', false;
    DataType::Timestamptz, "timestamptz", "timestamp with time zone", 1184, 1185, 8, 'D', true;
    DataType::Interval, "interval", "interval", 1186, 1187, 16, 'T', true;
    DataType::Numeric(None), "numeric", "numeric", 1700, 1231, -1, 'N', false;
    DataType::Regclass, "regclass", "regclass", 2205, 2210, 4, 'N', false;
    DataType::Regtype, "regtype", "regtype", 2206, 2211, 4, 'N', false;
    DataType::Record, "record", "record", 2249, 2287, -1, 'P', false;
    DataType::Void, "void", "void", 2278, 0, 4, 'P', false;
    DataType::Uuid, "uuid", "uuid", 2950, 2951, 16, 'U', false;
    DataType::Jsonb, "jsonb", "jsonb", 3802, 3807, -1, 'U', false;
    DataType::Regnamespace, "regnamespace", "regnamespace", 4089, 4090, 4, 'N', false;
    DataType::Int2vector, "int2vector", "int2vector", 22, 1006, -1, 'A', false;
    DataType::Oidvector, "oidvector", "oidvector", 30, 1013, -1, 'A', false;
    DataType::Regprocedure, "regprocedure", "regprocedure", 2202, 2207, 4, 'N', false;
    DataType::Regoper, "regoper", "regoper", 2203, 2208, 4, 'N', false;
    DataType::Regoperator, "regoperator", "regoperator", 2204, 2209, 4, 'N', false;
    DataType::Regrole, "regrole", "regrole", 4096, 4097, 4, 'N', false;
    DataType::Regcollation, "regcollation", "regcollation", 4191, 4192, 4, 'N', false;
    DataType::Vector(None), "vector", "vector", VECTOR_OID, VECTOR_ARRAY_OID, -1, 'U', false;
}

/// Other names of the same types, as PostgreSQL's grammar and `pg_type` accept them.
static ALIASES: &[(&str, DataType)] = &[
    ("int", DataType::Int4),
    ("decimal", DataType::Numeric(None)),
    ("dec", DataType::Numeric(None)),
    ("float", DataType::Float8),
    ("string", DataType::Text),
    ("\"char\"", DataType::Char),
];

fn base(ty: &DataType) -> DataType {
    match ty {
        DataType::Varchar(_) => DataType::Varchar(None),
        DataType::Bpchar(_) => DataType::Bpchar(None),
        DataType::Numeric(_) => DataType::Numeric(None),
        DataType::Vector(_) => DataType::Vector(None),
        DataType::Modified(ty, _) => ty.plain(),
        DataType::Any
        | DataType::Node
        | DataType::Relationship
        | DataType::Path
        | DataType::Map
        | DataType::Temporal(_) => DataType::Jsonb,
        other => other.clone(),
    }
}

/// The type without its modifiers, at any depth.
pub(crate) fn without_modifier(ty: &DataType) -> DataType {
    match ty {
        DataType::Varchar(_) => DataType::Varchar(None),
        DataType::Bpchar(_) => DataType::Bpchar(None),
        DataType::Numeric(_) => DataType::Numeric(None),
        DataType::Vector(_) => DataType::Vector(None),
        DataType::Modified(ty, _) => ty.plain(),
        DataType::Array(element) => DataType::array_of(without_modifier(element)),
        other => other.clone(),
    }
}

fn row(ty: &DataType) -> &'static TypeRow {
    let base = base(ty);
    TYPES.iter().find(|row| row.ty == base).expect("every non-array type has a row in the table")
}

/// Every type with its array type where it has one, in oid order of the element: for `pg_type`.
pub fn all_types() -> Vec<DataType> {
    let mut all = Vec::new();
    for row in TYPES {
        all.push(row.ty.clone());
        if row.array_oid != 0 {
            all.push(DataType::array_of(row.ty.clone()));
        }
    }
    all
}

/// `pg_type.typname`: `int4`, `_text`.
pub fn internal_name(ty: &DataType) -> String {
    match ty {
        DataType::Array(_) if super::is_dynamic(ty) => "jsonb".to_owned(),
        DataType::Array(element) => format!("_{}", internal_name(element)),
        DataType::Enum(of) => of.name.clone(),
        other => row(other).internal_name.to_owned(),
    }
}

/// Oid of the array type over `ty`; 0 when there is none.
pub fn array_oid(ty: &DataType) -> u32 {
    match ty {
        DataType::Array(_) => 0,
        DataType::Enum(of) => of.array_oid,
        other => row(other).array_oid,
    }
}

/// `pg_type.typcategory`.
pub fn category_letter(ty: &DataType) -> char {
    match ty {
        DataType::Array(_) if super::is_dynamic(ty) => 'U',
        DataType::Array(_) => 'A',
        DataType::Enum(_) => 'E',
        other => row(other).category,
    }
}

/// `pg_type.typispreferred`.
pub fn is_preferred(ty: &DataType) -> bool {
    !matches!(ty, DataType::Array(_) | DataType::Enum(_)) && row(ty).preferred
}

pub(super) fn type_oid(ty: &DataType) -> u32 {
    match ty {
        DataType::Array(_) if super::is_dynamic(ty) => 3802,
        DataType::Array(element) => array_oid(element),
        DataType::Enum(of) => of.oid,
        other => row(other).oid,
    }
}

pub(super) fn type_from_oid(oid: u32) -> Option<DataType> {
    if oid == 0 {
        return None;
    }
    TYPES.iter().find_map(|row| {
        if row.oid == oid {
            Some(row.ty.clone())
        } else if row.array_oid == oid {
            Some(DataType::array_of(row.ty.clone()))
        } else {
            None
        }
    })
}

pub(super) fn type_length(ty: &DataType) -> i16 {
    match ty {
        DataType::Array(_) => -1,
        DataType::Enum(_) => 4,
        other => row(other).length,
    }
}

pub(super) fn type_modifier(ty: &DataType) -> i32 {
    match ty {
        DataType::Varchar(Some(limit)) | DataType::Bpchar(Some(limit)) => {
            i32::try_from(*limit).map_or(-1, |limit| limit.saturating_add(4))
        }
        DataType::Numeric(Some((precision, scale))) => {
            ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7ff)) + 4
        }
        DataType::Vector(Some(dimensions)) => i32::try_from(*dimensions).unwrap_or(-1),
        DataType::Modified(_, modifier) => *modifier,
        DataType::Array(element) => type_modifier(element),
        _ => -1,
    }
}

/// The type with a `pg_attribute.atttypmod` applied (`format_type`'s second argument).
pub(crate) fn with_modifier(ty: DataType, modifier: i32) -> DataType {
    if modifier < 0 {
        return ty;
    }
    match ty {
        DataType::Varchar(_) => DataType::Varchar(u32::try_from(modifier - 4).ok()),
        DataType::Bpchar(_) => DataType::Bpchar(u32::try_from(modifier - 4).ok()),
        DataType::Numeric(_) if modifier >= 4 => {
            let packed = modifier - 4;
            let scale = (packed & 0x7ff) ^ 1024;
            DataType::Numeric(Some(((packed >> 16) as u16, (scale - 1024) as i16)))
        }
        DataType::Vector(_) => DataType::Vector(u32::try_from(modifier).ok()),
        DataType::Array(element) => DataType::array_of(with_modifier(*element, modifier)),
        other => match TemporalType::of(&other) {
            Some(ty) => DataType::Modified(ty, modifier),
            None => other,
        },
    }
}

pub(super) fn type_name(ty: &DataType) -> String {
    match ty {
        DataType::Varchar(Some(limit)) => format!("character varying({limit})"),
        DataType::Bpchar(Some(length)) => format!("character({length})"),
        DataType::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
        DataType::Vector(Some(dimensions)) => format!("vector({dimensions})"),
        DataType::Modified(ty, modifier) => modifier::type_name(*ty, *modifier),
        DataType::Array(_) if super::is_dynamic(ty) => "jsonb".to_owned(),
        DataType::Array(element) => format!("{}[]", type_name(element)),
        DataType::Enum(of) => super::enum_type::name(of),
        other => row(other).sql_name.to_owned(),
    }
}

pub(super) fn type_from_name(name: &str) -> Option<DataType> {
    let name = name.trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    if let Some(element) = name.strip_suffix("[]") {
        return type_from_name(element).map(|ty| match ty {
            // PostgreSQL does not tell array types of different depth apart either.
            DataType::Array(_) => ty,
            ty => DataType::array_of(ty),
        });
    }
    if let Some(row) = TYPES.iter().find(|row| row.internal_name == name || row.sql_name == name) {
        return Some(row.ty.clone());
    }
    if let Some((_, ty)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(ty.clone());
    }
    if let Some(element) = name.strip_prefix('_') {
        return TYPES
            .iter()
            .find(|row| row.internal_name == element && row.array_oid != 0)
            .map(|row| DataType::array_of(row.ty.clone()));
    }
    None
}

/// As [`type_from_name`], with modifiers in parentheses: `varchar(10)`, `numeric(10,2)[]`. For `regtype` and
/// `to_regtype`.
pub(crate) fn type_from_declaration(text: &str) -> Option<DataType> {
    let text = text.trim().to_lowercase();
    if let Some(element) = text.strip_suffix("[]") {
        return type_from_declaration(element).map(|ty| match ty {
            DataType::Array(_) => ty,
            ty => DataType::array_of(ty),
        });
    }
    if let Some(range) = text.strip_prefix("interval ") {
        let (_, bits) = modifier::RANGES.iter().find(|(words, _)| *words == range.trim())?;
        return Some(DataType::Modified(TemporalType::Interval, modifier::of_interval(Some(*bits), None)?));
    }
    let Some(open) = text.find('(') else {
        return if text == "char" { Some(DataType::Bpchar(Some(1))) } else { type_from_name(&text) };
    };
    let close = text.find(')')?;
    let arguments: Vec<i64> =
        text.get(open + 1..close)?.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    let name = format!("{}{}", text[..open].trim_end(), &text[close + 1..]);
    let named = if name.trim() == "char" { Some(DataType::Bpchar(None)) } else { type_from_name(name.trim()) };
    match (named?, arguments.as_slice()) {
        (DataType::Bpchar(_), [length]) => Some(DataType::Bpchar(u32::try_from(*length).ok())),
        (DataType::Varchar(_), [limit]) => Some(DataType::Varchar(u32::try_from(*limit).ok())),
        (DataType::Vector(_), [dimensions]) => Some(DataType::Vector(u32::try_from(*dimensions).ok())),
        (DataType::Numeric(_), [precision]) => Some(DataType::Numeric(Some((u16::try_from(*precision).ok()?, 0)))),
        (DataType::Numeric(_), [precision, scale]) => {
            Some(DataType::Numeric(Some((u16::try_from(*precision).ok()?, i16::try_from(*scale).ok()?))))
        }
        (ty, [digits]) => {
            let digits = i32::try_from(*digits).ok().filter(|digits| *digits >= 0)?.min(modifier::MAX_PRECISION);
            Some(match TemporalType::of(&ty)? {
                TemporalType::Interval => {
                    DataType::Modified(TemporalType::Interval, modifier::of_interval(None, Some(digits))?)
                }
                ty => DataType::Modified(ty, digits),
            })
        }
        _ => None,
    }
}
