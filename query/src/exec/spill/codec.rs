//! Batches as bytes. Read only by the process that wrote them, so the layout is free to change; numbers are
//! little-endian.
//!
//! ```text
//! row count (8) | column count (4) | column …
//! column: form (1) | has NULLs (1) | validity bits, when it has | body
//! body: values of 8 bytes; bits for booleans; for text the ends (4 each) and the bytes;
//!       for values the ends (8 each) and the encodings
//! ```

use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use sinew_storage::encoding::value::{decode_value, encode_value};

use crate::batch::{Batch, Column};
use crate::error::{QueryError, Result};

const BOOL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 2;
const TEXT: u8 = 3;
const TIMESTAMP: u8 = 4;
const VALUES: u8 = 5;

pub(super) fn encode(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::with_capacity(batch.size_bytes());
    out.extend_from_slice(&(batch.row_count as u64).to_le_bytes());
    out.extend_from_slice(&(batch.columns.len() as u32).to_le_bytes());
    for column in &batch.columns {
        encode_column(column, &mut out);
    }
    out
}

fn encode_bits(bits: &BooleanBuffer, out: &mut Vec<u8>) {
    // From the first bit on, whatever part of a larger buffer this is.
    out.extend_from_slice(bits.sliced().as_slice());
}

fn encode_column(column: &Column, out: &mut Vec<u8>) {
    let form = match column {
        Column::Bool(_) => BOOL,
        Column::Int(_) => INT,
        Column::Float(_) => FLOAT,
        Column::Text(_) => TEXT,
        Column::Timestamp(_) => TIMESTAMP,
        Column::Values(_) => VALUES,
    };
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    out.extend_from_slice(&[form, u8::from(nulls.is_some())]);
    if let Some(nulls) = nulls {
        encode_bits(nulls.inner(), out);
    }
    match column {
        Column::Bool(array) => encode_bits(array.values(), out),
        Column::Int(array) | Column::Timestamp(array) => {
            array.values().iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        }
        Column::Float(array) => {
            array.values().iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        }
        Column::Text(array) => {
            let offsets = array.offsets();
            // There is one more than entries.
            let (first, last) = (offsets[0], offsets[array.len()]);
            offsets.iter().skip(1).for_each(|end| out.extend_from_slice(&(end - first).to_le_bytes()));
            out.extend_from_slice(&array.value_data()[first as usize..last as usize]);
        }
        Column::Values(values) => {
            let ends = out.len();
            out.resize(ends + values.len() * 8, 0);
            let start = out.len();
            for (position, value) in values.iter().enumerate() {
                encode_value(value, out);
                let end = (out.len() - start) as u64;
                out[ends + position * 8..][..8].copy_from_slice(&end.to_le_bytes());
            }
        }
    }
}

struct Reader<'b> {
    rest: &'b [u8],
}

fn broken() -> QueryError {
    QueryError::internal("a temporary file does not hold what was written to it")
}

