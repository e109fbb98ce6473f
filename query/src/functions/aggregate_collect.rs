//! Aggregates that collect: string_agg, array_agg, and the JSON ones.

use std::sync::Arc;

use sinew_storage::{DataType, Json, Value};

use super::Accumulator;
use super::args::{bytes, text};
use super::growth::check_text_length;
use super::registry::Table;
use crate::batch::{json_size_bytes, value_size_bytes};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::size::{check_element_count, check_json_bytes};
use crate::types::{entity, json, numeric, timestamp, zone};

/// The delimiter before the first value is not used.
#[derive(Default)]
struct StringAgg(Option<String>);

impl Accumulator for StringAgg {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let value = text(&args[0])?;
        match &mut self.0 {
            None => self.0 = Some(value.to_owned()),
            Some(out) => {
                let delimiter = if args[1].is_null() { "" } else { text(&args[1])? };
                check_text_length(out.len() + delimiter.len() + value.len())?;
                out.push_str(delimiter);
                out.push_str(value);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(self.0.take().map_or(Value::Null, Value::from))
    }

    fn value(&mut self) -> Result<Value> {
        Ok(self.0.as_deref().map_or(Value::Null, Value::from))
    }

    fn size_bytes(&self) -> usize {
        24 + self.0.as_ref().map_or(0, String::capacity)
    }
}

#[derive(Default)]
struct BytesAgg(Option<Vec<u8>>);

impl Accumulator for BytesAgg {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let value = bytes(&args[0])?;
        match &mut self.0 {
            None => self.0 = Some(value.to_vec()),
            Some(out) => {
                let delimiter = if args[1].is_null() { &[][..] } else { bytes(&args[1])? };
                check_text_length(out.len() + delimiter.len() + value.len())?;
                out.extend_from_slice(delimiter);
                out.extend_from_slice(value);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(self.0.take().map_or(Value::Null, |bytes| Value::Bytes(bytes.into())))
    }

    fn value(&mut self) -> Result<Value> {
        Ok(self.0.as_deref().map_or(Value::Null, |bytes| Value::Bytes(bytes.into())))
    }

    fn size_bytes(&self) -> usize {
        24 + self.0.as_ref().map_or(0, Vec::capacity)
    }
}

/// NULL when there was no row.
#[derive(Default)]
struct ArrayAgg {
    items: Vec<Value>,
    size_bytes: usize,
}

impl Accumulator for ArrayAgg {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        check_element_count(self.items.len() + 1)?;
        self.size_bytes += value_size_bytes(&args[0]);
        self.items.push(args[0].clone());
        Ok(())
    }

    fn update_column(&mut self, column: &crate::batch::Column) -> Result<()> {
        // NULLs are collected too.
        for row in 0..column.len() {
            self.update(&[column.value(row)])?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        let items = std::mem::take(&mut self.items);
        Ok(if items.is_empty() { Value::Null } else { Value::list(items) })
    }

    fn value(&mut self) -> Result<Value> {
        Ok(if self.items.is_empty() { Value::Null } else { Value::list(self.items.clone()) })
    }

    fn size_bytes(&self) -> usize {
        48 + self.size_bytes
    }
}

/// `array_agg` over arrays would need a second dimension.
struct Refused;

impl Accumulator for Refused {
    fn update(&mut self, _: &[Value]) -> Result<()> {
        Err(QueryError::unsupported("array_agg of arrays (an array of more than one dimension)"))
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn size_bytes(&self) -> usize {
        0
    }
}

/// jsonb of a value of a static type. Accumulators see no session, so instants are written in UTC.
fn to_json(value: &Value, ty: &DataType) -> Json {
    match (ty, value) {
        (_, Value::Null) => Json::Null,
        (_, Value::Bool(b)) => Json::Bool(*b),
        (DataType::Oid | DataType::Regclass | DataType::Regtype, Value::Int(i)) => Json::String(i.to_string().into()),
        (DataType::Modified(plain, _), value) => to_json(value, &plain.plain()),
        (DataType::Enum(of), Value::Int(place)) => {
            of.label(*place).map_or(Json::Null, |label| Json::String(label.name.as_str().into()))
        }
        (DataType::Time, Value::Int(time)) => Json::String(crate::types::time::output(*time).into()),
        (DataType::Timetz, Value::Int(packed)) => Json::String(crate::types::time::output_tz(*packed).into()),
        (_, Value::Int(i)) => Json::Int(*i),
        (DataType::Float4, Value::Float(f)) => match numeric::parse_decimal(&format!("{:e}", *f as f32)) {
            Some(Ok(decimal)) => json::number(decimal),
            _ => Json::String(crate::types::float::output4(*f).into()),
        },
        (_, Value::Float(f)) => match numeric::shortest_from_f64(*f) {
            Some(decimal) => json::number(decimal),
            None => Json::String(crate::types::float::output8(*f).into()),
        },
        (_, Value::Numeric(n)) => match &**n {
            sinew_storage::Numeric::Finite(decimal) => json::number(decimal.clone()),
            other => Json::String(numeric::output(other).into()),
        },
        (_, Value::Text(s)) => Json::String(Arc::clone(s)),
        (_, Value::Json(j)) => (**j).clone(),
        (DataType::Timestamp, Value::Timestamp(t)) => Json::String(timestamp::output_iso(*t).into()),
        (_, Value::Timestamp(t)) => Json::String(timestamp::output_iso_tz(*t, &zone::UTC).into()),
        (_, Value::Vector(v)) => Json::String(crate::types::vector::output(v).into()),
        (_, Value::Bytes(b)) => Json::String(crate::types::bytea::output(b).into()),
        (DataType::Array(element), Value::List(items)) => {
            Json::Array(items.iter().map(|item| to_json(item, element)).collect())
        }
        (_, Value::List(items)) => Json::Array(items.iter().map(|item| to_json(item, &DataType::Text)).collect()),
        (_, Value::Map(map)) => json::object(
            map.iter()
                .map(|(key, value)| {
                    let ty = crate::types::natural_type(value).unwrap_or(DataType::Text);
                    (Arc::clone(key), to_json(value, &ty))
                })
                .collect(),
        ),
        (_, other) => entity::key_text(other).map_or(Json::Null, |text| Json::String(text.into())),
    }
}

struct JsonArray {
    items: Vec<Json>,
    seen: bool,
    ty: DataType,
    size_bytes: usize,
}

impl JsonArray {
    fn boxed(types: &[DataType]) -> Box<dyn Accumulator> {
        let ty = types.first().cloned().unwrap_or(DataType::Text);
        Box::new(JsonArray { items: Vec::new(), seen: false, ty, size_bytes: 0 })
    }
}

impl Accumulator for JsonArray {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        self.seen = true;
        let item = to_json(&args[0], &self.ty);
        self.size_bytes += json_size_bytes(&item);
        check_json_bytes(self.size_bytes)?;
        self.items.push(item);
        Ok(())
    }

