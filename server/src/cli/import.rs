//! `sinew import`: a file of CSV, JSON lines or Parquet into a table, by COPY.
//!
//! CSV goes to the server as it is, so that the lines of its errors are those of the file. Of JSON lines each object becomes
//! one line of COPY's text format, for the same reason, and so does each row of Parquet. Columns are found by name: those of CSV's first line, or the keys
//! of the objects, or Parquet's own names. Everything is one transaction: a file that fails leaves nothing, the table made for it included.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use futures::SinkExt;
use serde_json::Value as Json;
use tokio_postgres::Client;
use tokio_postgres::CopyInSink;

use super::infer::{Inferred, infer_csv, infer_json};
use super::parquet::ParquetSource;
use super::progress::Progress;
use super::remote::{chain, connect, dsn_or_default, runtime};
use super::say;

/// Bytes sent in one message.
const PIECE_SIZE_BYTES: usize = 256 << 10;
/// Bytes at a file's beginning that its columns are taken from.
const SAMPLE_SIZE_BYTES: u64 = 4 << 20;
/// A line of JSON may be as long as a message.
const LINE_LIMIT_BYTES: usize = 64 << 20;

/// How a file is read.
#[derive(Args, Debug)]
pub struct Import {
    /// File to read
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Table to fill, with its schema or without
    #[arg(long, value_name = "TABLE")]
    table: String,
    /// csv, jsonl or parquet; by the file's name unless given
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Create the table first, with types that fit the beginning of the file
    #[arg(long)]
    create: bool,
    /// Between the values of CSV
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    delimiter: char,
    /// Server to fill, the one on 127.0.0.1:5433 unless given [env: SINEW_DSN]
    #[arg(long, value_name = "DSN")]
    dsn: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
    Parquet,
}

impl Format {
    /// As given, else by the name of the file.
    pub fn of(given: Option<&str>, file: &Path) -> Result<Format, String> {
        let name =
            given.map(str::to_owned).or_else(|| file.extension().map(|name| name.to_string_lossy().into_owned()));
        match name.as_deref().map(str::to_lowercase).as_deref() {
            Some("csv") => Ok(Format::Csv),
            Some("jsonl" | "ndjson" | "json") => Ok(Format::JsonLines),
            Some("parquet") => Ok(Format::Parquet),
            Some(other) => Err(format!("format \"{other}\" is not known: csv, jsonl or parquet")),
            None => {
                let name = file.display();
                Err(format!("{name} has no ending that names its format: give --format csv, jsonl or parquet"))
            }
        }
    }
}

/// Reads the file and copies it.
pub fn run(import: Import) -> Result<ExitCode, String> {
    let format = Format::of(import.format.as_deref(), &import.file)?;
    if format == Format::Csv && !import.delimiter.is_ascii() {
        return Err("the delimiter must be one byte".to_owned());
    }
    let at = |error: io::Error| format!("{}: {error}", import.file.display());
    let file = File::open(&import.file).map_err(at)?;
    let size_bytes = file.metadata().map_err(at)?.len();
    let mut sample = Vec::new();
    file.take(SAMPLE_SIZE_BYTES).read_to_end(&mut sample).map_err(at)?;
    let is_whole = sample.len() as u64 == size_bytes;
    let located = |error: String| format!("{}, {error}", import.file.display());
    let (inferred, source) = match format {
        Format::Csv => {
            (infer_csv(&sample, is_whole, import.delimiter as u8).map_err(located)?, Source::Bytes { size_bytes })
        }
        Format::JsonLines => (infer_json(&sample, is_whole).map_err(located)?, Source::Bytes { size_bytes }),
        Format::Parquet => {
            let (source, columns) = ParquetSource::open(&import.file)?;
            (columns, Source::Parquet(Box::new(source)))
        }
    };
    drop(sample);
    let rows = runtime()?.block_on(copy(&import, format, &inferred, &source))?;
    say(&format!("imported {rows} rows into {}", import.table))
}

/// Where the rows come from.
enum Source {
    /// The file's text, of this size.
    Bytes {
        size_bytes: u64,
    },
    Parquet(Box<ParquetSource>),
}

async fn copy(import: &Import, format: Format, inferred: &[Inferred], source: &Source) -> Result<u64, String> {
    let (mut client, driver) = connect(&dsn_or_default(import.dsn.clone()), "sinew import").await?;
    let copied = in_transaction(&mut client, import, format, inferred, source).await;
    drop(client);
    let _ = driver.await;
    copied
}

async fn in_transaction(
    client: &mut Client,
    import: &Import,
    format: Format,
    inferred: &[Inferred],
    source: &Source,
) -> Result<u64, String> {
    let table = qualified(&import.table);
    let transaction = client.transaction().await.map_err(|error| told(&error))?;
    if import.create {
        let columns: Vec<String> =
            inferred.iter().map(|column| format!("{} {}", quoted(&column.name), column.ty.sql())).collect();
        let create = format!("CREATE TABLE {table} ({})", columns.join(", "));
        transaction.batch_execute(&create).await.map_err(|error| told(&error))?;
    }
    let names: Vec<String> = inferred.iter().map(|column| quoted(&column.name)).collect();
    let options = match format {
        Format::Csv => {
            format!("(FORMAT csv, HEADER, DELIMITER '{}')", import.delimiter.to_string().replace('\'', "''"))
        }
        Format::JsonLines | Format::Parquet => "(FORMAT text)".to_owned(),
    };
    let text = format!("COPY {table} ({}) FROM STDIN {options}", names.join(", "));
    let sink = transaction.copy_in(&text).await.map_err(|error| told(&error))?;
    let rows = match source {
        Source::Bytes { size_bytes } => send(sink, import, format, inferred, *size_bytes).await?,
        Source::Parquet(parquet) => send_rows(sink, parquet).await?,
    };
    transaction.commit().await.map_err(|error| told(&error))?;
    Ok(rows)
}

