//! Binary wire forms, as PostgreSQL's send and receive functions make them.
//!
//! Reading is total: any bytes give a value, 22P03 or out of range, without reserving more memory than the bytes justify.

use std::sync::Arc;

use sinew_storage::{DataType, Interval, Value};

use super::calendar::{DAY_US, WIRE_DAYS, WIRE_EPOCH_DAYS, WIRE_TIMESTAMPS_US};
use super::{
    IntoValue, date, entity, enum_type, is_dynamic, json, json_parse, mismatch, modifier, names, numeric, time,
    timestamp, vector,
};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

/// Microseconds from 1970 to 2000.
const WIRE_EPOCH_US: i64 = WIRE_EPOCH_DAYS as i64 * DAY_US;

fn malformed(ty: &DataType) -> QueryError {
    QueryError::new(
        sqlstate::INVALID_BINARY_REPRESENTATION,
        format!("incorrect binary data format for type {}", names::internal_name(ty)),
    )
}

pub(super) fn to_binary(context: &EvalContext<'_>, value: &Value, ty: &DataType, out: &mut Vec<u8>) -> Result<()> {
    if is_dynamic(ty) {
        return write_json(&entity::to_json(context, value)?, true, out);
    }
    let integer = |value: &Value| value.as_int().ok_or_else(|| mismatch(value, ty));
    match (ty, value) {
        (DataType::Bool, Value::Bool(b)) => out.push(u8::from(*b)),
        (DataType::Int2, value) => out.extend_from_slice(&(integer(value)? as i16).to_be_bytes()),
        (DataType::Int4, value) => out.extend_from_slice(&(integer(value)? as i32).to_be_bytes()),
        (DataType::Int8, value) => out.extend_from_slice(&integer(value)?.to_be_bytes()),
        (DataType::Oid, value) => out.extend_from_slice(&(integer(value)? as u32).to_be_bytes()),
        (ty, value) if ty.is_object_identifier() => out.extend_from_slice(&(integer(value)? as u32).to_be_bytes()),
        (DataType::Float4, value) => out.extend_from_slice(&(number(value, ty)? as f32).to_be_bytes()),
        (DataType::Float8, value) => out.extend_from_slice(&number(value, ty)?.to_be_bytes()),
        (DataType::Numeric(_), Value::Numeric(n)) => numeric::to_binary(n, out),
        (DataType::Numeric(_), Value::Int(i)) => numeric::to_binary(&numeric::from_int(*i), out),
        (DataType::Bytea, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
        (DataType::Date, Value::Date(days)) => {
            let days = match *days {
                date::INFINITY | date::NEGATIVE_INFINITY => *days,
                days => days.saturating_sub(WIRE_EPOCH_DAYS),
            };
            out.extend_from_slice(&days.to_be_bytes());
        }
        (DataType::Time, Value::Int(time_us)) => out.extend_from_slice(&time_us.to_be_bytes()),
        (DataType::Timetz, Value::Int(packed)) => {
            let zoned = time::unpack(*packed);
            out.extend_from_slice(&zoned.time_us.to_be_bytes());
            out.extend_from_slice(&(-zoned.east_seconds).to_be_bytes());
        }
        (DataType::Enum(of), Value::Int(place)) => out.extend_from_slice(enum_type::output(of, *place)?.as_bytes()),
        (DataType::Modified(plain, _), value) => return to_binary(context, value, &plain.plain(), out),
        (DataType::Timestamp | DataType::Timestamptz, Value::Timestamp(us)) => {
            let us = if timestamp::is_infinite(*us) { *us } else { us.saturating_sub(WIRE_EPOCH_US) };
            out.extend_from_slice(&us.to_be_bytes());
        }
        (DataType::Interval, Value::Interval(i)) => {
            out.extend_from_slice(&i.microseconds.to_be_bytes());
            out.extend_from_slice(&i.days.to_be_bytes());
            out.extend_from_slice(&i.months.to_be_bytes());
        }
        (DataType::Uuid, Value::Uuid(bytes)) => out.extend_from_slice(bytes),
        (DataType::Json | DataType::Jsonb, value) => {
            let jsonb = *ty == DataType::Jsonb;
            match value {
                Value::Json(value) => write_json(value, jsonb, out)?,
                other => write_json(&entity::to_json(context, other)?, jsonb, out)?,
            }
        }
        (DataType::Vector(_), Value::Vector(v)) => {
            let count = u16::try_from(v.len()).map_err(|_| mismatch(value, ty))?;
            out.extend_from_slice(&count.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            for x in v.iter() {
                out.extend_from_slice(&x.to_be_bytes());
            }
        }
        (DataType::Int2vector | DataType::Oidvector, Value::List(items)) => {
            // An array that counts from 0.
            let element = if *ty == DataType::Int2vector { DataType::Int2 } else { DataType::Oid };
            let count = i32::try_from(items.len()).map_err(|_| mismatch(value, ty))?;
            for word in [1, 0] {
                out.extend_from_slice(&i32::to_be_bytes(word));
            }
            out.extend_from_slice(&names::type_oid(&element).to_be_bytes());
            out.extend_from_slice(&count.to_be_bytes());
            out.extend_from_slice(&0i32.to_be_bytes());
            for item in items.iter() {
                with_length(item, &element, context, out)?;
            }
        }
        (DataType::Array(element), Value::List(items)) => {
            let count = i32::try_from(items.len()).map_err(|_| mismatch(value, ty))?;
            let has_null = items.iter().any(Value::is_null);
            out.extend_from_slice(&i32::from(!items.is_empty()).to_be_bytes());
            out.extend_from_slice(&i32::from(has_null).to_be_bytes());
            out.extend_from_slice(&names::type_oid(element).to_be_bytes());
            if !items.is_empty() {
                out.extend_from_slice(&count.to_be_bytes());
                out.extend_from_slice(&1i32.to_be_bytes());
            }
            for item in items.iter() {
                with_length(item, element, context, out)?;
            }
        }
        (DataType::Record, Value::List(items)) => {
            write_record(&items.iter().collect::<Vec<_>>(), context, out)?;
        }
        (DataType::Record, Value::Map(map)) => write_record(&map.values().collect::<Vec<_>>(), context, out)?,
        (DataType::Bpchar(length), Value::Text(s)) => {
            out.extend_from_slice(super::text::with_blanks(s, *length).as_bytes());
        }
        (_, Value::Text(s)) => out.extend_from_slice(s.as_bytes()),
        (DataType::Void, _) => {}
        (DataType::Text | DataType::Varchar(_) | DataType::Unknown, other) => {
            out.extend_from_slice(super::to_text(context, other, ty)?.as_bytes());
        }
        (ty, other) => return Err(mismatch(other, ty)),
    }
    Ok(())
}

fn write_record(items: &[&Value], context: &EvalContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let count = i32::try_from(items.len()).map_err(|_| QueryError::internal("record has too many fields"))?;
    out.extend_from_slice(&count.to_be_bytes());
    for item in items {
        let ty = super::natural_type(item).unwrap_or(if item.is_null() { DataType::Text } else { DataType::Jsonb });
        out.extend_from_slice(&names::type_oid(&ty).to_be_bytes());
        with_length(item, &ty, context, out)?;
    }
    Ok(())
}

/// The value behind its length word; -1 for NULL.
fn with_length(value: &Value, ty: &DataType, context: &EvalContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    if value.is_null() {
        out.extend_from_slice(&(-1i32).to_be_bytes());
        return Ok(());
    }
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    to_binary(context, value, ty, out)?;
    let length = i32::try_from(out.len() - at - 4)
        .map_err(|_| QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "value is longer than 2 GB"))?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn number(value: &Value, ty: &DataType) -> Result<f64> {
    match value {
        Value::Float(f) => Ok(*f),
        Value::Int(i) => Ok(*i as f64),
        other => Err(mismatch(other, ty)),
    }
}

fn write_json(value: &sinew_storage::Json, jsonb: bool, out: &mut Vec<u8>) -> Result<()> {
    if jsonb {
        out.push(1);
    }
    out.extend_from_slice(json::format(value).as_bytes());
    Ok(())
}

fn fixed<const N: usize>(bytes: &[u8], ty: &DataType) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed(ty))
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let bad: Vec<String> = bytes[at..].iter().take(4).map(|b| format!("0x{b:02x}")).collect();
        QueryError::new(
            sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
            format!("invalid byte sequence for encoding \"UTF8\": {}", bad.join(" ")),
        )
    })?;
    super::text::check_no_nul(text)?;
    Ok(text)
}