    fn update_column(&mut self, column: &crate::batch::Column) -> Result<()> {
        for row in 0..column.len() {
            self.update(&[column.value(row)])?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(if self.seen { Value::json(Json::Array(std::mem::take(&mut self.items))) } else { Value::Null })
    }

    fn value(&mut self) -> Result<Value> {
        Ok(if self.seen { Value::json(Json::Array(self.items.clone())) } else { Value::Null })
    }

    fn size_bytes(&self) -> usize {
        64 + self.size_bytes
    }
}

struct JsonObject {
    members: Vec<(Arc<str>, Json)>,
    seen: bool,
    ty: DataType,
    size_bytes: usize,
}

impl JsonObject {
    fn boxed(types: &[DataType]) -> Box<dyn Accumulator> {
        let ty = types.get(1).cloned().unwrap_or(DataType::Text);
        Box::new(JsonObject { members: Vec::new(), seen: false, ty, size_bytes: 0 })
    }
}

impl Accumulator for JsonObject {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        self.seen = true;
        let key: Arc<str> = match &args[0] {
            Value::Null => {
                return Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "field name must not be null"));
            }
            key => entity::key_text(key)
                .ok_or_else(|| {
                    QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        "key value must be scalar, not array, composite, or json",
                    )
                })?
                .into(),
        };
        let value = to_json(&args[1], &self.ty);
        self.size_bytes += key.len() + 16 + json_size_bytes(&value);
        check_json_bytes(self.size_bytes)?;
        self.members.push((key, value));
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        Ok(if self.seen { Value::json(json::object(std::mem::take(&mut self.members))) } else { Value::Null })
    }

    fn value(&mut self) -> Result<Value> {
        Ok(if self.seen { Value::json(json::object(self.members.clone())) } else { Value::Null })
    }

    fn size_bytes(&self) -> usize {
        64 + self.size_bytes
    }
}

pub(super) fn register(t: &mut Table) {
    t.aggregate("string_agg(text, text) -> text", |_| Box::<StringAgg>::default()).lax();
    t.aggregate("string_agg(bytea, bytea) -> bytea", |_| Box::<BytesAgg>::default()).lax();
    t.aggregate("array_agg(anynonarray) -> anyarray", |_| Box::<ArrayAgg>::default()).lax();
    t.aggregate("array_agg(anyarray) -> anyarray", |_| Box::new(Refused)).lax();
    t.aggregate("jsonb_agg(anyelement) -> jsonb", JsonArray::boxed).lax();
    t.aggregate("json_agg(anyelement) -> json", JsonArray::boxed).lax();
    t.aggregate("jsonb_object_agg(any, any) -> jsonb", JsonObject::boxed).lax();
    t.aggregate("json_object_agg(any, any) -> json", JsonObject::boxed).lax();
}
