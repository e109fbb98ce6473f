//! COPY TO STDOUT: rows as CopyData messages.

use bytes::{BufMut, BytesMut};
use memchr::memchr;
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use sinew::query::statement::{CopyFormat, CopyHeader, CopyOptions, OutputColumn};
use sinew::query::types;
use sinew::query::{EvalContext, ExecContext};
use sinew::{Batch, Column, DataType, Result, RowCursor};

use super::backend::{Backend, drive_rows};
use super::encode::{format_int, push_message};

impl Backend {
    /// Sends the whole result; gives the number of rows.
    pub(super) fn copy_out(&mut self, cursor: &mut RowCursor, options: &CopyOptions) -> Result<u64> {
        let binary = options.format == CopyFormat::Binary;
        let count = cursor.columns.len() as i16;
        let format = i8::from(binary);
        push_message(
            &CopyOutResponse::new(format, count, vec![i16::from(format); count.max(0) as usize]),
            &mut self.out,
        );
        // Signature and header travel with what follows them: clients read the first message as a row behind them.
        let mut start = Vec::new();
        if binary {
            start.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
            start.extend_from_slice(&[0; 8]);
        } else if options.header != CopyHeader::None {
            let mut line = Vec::new();
            for (index, column) in cursor.columns.iter().enumerate() {
                start_field(index, options, &mut line);
                // Names are never quoted by force.
                encode_field(column.name.as_bytes(), cursor.columns.len() == 1, false, options, &mut line);
            }
            line.push(b'\n');
            put_copy_data(&line, &mut self.out);
        }
        let columns = cursor.columns.clone();
        let mut line = Vec::new();
        let sent = drive_rows(&self.shared, &mut self.out, cursor, |context, batch, row, out| {
            line.clear();
            if binary {
                line.append(&mut start);
                encode_binary(context, batch, row, &columns, &mut line)?;
            } else {
                encode_text(context, batch, row, &columns, options, &mut line)?;
            }
            put_copy_data(&line, out);
            Ok(())
        })?;
        if binary {
            start.extend_from_slice(&(-1i16).to_be_bytes());
            put_copy_data(&start, &mut self.out);
        }
        push_message(&CopyDone::new(), &mut self.out);
        Ok(sent)
    }
}

fn put_copy_data(data: &[u8], out: &mut BytesMut) {
    out.put_u8(b'd');
    out.put_i32(data.len() as i32 + 4);
    out.put_slice(data);
}

fn encode_binary(
    context: &ExecContext,
    batch: &Batch,
    row: usize,
    columns: &[OutputColumn],
    line: &mut Vec<u8>,
) -> Result<()> {
    line.extend_from_slice(&(batch.columns.len() as i16).to_be_bytes());
    let context = EvalContext::new(context);
    for (data, column) in batch.columns.iter().zip(columns) {
        if data.is_null(row) {
            line.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let start = line.len();
        line.extend_from_slice(&[0; 4]);
        types::to_binary(&context, &data.value(row), &column.ty, line)?;
        let length = (line.len() - start - 4) as i32;
        line[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn encode_text(
    context: &ExecContext,
    batch: &Batch,
    row: usize,
    columns: &[OutputColumn],
    options: &CopyOptions,
    line: &mut Vec<u8>,
) -> Result<()> {
    let context = EvalContext::new(context);
    let is_only = columns.len() == 1;
    for (index, (data, column)) in batch.columns.iter().zip(columns).enumerate() {
        start_field(index, options, line);
        if data.is_null(row) {
            line.extend_from_slice(options.null.as_bytes());
            continue;
        }
        let forced = options.force_quote.get(index).copied().unwrap_or(false);
        match (data, &column.ty) {
            (Column::Text(array), DataType::Text | DataType::Varchar(_) | DataType::Name) => {
                encode_field(array.value(row).as_bytes(), is_only, forced, options, line);
            }
            (Column::Int(array), DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid) => {
                encode_field(format_int(array.value(row), &mut [0; 20]), is_only, forced, options, line);
            }
            _ => {
                let text = types::to_text(&context, &data.value(row), &column.ty)?;
                encode_field(text.as_bytes(), is_only, forced, options, line);
            }
        }
    }
    line.push(b'\n');
    Ok(())
}

pub(super) fn start_field(index: usize, options: &CopyOptions, line: &mut Vec<u8>) {
    if index > 0 {
        line.push(options.delimiter);
    }
}

/// A value as text or CSV. `is_only`: no other stands on the line; `forced`: CSV quotes it in any case.
pub(super) fn encode_field(field: &[u8], is_only: bool, forced: bool, options: &CopyOptions, line: &mut Vec<u8>) {
    match options.format {
        CopyFormat::Csv => encode_csv_field(field, is_only, forced, options, line),
        _ => encode_text_field(field, options, line),
    }
}

fn encode_text_field(field: &[u8], options: &CopyOptions, line: &mut Vec<u8>) {
    let mut rest = field;
    loop {
        let special = |byte: &u8| matches!(byte, 8..=13 | b'\\') || *byte == options.delimiter;
        let Some(at) = rest.iter().position(special) else {
            line.extend_from_slice(rest);
            return;
        };
        line.extend_from_slice(&rest[..at]);
        let letter = match rest[at] {
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            byte => byte,
        };
        line.extend_from_slice(&[b'\\', letter]);
        rest = &rest[at + 1..];
    }
}

fn encode_csv_field(field: &[u8], is_only: bool, forced: bool, options: &CopyOptions, line: &mut Vec<u8>) {
    let special = |byte: &u8| *byte == options.delimiter || *byte == options.quote || matches!(*byte, b'\n' | b'\r');
    // `\.` alone would read as the end of the data, the NULL text as NULL.
    let quoted =
        forced || field.iter().any(special) || field == options.null.as_bytes() || (is_only && field == b"\\.");
    if !quoted {
        line.extend_from_slice(field);
        return;
    }
    line.push(options.quote);
    if options.quote == options.escape && memchr(options.quote, field).is_none() {
        line.extend_from_slice(field);
    } else {
        for byte in field {
            if *byte == options.quote || *byte == options.escape {
                line.push(options.escape);
            }
            line.push(*byte);
        }
    }
    line.push(options.quote);
}
