//! Rows as DataRow messages, in text or binary per column.
//!
//! Frequent types are written straight from their Arrow arrays; every other type goes through its codec in the query
//! engine.

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::data::{FieldDescription, RowDescription};
use sinew::query::statement::OutputColumn;
use sinew::query::types;
use sinew::query::{EvalContext, ExecContext};
use sinew::{Batch, Column, DataType, QueryError, Result, Value};

use super::errors::protocol_violation;

/// How a column travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Binary,
}

impl Format {
    pub fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }

    pub fn from_code(code: i16) -> Result<Format> {
        match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(QueryError::new(
                sinew::sqlstate::INVALID_PARAMETER_VALUE,
                format!("unsupported format code: {other}"),
            )),
        }
    }
}

/// One format per column from a Bind message's list: none means text, one stands for all. `what` is `result` or
/// `parameter`.
pub fn expand_formats(codes: &[i16], count: usize, what: &str) -> Result<Vec<Format>> {
    match codes {
        [] => Ok(vec![Format::Text; count]),
        [code] => Ok(vec![Format::from_code(*code)?; count]),
        codes if codes.len() == count => codes.iter().map(|code| Format::from_code(*code)).collect(),
        codes => Err(protocol_violation(match what {
            "parameter" => format!("bind message has {} parameter formats but {count} parameters", codes.len()),
            _ => format!("bind message has {} result formats but query has {count} columns", codes.len()),
        })),
    }
}

/// Appends a whole message. On error nothing of it stays in `out`.
pub fn push_message(message: &impl Message, out: &mut BytesMut) {
    let start = out.len();
    if let Err(error) = message.encode(out) {
        // Only a message above the protocol's limit for its kind fails; its type byte must not stay behind.
        out.truncate(start);
        tracing::warn!(%error, "a message to the client was dropped");
    }
}

pub fn row_description(columns: &[OutputColumn], formats: &[Format]) -> RowDescription {
    let field = |(column, format): (&OutputColumn, &Format)| {
        let (table_oid, attribute_number) = column.origin.unwrap_or((0, 0));
        FieldDescription::new(
            column.name.replace('\0', "\u{fffd}"),
            table_oid as i32,
            attribute_number,
            types::type_oid(&column.ty),
            types::type_length(&column.ty),
            types::type_modifier(&column.ty),
            format.code(),
        )
    };
    RowDescription::new(columns.iter().zip(formats).map(field).collect())
}

