//! Writing: fields of COPY's text format into columns.
//!
//! Rows are collected by column and written as a row group when they are many or large. Types that Parquet has keep
//! their kind (dates and times to the microsecond, a point in time in UTC); numeric, which has no bound in SQL, and
//! everything else is text, arrays are JSON.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use tokio_postgres::Column;
use tokio_postgres::types::{Kind, Type as Sql};

const GROUP_ROWS: usize = 128 << 10;
const GROUP_SIZE_BYTES: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Bytes,
    Plain,
}

enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
}

struct TargetColumn {
    name: String,
    kept: Kept,
    values: Values,
    /// 1 for a value, 0 for NULL.
    levels: Vec<i16>,
}

/// A file being written.
pub struct ParquetTarget<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<TargetColumn>,
    row_count: usize,
    size_bytes: usize,
}

impl<W: Write + Send> ParquetTarget<W> {
    pub fn create(out: W, columns: &[Column]) -> Result<ParquetTarget<W>, String> {
        let mut fields = Vec::with_capacity(columns.len());
        let mut targets = Vec::with_capacity(columns.len());
        for column in columns {
            let (physical, logical, kept, values) = layout(column.type_());
            let field = Type::primitive_type_builder(column.name(), physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
                .map_err(|error| error.to_string())?;
            fields.push(Arc::new(field));
            targets.push(TargetColumn { name: column.name().to_owned(), kept, values, levels: Vec::new() });
        }
        let schema =
            Type::group_type_builder("schema").with_fields(fields).build().map_err(|error| error.to_string())?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))
            .map_err(|error| error.to_string())?;
        Ok(ParquetTarget { writer, columns: targets, row_count: 0, size_bytes: 0 })
    }

    /// Takes one row; None is NULL.
    pub fn push(&mut self, fields: impl Iterator<Item = Option<String>>) -> Result<(), String> {
        for (column, field) in self.columns.iter_mut().zip(fields) {
            let Some(text) = field else {
                column.levels.push(0);
                continue;
            };
            column.levels.push(1);
            self.size_bytes += text.len() + 8;
            column.push(&text).map_err(|error| format!("column \"{}\": {error}: \"{text}\"", column.name))?;
        }
        self.row_count += 1;
        if self.row_count >= GROUP_ROWS || self.size_bytes >= GROUP_SIZE_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    /// Writes what is left and the footer.
    pub fn finish(mut self) -> Result<(), String> {
        if self.row_count > 0 {
            self.write_group()?;
        }
        self.writer.close().map(|_| ()).map_err(|error| error.to_string())
    }

    fn write_group(&mut self) -> Result<(), String> {
        (self.row_count, self.size_bytes) = (0, 0);
        let columns = &mut self.columns;
        let write = || -> parquet::errors::Result<()> {
            let mut group = self.writer.next_row_group()?;
            for column in columns {
                let Some(mut writer) = group.next_column()? else { break };
                let levels = Some(&column.levels[..]);
                match &mut column.values {
                    Values::Bool(values) => {
                        writer.typed::<BoolType>().write_batch(values, levels, None)?;
                        values.clear();
                    }
                    Values::Int32(values) => {
                        writer.typed::<Int32Type>().write_batch(values, levels, None)?;
                        values.clear();
                    }
                    Values::Int64(values) => {
                        writer.typed::<Int64Type>().write_batch(values, levels, None)?;
                        values.clear();
                    }
                    Values::Float(values) => {
                        writer.typed::<FloatType>().write_batch(values, levels, None)?;
                        values.clear();
                    }
                    Values::Double(values) => {
                        writer.typed::<DoubleType>().write_batch(values, levels, None)?;
                        values.clear();
                    }
                    Values::Bytes(values) => {
                        writer.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                        values.clear();
                    }
                }
                column.levels.clear();
                writer.close()?;
            }
            group.close().map(|_| ())
        };
        write().map_err(|error| error.to_string())
    }
}