impl<'b> Reader<'b> {
    fn bytes(&mut self, count: usize) -> Result<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(broken)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.bytes(N)?.try_into().map_err(|_| broken())
    }

    fn words(&mut self, count: usize) -> Result<impl Iterator<Item = [u8; 8]> + use<'b>> {
        let bytes = self.bytes(count.checked_mul(8).ok_or_else(broken)?)?;
        Ok(bytes.as_chunks::<8>().0.iter().copied())
    }

    fn bits(&mut self, count: usize) -> Result<BooleanBuffer> {
        Ok(BooleanBuffer::new(Buffer::from(self.bytes(count.div_ceil(8))?), 0, count))
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Batch> {
    let mut reader = Reader { rest: bytes };
    let row_count = usize::try_from(u64::from_le_bytes(reader.array()?)).map_err(|_| broken())?;
    let column_count = u32::from_le_bytes(reader.array()?);
    let columns = (0..column_count).map(|_| decode_column(&mut reader, row_count)).collect::<Result<_>>()?;
    Ok(Batch::new(columns, row_count))
}

fn decode_column(reader: &mut Reader<'_>, row_count: usize) -> Result<Column> {
    let [form, has_nulls] = reader.array()?;
    let nulls = (has_nulls != 0).then(|| reader.bits(row_count).map(NullBuffer::new)).transpose()?;
    Ok(match form {
        BOOL => Column::Bool(BooleanArray::new(reader.bits(row_count)?, nulls)),
        INT | TIMESTAMP => {
            let values: ScalarBuffer<i64> = reader.words(row_count)?.map(i64::from_le_bytes).collect();
            let array = Int64Array::new(values, nulls);
            if form == INT { Column::Int(array) } else { Column::Timestamp(array) }
        }
        FLOAT => {
            let values: ScalarBuffer<f64> = reader.words(row_count)?.map(f64::from_le_bytes).collect();
            Column::Float(Float64Array::new(values, nulls))
        }
        TEXT => {
            let ends = reader.bytes(row_count.checked_mul(4).ok_or_else(broken)?)?;
            let ends = ends.as_chunks::<4>().0.iter().map(|end| i32::from_le_bytes(*end));
            let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
            if !offsets.is_sorted() {
                return Err(broken());
            }
            let length = usize::try_from(offsets[row_count]).map_err(|_| broken())?;
            let data = Buffer::from(reader.bytes(length)?);
            let array = StringArray::try_new(OffsetBuffer::new(offsets.into()), data, nulls);
            Column::Text(array.map_err(|_| broken())?)
        }
        VALUES => {
            let ends: Vec<usize> = reader.words(row_count)?.map(|end| u64::from_le_bytes(end) as usize).collect();
            let mut start = 0;
            let mut values = Vec::with_capacity(row_count);
            for end in ends {
                let length = end.checked_sub(start).ok_or_else(broken)?;
                values.push(decode_value(reader.bytes(length)?)?);
                start = end;
            }
            Column::Values(values.into())
        }
        _ => return Err(broken()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinew_storage::{DataType, Value};

    #[test]
    fn batches_are_read_as_they_were_written() {
        let rows = 70_usize;
        let values = |make: &dyn Fn(usize) -> Value| -> Vec<Value> {
            (0..rows).map(|row| if row % 7 == 3 { Value::Null } else { make(row) }).collect()
        };
        let columns = vec![
            Column::from_values(&DataType::Bool, values(&|row| Value::Bool(row % 2 == 0))),
            Column::from_values(&DataType::Int8, values(&|row| Value::Int(row as i64 - 30))),
            Column::from_values(&DataType::Float8, values(&|row| Value::Float(row as f64 / 3.0))),
            Column::from_values(&DataType::Text, values(&|row| Value::from("é".repeat(row % 5)))),
            Column::from_values(&DataType::Timestamp, values(&|row| Value::Timestamp(row as i64))),
            Column::from_values(&DataType::Date, values(&|row| Value::Date(row as i32))),
        ];
        let batch = Batch::new(columns, rows);
        // A part begins in the middle of a byte of bits.
        for batch in [batch.clone(), batch.slice(13, 29), batch.slice(0, 0), Batch::new(Vec::new(), 5)] {
            let read = decode(&encode(&batch)).expect("it is read");
            assert_eq!(read.row_count, batch.row_count);
            for (read, written) in read.columns.iter().zip(&batch.columns) {
                assert_eq!(std::mem::discriminant(read), std::mem::discriminant(written));
            }
            for row in 0..batch.row_count {
                assert_eq!(read.row(row), batch.row(row));
            }
        }
    }

    #[test]
    fn broken_bytes_are_an_error() {
        let column = Column::from_values(&DataType::Text, vec![Value::from("abc"), Value::Null]);
        let bytes = encode(&Batch::new(vec![column], 2));
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
    }
}