async fn send_rows(sink: CopyInSink<Bytes>, source: &ParquetSource) -> Result<u64, String> {
    let mut sink = pin!(sink);
    let mut progress = Progress::new("import");
    let mut lines = source.rows()?;
    let mut done = 0;
    let mut is_more = true;
    while is_more {
        let mut piece = Vec::with_capacity(PIECE_SIZE_BYTES);
        while is_more && piece.len() < PIECE_SIZE_BYTES {
            is_more = lines.push_next(&mut piece)?;
            done += u64::from(is_more);
        }
        sink.send(Bytes::from(piece)).await.map_err(|error| told(&error))?;
        progress.update(done, source.row_count);
    }
    sink.as_mut().finish().await.map_err(|error| told(&error))
}

async fn send(
    sink: CopyInSink<Bytes>,
    import: &Import,
    format: Format,
    columns: &[Inferred],
    size_bytes: u64,
) -> Result<u64, String> {
    let mut sink = pin!(sink);
    let mut progress = Progress::of_bytes("import");
    let mut done_bytes = 0u64;
    let at = |error: io::Error| format!("{}: {error}", import.file.display());
    let mut reader = BufReader::with_capacity(PIECE_SIZE_BYTES, File::open(&import.file).map_err(at)?);
    let mut piece = Vec::with_capacity(2 * PIECE_SIZE_BYTES);
    let mut line_number = 0u64;
    let mut line = Vec::new();
    loop {
        piece.clear();
        if format == Format::JsonLines {
            while piece.len() < PIECE_SIZE_BYTES {
                line.clear();
                let read = (&mut reader).take(LINE_LIMIT_BYTES as u64).read_until(b'\n', &mut line).map_err(at)?;
                if read == 0 {
                    break;
                }
                line_number += 1;
                done_bytes += read as u64;
                copy_line(&line, columns, &mut piece)
                    .map_err(|error| format!("{}, line {line_number}: {error}", import.file.display()))?;
            }
        } else {
            let data = reader.fill_buf().map_err(at)?;
            piece.extend_from_slice(data);
            let length = data.len();
            reader.consume(length);
            done_bytes += length as u64;
        }
        if piece.is_empty() {
            break;
        }
        sink.send(Bytes::copy_from_slice(&piece)).await.map_err(|error| told(&error))?;
        progress.update(done_bytes, size_bytes);
    }
    sink.as_mut().finish().await.map_err(|error| told(&error))
}

/// One object as a line of COPY's text format, in the order of the columns. Keys that are absent are NULL.
fn copy_line(line: &[u8], columns: &[Inferred], out: &mut Vec<u8>) -> Result<(), String> {
    let value: Json = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let Json::Object(object) = value else { return Err("this is no JSON object".to_owned()) };
    if let Some(unknown) = object.keys().find(|key| !columns.iter().any(|column| column.name == **key)) {
        return Err(format!("the key \"{unknown}\" does not occur at the beginning of the file"));
    }
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        match object.get(&column.name) {
            None | Some(Json::Null) => out.extend_from_slice(b"\\N"),
            Some(Json::String(text)) => escape(text, out),
            Some(other) => escape(&other.to_string(), out),
        }
    }
    out.push(b'\n');
    Ok(())
}

/// A value as a field of COPY's text format.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
}

/// The server's error with its place in the data.
pub fn told(error: &tokio_postgres::Error) -> String {
    let Some(told) = error.as_db_error() else { return chain(error) };
    let mut out = format!("{} ({})", told.message(), told.code().code());
    for more in [told.detail(), told.where_(), told.hint()].into_iter().flatten() {
        out.push_str("; ");
        out.push_str(more);
    }
    out
}

pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name as the user wrote it: `schema.name`, where either may be quoted.
pub fn qualified(name: &str) -> String {
    if name.contains('"') {
        return name.to_owned();
    }
    name.split('.').map(|part| quoted(&part.to_lowercase())).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::infer::ColumnType;

    #[test]
    fn objects_become_lines() {
        let column = |name: &str| Inferred { name: name.to_owned(), ty: ColumnType::Text };
        let columns = [column("a"), column("b"), column("c")];
        let line = |text: &str| {
            let mut out = Vec::new();
            copy_line(text.as_bytes(), &columns, &mut out).map(|()| String::from_utf8(out).expect("UTF-8"))
        };
        assert_eq!(line(r#"{"b": "x\ty\\z", "a": 1}"#).as_deref(), Ok("1\tx\\ty\\\\z\t\\N\n"));
        assert_eq!(
            line(r#"{"a": null, "b": [1, {"k": true}], "c": 1.5}"#).as_deref(),
            Ok("\\N\t[1,{\"k\":true}]\t1.5\n")
        );
        assert!(line(r#"{"d": 1}"#).is_err_and(|error| error.contains("\"d\"")));
        assert!(line("[1]").is_err() && line("{").is_err());
    }

    #[test]
    fn names_and_formats() {
        assert_eq!(qualified("Public.T"), "\"public\".\"t\"");
        assert_eq!(qualified("s.\"T\""), "s.\"T\"");
        assert_eq!(Format::of(None, Path::new("a/b.CSV")), Ok(Format::Csv));
        assert_eq!(Format::of(Some("jsonl"), Path::new("b.csv")), Ok(Format::JsonLines));
        assert_eq!(Format::of(None, Path::new("b.parquet")), Ok(Format::Parquet));
        assert!(Format::of(None, Path::new("b")).is_err() && Format::of(None, Path::new("b.orc")).is_err());
    }
}
