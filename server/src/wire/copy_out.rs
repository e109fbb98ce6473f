//! COPY TO STDOUT: rows as CopyData messages.

use bytes::{BufMut, BytesMut};
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use sinew::query::statement::{CopyFormat, CopyOptions, OutputColumn};
use sinew::query::types;
use sinew::query::{EvalContext, ExecContext};
use sinew::{Batch, Result, RowCursor};

use super::backend::{Backend, drive_rows};
use super::encode::push_message;

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
        } else if options.header {
            let names: Vec<Option<&[u8]>> = cursor.columns.iter().map(|column| Some(column.name.as_bytes())).collect();
            let mut line = Vec::new();
            encode_line(&names, options, &mut line);
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
    let mut texts = Vec::with_capacity(columns.len());
    for (data, column) in batch.columns.iter().zip(columns) {
        texts.push(match data.is_null(row) {
            true => None,
            false => Some(types::to_text(&context, &data.value(row), &column.ty)?),
        });
    }
    let fields: Vec<Option<&[u8]>> = texts.iter().map(|text| text.as_ref().map(|text| text.as_bytes())).collect();
    encode_line(&fields, options, line);
    Ok(())
}

/// One line of text or CSV with its newline. None is NULL.
pub(super) fn encode_line(fields: &[Option<&[u8]>], options: &CopyOptions, line: &mut Vec<u8>) {
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            line.push(options.delimiter);
        }
        match (field, options.format) {
            (None, _) => line.extend_from_slice(options.null.as_bytes()),
            (Some(field), CopyFormat::Csv) => encode_csv_field(field, fields.len() == 1, options, line),
            (Some(field), _) => encode_text_field(field, options, line),
        }
    }
    line.push(b'\n');
}

fn encode_text_field(field: &[u8], options: &CopyOptions, line: &mut Vec<u8>) {
    for byte in field {
        let letter = match byte {
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b'\\' => b'\\',
            byte if *byte == options.delimiter => *byte,
            byte => {
                line.push(*byte);
                continue;
            }
        };
        line.extend_from_slice(&[b'\\', letter]);
    }
}

fn encode_csv_field(field: &[u8], is_only: bool, options: &CopyOptions, line: &mut Vec<u8>) {
    let special = |byte: &u8| *byte == options.delimiter || *byte == options.quote || matches!(*byte, b'\n' | b'\r');
    // `\.` alone would read as the end of the data, the NULL text as NULL.
    let quoted = field.iter().any(special) || field == options.null.as_bytes() || (is_only && field == b"\\.");
    if !quoted {
        line.extend_from_slice(field);
        return;
    }
    line.push(options.quote);
    for byte in field {
        if *byte == options.quote || *byte == options.escape {
            line.push(options.escape);
        }
        line.push(*byte);
    }
    line.push(options.quote);
}
