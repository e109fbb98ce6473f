//! Type names in statements.

use sinew_storage::{DataType, TemporalType};
use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType as Ast, ExactNumberInfo, ObjectName, ObjectNamePart, TimezoneInfo,
};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::names::fold;
use crate::error::{QueryError, Result, sqlstate};
use crate::near_miss::near_miss;
use crate::types::{enum_type, modifier};

const NUMERIC_PRECISION_LIMIT: u64 = 1000;
const CHARACTER_LIMIT: u64 = 10_485_760;
/// As pgvector's.
const VECTOR_DIMENSION_LIMIT: u64 = 16_000;

/// `pg_type.typname`: what casts name their column after.
pub fn internal_type_name(ty: &DataType) -> String {
    match ty {
        DataType::Unknown => "unknown",
        DataType::Bool => "bool",
        DataType::Int2 => "int2",
        DataType::Int4 => "int4",
        DataType::Int8 => "int8",
        DataType::Float4 => "float4",
        DataType::Float8 => "float8",
        DataType::Numeric(_) => "numeric",
        DataType::Text => "text",
        DataType::Varchar(_) => "varchar",
        DataType::Bpchar(_) => "bpchar",
        DataType::Name => "name",
        DataType::Char => "char",
        DataType::Bytea => "bytea",
        DataType::Date => "date",
        DataType::Time => "time",
        DataType::Timetz => "timetz",
        DataType::Modified(plain, _) => return internal_type_name(&plain.plain()),
        DataType::Timestamp => "timestamp",
        DataType::Timestamptz => "timestamptz",
        DataType::Interval => "interval",
        DataType::Uuid => "uuid",
        DataType::Json => "json",
        DataType::Jsonb
        | DataType::Any
        | DataType::Node
        | DataType::Relationship
        | DataType::Path
        | DataType::Map
        | DataType::Temporal(_) => "jsonb",
        DataType::Vector(_) => "vector",
        DataType::Oid => "oid",
        DataType::Regclass => "regclass",
        DataType::Regtype => "regtype",
        DataType::Regproc => "regproc",
        DataType::Regnamespace => "regnamespace",
        DataType::Regprocedure => "regprocedure",
        DataType::Regoper => "regoper",
        DataType::Regoperator => "regoperator",
        DataType::Regrole => "regrole",
        DataType::Regcollation => "regcollation",
        DataType::Int2vector => "int2vector",
        DataType::Oidvector => "oidvector",
        DataType::Record => "record",
        DataType::Void => "void",
        DataType::Enum(of) => return of.name.clone(),
        DataType::Array(element) => return format!("_{}", internal_type_name(element)),
    }
    .to_owned()
}

/// The type without length, precision or dimension.
pub fn without_modifier(ty: &DataType) -> DataType {
    match ty {
        DataType::Numeric(_) => DataType::Numeric(None),
        DataType::Varchar(_) => DataType::Varchar(None),
        DataType::Bpchar(_) => DataType::Bpchar(None),
        DataType::Vector(_) => DataType::Vector(None),
        DataType::Modified(plain, _) => plain.plain(),
        DataType::Array(element) => DataType::array_of(without_modifier(element)),
        other => other.clone(),
    }
}

/// A date or time type with so many digits of seconds; more than there are is as many as there are.
fn modified(plain: TemporalType, precision: Option<u64>) -> DataType {
    match precision {
        None => plain.plain(),
        Some(digits) => DataType::Modified(plain, digits_of_seconds(digits)),
    }
}

/// `interval`, with a range of fields as PostgreSQL words it and digits of seconds.
pub fn interval(range: Option<&str>, precision: Option<u64>) -> DataType {
    let fields = range.and_then(|range| modifier::RANGES.iter().find(|(words, _)| *words == range));
    match modifier::of_interval(fields.map(|(_, bits)| *bits), precision.map(digits_of_seconds)) {
        None => DataType::Interval,
        Some(modifier) => DataType::Modified(TemporalType::Interval, modifier),
    }
}