impl TargetColumn {
    fn push(&mut self, text: &str) -> Result<(), String> {
        let unreadable = || "this value does not fit into Parquet's type".to_owned();
        match (&mut self.values, self.kept) {
            (Values::Int32(values), Kept::Date) => {
                let date: jiff::civil::Date = text.parse().map_err(|_| unreadable())?;
                let epoch = jiff::civil::date(1970, 1, 1);
                let days = date.duration_since(epoch).as_secs() / 86_400;
                values.push(i32::try_from(days).map_err(|_| unreadable())?);
            }
            (Values::Int64(values), Kept::Time) => {
                let time: jiff::civil::Time = text.parse().map_err(|_| unreadable())?;
                values.push(time.duration_since(jiff::civil::Time::midnight()).as_micros() as i64);
            }
            (Values::Int64(values), Kept::Timestamp) => {
                let at: jiff::civil::DateTime = text.parse().map_err(|_| unreadable())?;
                let micros = at.duration_since(jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0)).as_micros();
                values.push(i64::try_from(micros).map_err(|_| unreadable())?);
            }
            (Values::Int64(values), Kept::Timestamptz) => {
                let at: jiff::Timestamp = text.parse().map_err(|_| unreadable())?;
                values.push(at.as_microsecond());
            }
            (Values::Bytes(values), Kept::Bytes) => {
                let digits = text.strip_prefix("\\x").ok_or_else(unreadable)?.as_bytes();
                let byte =
                    |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
                let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
                values.push(ByteArray::from(bytes.ok_or_else(unreadable)?));
            }
            (Values::Bool(values), _) => values.push(text == "t"),
            (Values::Int32(values), _) => values.push(text.parse().map_err(|_| unreadable())?),
            (Values::Int64(values), _) => values.push(text.parse().map_err(|_| unreadable())?),
            (Values::Float(values), _) => values.push(text.parse().map_err(|_| unreadable())?),
            (Values::Double(values), _) => values.push(text.parse().map_err(|_| unreadable())?),
            (Values::Bytes(values), _) => values.push(ByteArray::from(text)),
        }
        Ok(())
    }
}

fn layout(ty: &Sql) -> (Physical, Option<LogicalType>, Kept, Values) {
    let micros = TimeUnit::MICROS;
    match *ty {
        Sql::BOOL => (Physical::BOOLEAN, None, Kept::Plain, Values::Bool(Vec::new())),
        Sql::INT2 | Sql::INT4 => (Physical::INT32, None, Kept::Plain, Values::Int32(Vec::new())),
        Sql::INT8 | Sql::OID => (Physical::INT64, None, Kept::Plain, Values::Int64(Vec::new())),
        Sql::FLOAT4 => (Physical::FLOAT, None, Kept::Plain, Values::Float(Vec::new())),
        Sql::FLOAT8 => (Physical::DOUBLE, None, Kept::Plain, Values::Double(Vec::new())),
        Sql::DATE => (Physical::INT32, Some(LogicalType::Date), Kept::Date, Values::Int32(Vec::new())),
        Sql::TIME => (Physical::INT64, Some(LogicalType::time(false, micros)), Kept::Time, Values::Int64(Vec::new())),
        Sql::TIMESTAMP => {
            (Physical::INT64, Some(LogicalType::timestamp(false, micros)), Kept::Timestamp, Values::Int64(Vec::new()))
        }
        Sql::TIMESTAMPTZ => {
            let logical = Some(LogicalType::timestamp(true, micros));
            (Physical::INT64, logical, Kept::Timestamptz, Values::Int64(Vec::new()))
        }
        Sql::BYTEA => (Physical::BYTE_ARRAY, None, Kept::Bytes, Values::Bytes(Vec::new())),
        _ => {
            let is_json = *ty == Sql::JSON || *ty == Sql::JSONB || matches!(ty.kind(), Kind::Array(_));
            let logical = if is_json { LogicalType::Json } else { LogicalType::String };
            (Physical::BYTE_ARRAY, Some(logical), Kept::Plain, Values::Bytes(Vec::new()))
        }
    }
}
