//! `sinew export`: a table or a query into a file of CSV, JSON lines or Parquet, by COPY.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use clap::Args;
use futures::StreamExt;
use tokio_postgres::types::{Kind, Type};
use tokio_postgres::{Client, Column};

use super::import::{Format, qualified, quoted, told};
use super::parquet::ParquetTarget;
use super::progress::Progress;
use super::remote::{connect, dsn_or_default, runtime};
use super::say;

/// What is written, and where.
#[derive(Args, Debug)]
pub struct Export {
    /// File to write, which must not exist; - for standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Table to write, with its schema or without
    #[arg(long, value_name = "TABLE", required_unless_present = "query", conflicts_with = "query")]
    table: Option<String>,
    /// Query to write the rows of, SQL or Cypher
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// csv, jsonl or parquet; by the file's name unless given
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Server to ask, the one on 127.0.0.1:5433 unless given [env: SINEW_DSN]
    #[arg(long, value_name = "DSN")]
    dsn: Option<String>,
}

/// Writes the rows; a file of which not all could be written is removed.
pub fn run(export: Export) -> Result<ExitCode, String> {
    let format = Format::of(export.format.as_deref(), &export.file)?;
    let is_standard_output = export.file.as_os_str() == "-";
    let at = |error: io::Error| format!("{}: {error}", export.file.display());
    let out: Box<dyn Write + Send> = if is_standard_output {
        Box::new(io::stdout())
    } else {
        Box::new(OpenOptions::new().write(true).create_new(true).open(&export.file).map_err(at)?)
    };
    let mut out = BufWriter::new(out);
    let written = runtime()?.block_on(async {
        let (client, driver) = connect(&dsn_or_default(export.dsn.clone()), "sinew export").await?;
        let written = write(&client, &export, format, &mut out).await;
        drop(client);
        let _ = driver.await;
        written
    });
    let written = written.and_then(|rows| out.flush().map(|()| rows).map_err(at));
    match written {
        Ok(_) if is_standard_output => Ok(ExitCode::SUCCESS),
        Ok(rows) => say(&format!("exported {rows} rows to {}", export.file.display())),
        Err(error) => {
            if !is_standard_output {
                let _ = std::fs::remove_file(&export.file);
            }
            Err(error)
        }
    }
}

async fn write(client: &Client, export: &Export, format: Format, out: &mut (impl Write + Send)) -> Result<u64, String> {
    let query = match (&export.table, &export.query) {
        (Some(table), _) => format!("SELECT * FROM {}", qualified(table)),
        (None, Some(query)) => query.trim().trim_end_matches(';').to_owned(),
        (None, None) => return Err("no table and no query given".to_owned()),
    };
    let statement = client.prepare(&query).await.map_err(|error| told(&error))?;
    if statement.columns().is_empty() {
        return Err("the query gives no columns".to_owned());
    }
    let columns = statement.columns();
    let text = match format {
        Format::Csv => format!("COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"),
        Format::JsonLines | Format::Parquet => format!("COPY ({}) TO STDOUT", with_json_arrays(&query, columns)),
    };
    if format == Format::Parquet {
        // Points in time are written in UTC, whatever the server's zone.
        client.batch_execute("SET TimeZone = 'UTC'").await.map_err(|error| told(&error))?;
    }
    let mut stream = pin!(client.copy_out(&text).await.map_err(|error| told(&error))?);
    let progress = Progress::spinner("export");
    let mut row_count = 0u64;
    if format == Format::Parquet {
        let mut target = ParquetTarget::create(out, columns)?;
        while let Some(row) = stream.next().await {
            let row = row.map_err(|error| told(&error))?;
            target.push(fields(&row))?;
            row_count += 1;
            progress.count(row_count);
        }
        target.finish()?;
        return Ok(row_count);
    }
    let mut line = Vec::new();
    while let Some(row) = stream.next().await {
        let row = row.map_err(|error| told(&error))?;
        if format == Format::JsonLines {
            line.clear();
            json_line(&row, columns, &mut line);
            out.write_all(&line)
        } else {
            out.write_all(&row)
        }
        .map_err(|error| format!("{}: {error}", export.file.display()))?;
        row_count += 1;
        progress.count(row_count);
    }
    // Each message is a row; CSV's first one is the header.
    Ok(row_count - u64::from(format == Format::Csv && row_count > 0))
}

/// Arrays of SQL as JSON; other values come as text and are told apart by their types.
fn with_json_arrays(query: &str, columns: &[Column]) -> String {
    let is_array = |column: &Column| matches!(column.type_().kind(), Kind::Array(_));
    if !columns.iter().any(is_array) {
        return query.to_owned();
    }
    let names: Vec<String> = (0..columns.len()).map(|index| quoted(&format!("c{index}"))).collect();
    let items: Vec<String> = names
        .iter()
        .zip(columns)
        .map(|(name, column)| if is_array(column) { format!("to_jsonb({name})") } else { name.clone() })
        .collect();
    format!("SELECT {} FROM ({query}) exported ({})", items.join(", "), names.join(", "))
}

/// The fields of a line of COPY's text format; None is NULL.
fn fields(line: &[u8]) -> impl Iterator<Item = Option<String>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.split(|byte| *byte == b'\t').map(|field| (field != b"\\N").then(|| unescaped(field)))
}

/// A line of COPY's text format as an object.
fn json_line(line: &[u8], columns: &[Column], out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (field, column)) in fields(line).zip(columns).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_string(column.name(), out);
        out.push(b':');
        match field {
            None => out.extend_from_slice(b"null"),
            Some(text) => push_value(&text, column.type_(), out),
        }
    }
    out.extend_from_slice(b"}\n");
}

fn push_value(text: &str, ty: &Type, out: &mut Vec<u8>) {
    let is_json = *ty == Type::JSON || *ty == Type::JSONB || matches!(ty.kind(), Kind::Array(_));
    let is_number =
        [Type::INT2, Type::INT4, Type::INT8, Type::OID, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC].contains(ty);
    if *ty == Type::BOOL {
        out.extend_from_slice(if text == "t" { b"true" } else { b"false" });
    } else if is_json || is_number && text.ends_with(|c: char| c.is_ascii_digit()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        // NaN and the infinities are no numbers of JSON.
        push_string(text, out);
    }
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// A field of COPY's text format without its escapes.
fn unescaped(field: &[u8]) -> String {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 11,
                Some(other) => other,
                None => b'\\',
            },
            byte => byte,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_kind() {
        let value = |text: &str, ty: Type| {
            let mut out = Vec::new();
            push_value(text, &ty, &mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(value("t", Type::BOOL), "true");
        assert_eq!(value("12.50", Type::NUMERIC), "12.50");
        assert_eq!(value("NaN", Type::FLOAT8), "\"NaN\"");
        assert_eq!(value("{\"a\": 1}", Type::JSONB), "{\"a\": 1}");
        assert_eq!(value("[1,2]", Type::INT4_ARRAY), "[1,2]");
        assert_eq!(value("a \"b\"\n", Type::TEXT), "\"a \\\"b\\\"\\n\"");
        assert_eq!(unescaped(b"a\\tb\\\\c\\nd"), "a\tb\\c\nd");
    }
}