fn digits_of_seconds(digits: u64) -> i32 {
    i32::try_from(digits).unwrap_or(modifier::MAX_PRECISION).min(modifier::MAX_PRECISION)
}

/// Types that stand for an integer column with a counter as default.
pub fn serial_type(ast: &Ast) -> Option<DataType> {
    let Ast::Custom(name, modifiers) = ast else { return None };
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    if !modifiers.is_empty() {
        return None;
    }
    match fold(ident).as_str() {
        "smallserial" | "serial2" => Some(DataType::Int2),
        "serial" | "serial4" => Some(DataType::Int4),
        "bigserial" | "serial8" => Some(DataType::Int8),
        _ => None,
    }
}

impl Binder<'_> {
    /// 42704 for an unknown type, 0A000 for one of PostgreSQL's that we lack, 22023 for a bad modifier.
    pub fn data_type(&self, ast: &Ast, span: Span) -> Result<DataType> {
        let missing = |what: &str| Err(self.unsupported(format_args!("type {what}"), span));
        Ok(match ast {
            Ast::Bool | Ast::Boolean => DataType::Bool,
            Ast::SmallInt(None) | Ast::Int2(None) => DataType::Int2,
            Ast::Int(None) | Ast::Integer(None) | Ast::Int4(None) => DataType::Int4,
            Ast::BigInt(None) | Ast::Int8(None) => DataType::Int8,
            Ast::Real | Ast::Float4 => DataType::Float4,
            Ast::DoublePrecision | Ast::Float8 => DataType::Float8,
            Ast::Float(ExactNumberInfo::None) => DataType::Float8,
            Ast::Float(ExactNumberInfo::Precision(precision)) => match precision {
                1..=24 => DataType::Float4,
                25..=53 => DataType::Float8,
                _ => {
                    return Err(QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        "precision for type float must be between 1 and 53 bits",
                    )
                    .at(self.at(span)));
                }
            },
            Ast::Numeric(info) | Ast::Decimal(info) | Ast::Dec(info) => self.numeric(info, span)?,
            Ast::Text => DataType::Text,
            Ast::Varchar(length) | Ast::CharacterVarying(length) | Ast::CharVarying(length) => {
                DataType::Varchar(self.character_length("varchar", length.as_ref(), span)?)
            }
            // Without a length it is one character.
            Ast::Char(length) | Ast::Character(length) => {
                DataType::Bpchar(Some(self.character_length("char", length.as_ref(), span)?.unwrap_or(1)))
            }
            Ast::Bytea => DataType::Bytea,
            Ast::Date => DataType::Date,
            Ast::Timestamp(precision, zone) => modified(
                match zone {
                    TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => TemporalType::Timestamp,
                    TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => TemporalType::Timestamptz,
                },
                *precision,
            ),
            Ast::Time(precision, zone) => modified(
                match zone {
                    TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => TemporalType::Time,
                    TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => TemporalType::Timetz,
                },
                *precision,
            ),
            Ast::Interval { fields, precision } => {
                let words = fields.as_ref().map(|fields| fields.to_string().to_lowercase());
                interval(words.as_deref(), *precision)
            }
            Ast::Uuid => DataType::Uuid,
            Ast::JSON => DataType::Json,
            Ast::JSONB => DataType::Jsonb,
            Ast::Regclass => DataType::Regclass,
            Ast::Array(element) => match element {
                ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::Qualified(element, _) => {
                    let element = self.data_type(element, span)?;
                    if matches!(element, DataType::Array(_)) {
                        return missing("array of more than one dimension");
                    }
                    DataType::array_of(element)
                }
                _ => return Err(QueryError::syntax("syntax error in array type", self.at(span))),
            },
            Ast::Custom(name, modifiers) => self.named_type(name, modifiers, span)?,
            Ast::TsVector => return missing("tsvector"),
            Ast::TsQuery => return missing("tsquery"),
            Ast::Bit(_) | Ast::BitVarying(_) | Ast::VarBit(_) => return missing("bit"),
            Ast::GeometricType(kind) => return missing(&kind.to_string().to_lowercase()),
            other => {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("type \"{}\" does not exist", other.to_string().to_lowercase()),
                )
                .at(self.at(span)));
            }
        })
    }

    fn numeric(&self, info: &ExactNumberInfo, span: Span) -> Result<DataType> {
        let (precision, scale) = match info {
            ExactNumberInfo::None => return Ok(DataType::Numeric(None)),
            ExactNumberInfo::Precision(precision) => (*precision, 0),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
        };
        let invalid =
            |message: String| Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message).at(self.at(span)));
        if !(1..=NUMERIC_PRECISION_LIMIT).contains(&precision) {
            return invalid(format!("NUMERIC precision {precision} must be between 1 and {NUMERIC_PRECISION_LIMIT}"));
        }
        if !(-1000..=1000).contains(&scale) {
            return invalid(format!("NUMERIC scale {scale} must be between -1000 and 1000"));
        }
        Ok(DataType::Numeric(Some((precision as u16, scale as i16))))
    }

    /// The length of a `varchar` or `char`.
    fn character_length(&self, name: &str, length: Option<&CharacterLength>, span: Span) -> Result<Option<u32>> {
        match length {
            None => Ok(None),
            Some(CharacterLength::IntegerLength { length, unit: None }) => {
                if (1..=CHARACTER_LIMIT).contains(length) {
                    Ok(Some(*length as u32))
                } else {
                    let message = if *length == 0 {
                        format!("length for type {name} must be at least 1")
                    } else {
                        format!("length for type {name} cannot exceed {CHARACTER_LIMIT}")
                    };
                    Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message).at(self.at(span)))
                }
            }
            Some(other) => Err(QueryError::syntax(format!("syntax error at or near \"{other}\""), self.at(span))),
        }
    }

    fn named_type(&self, name: &ObjectName, modifiers: &[String], span: Span) -> Result<DataType> {
        use sqlparser::ast::Spanned;
        let own = name.span();
        let span = if own == Span::empty() { span } else { own };
        let quoted = matches!(name.0.last(), Some(ObjectNamePart::Identifier(ident)) if ident.quote_style.is_some());
        let qualified = self.qualified_name(name)?;
        let unknown = || {
            let error = QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{qualified}\" does not exist"))
                .at(self.at(span));
            match near_miss(&qualified.name, TYPE_NAMES.iter().copied()) {
                Some(near) => error.hint(format!("Perhaps you meant the type \"{near}\".")),
                None => error,
            }
        };
        let schema = qualified.schema.as_deref();
        if let Some(ty) = enum_type::by_name(&self.catalog, &self.search_path, schema, &qualified.name) {
            return if modifiers.is_empty() { Ok(ty) } else { Err(self.bad_modifier(&ty, span)) };
        }
        if schema.is_some_and(|schema| !matches!(schema, "pg_catalog" | "public" | "sinew")) {
            return Err(unknown());
        }
        let ty = match qualified.name.as_str() {
            "char" if quoted || qualified.schema.is_some() => DataType::Char,
            "char" if modifiers.is_empty() => return Ok(DataType::Bpchar(Some(1))),
            "char" | "bpchar" => DataType::Bpchar(None),
            "xml" | "money" | "jsonpath" | "inet" | "cidr" | "macaddr" | "tsvector" | "tsquery" | "bit" | "varbit"
            | "halfvec" | "sparsevec" => {
                return Err(self.unsupported(format_args!("type {}", qualified.name), span));
            }
            name => match self.known_type(name) {
                Some(ty) => ty,
                None => return Err(unknown()),
            },
        };
        let [modifier] = modifiers else {
            if modifiers.is_empty() {
                return Ok(ty);
            }
            let numbers: Option<Vec<i64>> = modifiers.iter().map(|m| m.trim().parse().ok()).collect();
            return match (&ty, numbers.as_deref()) {
                (DataType::Numeric(_), Some([precision, scale])) if *precision >= 0 => {
                    self.numeric(&ExactNumberInfo::PrecisionAndScale(*precision as u64, *scale), span)
                }
                _ => Err(self.bad_modifier(&ty, span)),
            };
        };
        let Ok(number) = modifier.trim().parse::<u64>() else { return Err(self.bad_modifier(&ty, span)) };
        match ty {
            DataType::Vector(_) => {
                if !(1..=VECTOR_DIMENSION_LIMIT).contains(&number) {
                    return Err(QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("dimensions for type vector must be between 1 and {VECTOR_DIMENSION_LIMIT}"),
                    )
                    .at(self.at(span)));
                }
                Ok(DataType::Vector(Some(number as u32)))
            }
            DataType::Varchar(_) | DataType::Bpchar(_) => {
                let is_varchar = matches!(ty, DataType::Varchar(_));
                let length = CharacterLength::IntegerLength { length: number, unit: None };
                let length = self.character_length(if is_varchar { "varchar" } else { "char" }, Some(&length), span)?;
                Ok(if is_varchar { DataType::Varchar(length) } else { DataType::Bpchar(length) })
            }
            DataType::Numeric(_) => self.numeric(&ExactNumberInfo::Precision(number), span),
            DataType::Interval => Ok(interval(None, Some(number))),
            DataType::Time | DataType::Timetz | DataType::Timestamp | DataType::Timestamptz => {
                Ok(TemporalType::of(&ty).map_or(ty, |plain| modified(plain, Some(number))))
            }
            other => Err(self.bad_modifier(&other, span)),
        }
    }

    fn bad_modifier(&self, ty: &DataType, span: Span) -> QueryError {
        QueryError::syntax(
            format!("type modifier is not allowed for type \"{}\"", internal_type_name(ty)),
            self.at(span),
        )
    }

    /// By any name PostgreSQL knows it under; `_int4` is an array.
    fn known_type(&self, name: &str) -> Option<DataType> {
        if let Some(element) = name.strip_prefix('_') {
            return self.known_type(element).map(DataType::array_of);
        }
        Some(match name {
            "bool" | "boolean" => DataType::Bool,
            "int2" | "smallint" => DataType::Int2,
            "int4" | "int" | "integer" => DataType::Int4,
            "int8" | "bigint" => DataType::Int8,
            "float4" | "real" => DataType::Float4,
            "float8" => DataType::Float8,
            "numeric" | "decimal" => DataType::Numeric(None),
            "text" => DataType::Text,
            "varchar" => DataType::Varchar(None),
            "name" => DataType::Name,
            "bytea" => DataType::Bytea,
            "date" => DataType::Date,
            "time" => DataType::Time,
            "timetz" => DataType::Timetz,
            "timestamp" => DataType::Timestamp,
            "timestamptz" => DataType::Timestamptz,
            "interval" => DataType::Interval,
            "uuid" => DataType::Uuid,
            "json" => DataType::Json,
            "jsonb" => DataType::Jsonb,
            "vector" => DataType::Vector(None),
            "oid" => DataType::Oid,
            "regclass" => DataType::Regclass,
            "regtype" => DataType::Regtype,
            "regproc" => DataType::Regproc,
            "regnamespace" => DataType::Regnamespace,
            other => return crate::types::type_from_name(other),
        })
    }
}

const TYPE_NAMES: &[&str] = &[
    "bool",
    "boolean",
    "int2",
    "smallint",
    "int4",
    "int",
    "integer",
    "int8",
    "bigint",
    "float4",
    "real",
    "float8",
    "numeric",
    "decimal",
    "text",
    "varchar",
    "bytea",
    "date",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "vector",
    "oid",
    "regclass",
    "serial",
    "bigserial",
];