pub(super) fn from_binary(bytes: &[u8], ty: &DataType) -> Result<Value> {
    Ok(match ty {
        DataType::Bool => Value::Bool(fixed::<1>(bytes, ty)?[0] != 0),
        DataType::Int2 => Value::Int(i64::from(i16::from_be_bytes(fixed(bytes, ty)?))),
        DataType::Int4 => Value::Int(i64::from(i32::from_be_bytes(fixed(bytes, ty)?))),
        DataType::Int8 => Value::Int(i64::from_be_bytes(fixed(bytes, ty)?)),
        DataType::Oid
        | DataType::Regclass
        | DataType::Regtype
        | DataType::Regproc
        | DataType::Regnamespace
        | DataType::Regprocedure
        | DataType::Regoper
        | DataType::Regoperator
        | DataType::Regrole
        | DataType::Regcollation => Value::Int(i64::from(u32::from_be_bytes(fixed(bytes, ty)?))),
        DataType::Float4 => Value::Float(f64::from(f32::from_be_bytes(fixed(bytes, ty)?))),
        DataType::Float8 => Value::Float(f64::from_be_bytes(fixed(bytes, ty)?)),
        DataType::Numeric(modifier) => {
            let value = numeric::from_binary(bytes)?;
            numeric::apply_modifier(value, *modifier)?.into_value()
        }
        DataType::Unknown | DataType::Text => Value::text(utf8(bytes)?),
        DataType::Varchar(limit) => super::text::limit_assign(utf8(bytes)?, *limit)?,
        DataType::Bpchar(length) => super::text::blank_padded_assign(utf8(bytes)?, *length)?,
        DataType::Name => super::text::name_input(utf8(bytes)?),
        DataType::Char => super::text::char_input(utf8(bytes)?),
        DataType::Bytea => Value::Bytes(bytes.into()),
        DataType::Date => {
            let days = i32::from_be_bytes(fixed(bytes, ty)?);
            Value::Date(match days {
                date::INFINITY | date::NEGATIVE_INFINITY => days,
                days if WIRE_DAYS.contains(&days) => days + WIRE_EPOCH_DAYS,
                _ => return Err(QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range")),
            })
        }
        DataType::Timestamp | DataType::Timestamptz => {
            let us = i64::from_be_bytes(fixed(bytes, ty)?);
            Value::Timestamp(if timestamp::is_infinite(us) {
                us
            } else {
                Some(us)
                    .filter(|us| WIRE_TIMESTAMPS_US.contains(us))
                    .and_then(|us| us.checked_add(WIRE_EPOCH_US))
                    .filter(|us| !timestamp::is_infinite(*us))
                    .ok_or_else(timestamp::out_of_range)?
            })
        }
        DataType::Enum(of) => enum_type::input(of, utf8(bytes)?)?,
        DataType::Time => Value::Int(time::checked(i64::from_be_bytes(fixed(bytes, ty)?))?),
        DataType::Timetz => {
            let all: [u8; 12] = fixed(bytes, ty)?;
            let mut reader = Reader { bytes: &all, ty };
            let time_us = i64::from_be_bytes(fixed(reader.take(8)?, ty)?);
            Value::Int(time::checked_zoned(time_us, i64::from(reader.int()?))?)
        }
        DataType::Modified(plain, modifier) => modifier::apply(from_binary(bytes, &plain.plain())?, *plain, *modifier)?,
        DataType::Interval => {
            let all: [u8; 16] = fixed(bytes, ty)?;
            let mut reader = Reader { bytes: &all, ty };
            let microseconds = i64::from_be_bytes(fixed(reader.take(8)?, ty)?);
            let days = reader.int()?;
            let months = reader.int()?;
            Value::Interval(Interval { months, days, microseconds })
        }
        DataType::Uuid => Value::Uuid(fixed(bytes, ty)?),
        DataType::Json => Value::json(json_parse::parse(utf8(bytes)?)?),
        DataType::Jsonb => Value::json(parse_jsonb(bytes, ty)?),
        DataType::Any
        | DataType::Map
        | DataType::Node
        | DataType::Relationship
        | DataType::Path
        | DataType::Temporal(_) => entity::from_json(&parse_jsonb(bytes, ty)?),
        DataType::Vector(dimensions) => {
            let mut reader = Reader { bytes, ty };
            let header = reader.take(4)?;
            let count = usize::from(u16::from_be_bytes([header[0], header[1]]));
            if header[2..] != [0, 0] || reader.bytes.len() != count * 4 {
                return Err(malformed(ty));
            }
            let elements =
                reader.bytes.chunks_exact(4).map(|chunk| f32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
            Value::Vector(vector::check(elements.collect(), *dimensions)?.into())
        }
        DataType::Array(_) if is_dynamic(ty) => match entity::from_json(&parse_jsonb(bytes, ty)?) {
            list @ Value::List(_) => list,
            _ => return Err(malformed(ty)),
        },
        DataType::Array(element) => array(bytes, ty, element)?,
        DataType::Int2vector => array(bytes, ty, &DataType::Int2)?,
        DataType::Oidvector => array(bytes, ty, &DataType::Oid)?,
        DataType::Void => Value::Null,
        DataType::Record => return Err(QueryError::unsupported("input of anonymous composite types")),
    })
}

fn parse_jsonb(bytes: &[u8], ty: &DataType) -> Result<sinew_storage::Json> {
    match bytes.split_first() {
        Some((1, text)) => json_parse::parse(utf8(text)?),
        Some((version, _)) => Err(QueryError::new(
            sqlstate::INVALID_BINARY_REPRESENTATION,
            format!("unsupported jsonb version number {version}"),
        )),
        None => Err(malformed(ty)),
    }
}

fn array(bytes: &[u8], ty: &DataType, element: &DataType) -> Result<Value> {
    let mut reader = Reader { bytes, ty };
    let dimension_count = reader.int()?;
    let _has_null = reader.int()?;
    let element_oid = reader.int()? as u32;
    let known = match element {
        DataType::Enum(of) if of.oid == element_oid => element.clone(),
        _ => names::type_from_oid(element_oid).ok_or_else(|| malformed(ty))?,
    };
    // Clients may send text for varchar and the like; the wire form is the same.
    let is_text = |ty: &DataType| {
        matches!(ty, DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name | DataType::Unknown)
    };
    let compatible = known.same_base(element) || (is_text(&known) && is_text(element));
    if !compatible {
        return Err(QueryError::new(
            sqlstate::DATATYPE_MISMATCH,
            format!(
                "binary data has array element type {element_oid} ({}) instead of expected {} ({})",
                names::type_name(&known),
                names::type_oid(element),
                names::type_name(element)
            ),
        ));
    }
    let count = match dimension_count {
        0 => 0,
        1 => {
            let count = reader.int()?;
            let lower = reader.int()?;
            if lower != 1 {
                return Err(QueryError::unsupported("an array with a lower bound other than 1"));
            }
            // Each element takes at least its length word.
            usize::try_from(count).ok().filter(|n| *n <= reader.bytes.len() / 4).ok_or_else(|| malformed(ty))?
        }
        2..=6 => return Err(QueryError::unsupported("an array of more than one dimension")),
        _ => return Err(malformed(ty)),
    };
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let length = reader.int()?;
        items.push(if length == -1 {
            Value::Null
        } else {
            let length = usize::try_from(length).map_err(|_| malformed(ty))?;
            from_binary(reader.take(length)?, element)?
        });
    }
    if !reader.bytes.is_empty() {
        return Err(malformed(ty));
    }
    Ok(Value::List(Arc::from(items)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    ty: &'a DataType,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or_else(|| malformed(self.ty))?;
        self.bytes = tail;
        Ok(head)
    }

    fn int(&mut self) -> Result<i32> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}