/// Appends one row as a DataRow message. On error nothing of it stays in `out`.
pub fn encode_row(
    context: &ExecContext,
    batch: &Batch,
    row: usize,
    columns: &[OutputColumn],
    formats: &[Format],
    scratch: &mut Vec<u8>,
    out: &mut BytesMut,
) -> Result<()> {
    let start = out.len();
    out.put_u8(b'D');
    out.put_i32(0);
    out.put_i16(batch.columns.len() as i16);
    let result = (|| {
        for ((data, column), format) in batch.columns.iter().zip(columns).zip(formats) {
            encode_field(context, data, row, &column.ty, *format, scratch, out)?;
        }
        let length = out.len() - start - 1;
        i32::try_from(length).map_err(|_| {
            QueryError::new(sinew::sqlstate::PROGRAM_LIMIT_EXCEEDED, "row is longer than a message can be (2 GiB)")
        })
    })();
    match result {
        Ok(length) => {
            out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

fn encode_field(
    context: &ExecContext,
    data: &Column,
    row: usize,
    ty: &DataType,
    format: Format,
    scratch: &mut Vec<u8>,
    out: &mut BytesMut,
) -> Result<()> {
    if data.is_null(row) {
        out.put_i32(-1);
        return Ok(());
    }
    match (data, ty, format) {
        (Column::Text(array), DataType::Text | DataType::Varchar(_) | DataType::Name, _) => {
            put_bytes(array.value(row).as_bytes(), out);
            return Ok(());
        }
        (Column::Int(array), DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid, Format::Text) => {
            let mut digits = [0; 20];
            put_bytes(format_int(array.value(row), &mut digits), out);
            return Ok(());
        }
        (Column::Int(array), DataType::Int8, Format::Binary) => {
            put_bytes(&array.value(row).to_be_bytes(), out);
            return Ok(());
        }
        (Column::Int(array), DataType::Int4, Format::Binary) => {
            put_bytes(&(array.value(row) as i32).to_be_bytes(), out);
            return Ok(());
        }
        (Column::Int(array), DataType::Int2, Format::Binary) => {
            put_bytes(&(array.value(row) as i16).to_be_bytes(), out);
            return Ok(());
        }
        (Column::Bool(array), DataType::Bool, Format::Text) => {
            put_bytes(if array.value(row) { b"t" } else { b"f" }, out);
            return Ok(());
        }
        (Column::Bool(array), DataType::Bool, Format::Binary) => {
            put_bytes(&[u8::from(array.value(row))], out);
            return Ok(());
        }
        (Column::Float(array), DataType::Float8, Format::Binary) => {
            put_bytes(&array.value(row).to_be_bytes(), out);
            return Ok(());
        }
        _ => {}
    }
    let value = data.value(row);
    let context = EvalContext::new(context);
    match format {
        Format::Text => put_bytes(types::to_text(&context, &value, ty)?.as_bytes(), out),
        Format::Binary => {
            scratch.clear();
            types::to_binary(&context, &value, ty, scratch)?;
            put_bytes(scratch, out);
        }
    }
    Ok(())
}

/// A parameter's value: `bytes` are as the client sent them. The context is only made for types that need one.
pub fn decode_parameter(
    context: &mut Option<ExecContext>,
    make_context: impl FnOnce() -> ExecContext,
    bytes: &[u8],
    ty: &DataType,
    format: Format,
) -> Result<Value> {
    match format {
        Format::Binary => types::from_binary(bytes, ty),
        Format::Text => {
            let text = checked_text(bytes)?;
            match types::from_text_alone(text, ty) {
                Some(value) => value,
                None => types::from_text(&EvalContext::new(context.get_or_insert_with(make_context)), text, ty),
            }
        }
    }
}

/// Bytes as text that a value can be read from: UTF-8 without NUL (22021).
pub fn checked_text(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| super::errors::invalid_utf8(bytes, &error))?;
    if memchr::memchr(0, bytes).is_some() {
        return Err(QueryError::new(
            sinew::sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(text)
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

/// Decimal digits of `value`, written from the end of `digits`.
pub fn format_int(value: i64, digits: &mut [u8; 20]) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    &digits[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_print_as_the_standard_library_does() {
        for value in [0, 7, -7, 10, 999, 1000, i64::MAX, i64::MIN, -1_000_000_007] {
            let mut digits = [0; 20];
            assert_eq!(format_int(value, &mut digits), value.to_string().as_bytes());
        }
    }

    #[test]
    fn format_lists_expand_as_the_protocol_says() {
        use Format::*;
        assert_eq!(expand_formats(&[], 3, "result").expect("none"), [Text; 3]);
        assert_eq!(expand_formats(&[1], 3, "result").expect("one"), [Binary; 3]);
        assert_eq!(expand_formats(&[1, 0], 2, "result").expect("each"), [Binary, Text]);
        assert_eq!(expand_formats(&[1, 0], 3, "result").expect_err("too few").sqlstate(), "08P01");
        assert_eq!(expand_formats(&[2], 1, "result").expect_err("unknown").sqlstate(), "22023");
    }

    #[test]
    fn a_message_above_its_limit_leaves_nothing_behind() {
        let mut out = BytesMut::from(&b"before"[..]);
        push_message(&pgwire::messages::startup::ParameterStatus::new("n".into(), "v".repeat(40_000)), &mut out);
        assert_eq!(&out[..], b"before");
    }
}
