//! A column of COPY's data, read from the fields of its rows.
//!
//! Fields of the frequent types go straight into the column's array; others become values first.

use arrow_array::builder::{Int64Builder, StringBuilder};
use sinew_storage::{DataType, Value};

use crate::batch::{Column, LONG_TEXT_BYTES};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types;

/// Collects the fields of one column.
pub struct CopyColumn {
    ty: DataType,
    fields: Fields,
}

enum Fields {
    /// With the least and the greatest value that the type holds.
    Int(Int64Builder, i64, i64),
    Text(StringBuilder),
    Other(Vec<Value>),
}

impl CopyColumn {
    pub fn new(ty: &DataType) -> CopyColumn {
        let fields = match ty {
            DataType::Int2 => Fields::Int(Int64Builder::new(), i64::from(i16::MIN), i64::from(i16::MAX)),
            DataType::Int4 => Fields::Int(Int64Builder::new(), i64::from(i32::MIN), i64::from(i32::MAX)),
            DataType::Int8 => Fields::Int(Int64Builder::new(), i64::MIN, i64::MAX),
            DataType::Text | DataType::Varchar(None) => Fields::Text(StringBuilder::new()),
            _ => Fields::Other(Vec::new()),
        };
        CopyColumn { ty: ty.clone(), fields }
    }

    pub fn push_null(&mut self) {
        match &mut self.fields {
            Fields::Int(builder, ..) => builder.append_null(),
            Fields::Text(builder) => builder.append_null(),
            Fields::Other(values) => values.push(Value::Null),
        }
    }

    /// A field in the type's text form, which is UTF-8 (checked by the caller) without NUL.
    pub fn push_text(&mut self, context: &EvalContext<'_>, text: &str) -> Result<()> {
        match &mut self.fields {
            Fields::Int(builder, least, greatest) => match plain_integer(text.as_bytes()) {
                Some(value) if (*least..=*greatest).contains(&value) => builder.append_value(value),
                _ => builder.append_value(integer(&types::from_text(context, text, &self.ty)?)?),
            },
            Fields::Text(builder) => {
                make_room(builder, text)?;
                builder.append_value(text);
            }
            Fields::Other(values) => values.push(types::from_text(context, text, &self.ty)?),
        }
        Ok(())
    }

    /// A field in the type's binary form.
    pub fn push_binary(&mut self, bytes: &[u8]) -> Result<()> {
        let value = types::from_binary(bytes, &self.ty)?;
        match &mut self.fields {
            Fields::Int(builder, ..) => builder.append_value(integer(&value)?),
            Fields::Text(builder) => match value.as_str() {
                Some(text) => {
                    make_room(builder, text)?;
                    builder.append_value(text);
                }
                None => return Err(types::mismatch(&value, &self.ty)),
            },
            Fields::Other(values) => values.push(value),
        }
        Ok(())
    }

    /// The fields so far as a column; empties it.
    pub fn finish(&mut self) -> Column {
        match &mut self.fields {
            Fields::Int(builder, ..) => Column::Int(builder.finish()),
            Fields::Text(builder) => {
                let array = builder.finish();
                // Long texts are shared rather than copied from batch to batch.
                if array.iter().flatten().any(|text| text.len() > LONG_TEXT_BYTES) {
                    let values: Vec<Value> = array.iter().map(|text| text.map_or(Value::Null, Value::text)).collect();
                    return Column::Values(values.into());
                }
                Column::Text(array)
            }
            Fields::Other(values) => Column::from_values(&self.ty, std::mem::take(values)),
        }
    }
}

/// Arrow's text arrays address 2 GiB.
fn make_room(builder: &StringBuilder, text: &str) -> Result<()> {
    if builder.values_slice().len() + text.len() > i32::MAX as usize {
        return Err(QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "the texts of a batch exceed 2 GiB"));
    }
    Ok(())
}

fn integer(value: &Value) -> Result<i64> {
    match value {
        Value::Int(value) => Ok(*value),
        other => Err(types::mismatch(other, &DataType::Int8)),
    }
}

/// Digits with an optional minus; None for whatever takes a closer look.
fn plain_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::context;

    fn column(ty: &DataType, fields: &[Option<&str>]) -> Result<Vec<Value>> {
        let context = context(&[]);
        let context = EvalContext::new(&context);
        let mut column = CopyColumn::new(ty);
        for field in fields {
            match field {
                Some(text) => column.push_text(&context, text)?,
                None => column.push_null(),
            }
        }
        let built = column.finish();
        Ok((0..built.len()).map(|row| built.value(row)).collect())
    }

    #[test]
    fn fields_become_the_values_that_their_types_read() {
        let ints = column(&DataType::Int4, &[Some("1"), None, Some("-20"), Some(" 3 "), Some("2147483647")]);
        let expected = [Value::Int(1), Value::Null, Value::Int(-20), Value::Int(3), Value::Int(2_147_483_647)];
        assert_eq!(ints.expect("integers"), expected);
        assert_eq!(column(&DataType::Int4, &[Some("2147483648")]).expect_err("too large").sqlstate(), "22003");
        assert_eq!(column(&DataType::Int2, &[Some("x")]).expect_err("no number").sqlstate(), "22P02");
        let smallest = column(&DataType::Int8, &[Some("-9223372036854775808")]).expect("fits");
        assert_eq!(smallest, [Value::Int(i64::MIN)]);
        let long = "x".repeat(LONG_TEXT_BYTES + 1);
        let texts = column(&DataType::Text, &[Some("a"), None, Some(&long)]).expect("texts");
        assert_eq!(texts, [Value::text("a"), Value::Null, Value::text(long.as_str())]);
        let bools = column(&DataType::Bool, &[Some("yes"), Some("f")]).expect("booleans");
        assert_eq!(bools, [Value::Bool(true), Value::Bool(false)]);
    }
}
