//! Reading: each row becomes a line of COPY's text format.
//!
//! Columns of a plain type take the SQL type that holds all their values; lists, maps and structs become jsonb. Points in time
//! in nanoseconds lose what is below the microsecond.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::Value as Json;

use crate::cli::import::escape;
use crate::cli::infer::{ColumnType, Inferred};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How the values of a column are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Plain,
    /// A point in time, in nanoseconds; in UTC or in no zone.
    Nanoseconds,
    /// Nanoseconds since midnight.
    TimeNanoseconds,
    Uuid,
}

/// A file that is open.
pub struct ParquetSource {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    readings: Vec<Reading>,
    pub row_count: u64,
}

impl ParquetSource {
    /// Opens a file; gives its columns.
    pub fn open(path: &Path) -> Result<(ParquetSource, Vec<Inferred>), String> {
        let told = |error: String| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|error| told(error.to_string()))?;
        let reader = guarded(|| SerializedFileReader::new(file)).map_err(told)?;
        let metadata = reader.metadata().file_metadata();
        let row_count = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let mut columns = Vec::new();
        let mut readings = Vec::new();
        for field in metadata.schema_descr().root_schema().get_fields() {
            let (ty, reading) =
                column_type(field).map_err(|error| told(format!("column \"{}\": {error}", field.name())))?;
            columns.push(Inferred { name: field.name().to_owned(), ty });
            readings.push(reading);
        }
        if columns.is_empty() {
            return Err(told("the file has no columns".to_owned()));
        }
        Ok((ParquetSource { path: path.to_owned(), reader, readings, row_count }, columns))
    }

    /// The rows, in order.
    pub fn rows(&self) -> Result<Lines<'_>, String> {
        let rows = guarded(|| self.reader.get_row_iter(None)).map_err(|error| self.told(&error))?;
        Ok(Lines { source: self, rows, number: 0 })
    }

    fn told(&self, error: &str) -> String {
        format!("{}: {error}", self.path.display())
    }
}

/// The library asserts where a damaged file contradicts itself.
fn guarded<T>(read: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the file is damaged".to_owned()),
    }
}

/// Lines of COPY's text format.
pub struct Lines<'a> {
    source: &'a ParquetSource,
    rows: RowIter<'a>,
    number: u64,
}

impl Lines<'_> {
    /// Appends the next row; false at the end.
    pub fn push_next(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
        self.number += 1;
        let number = self.number;
        let located = |error: String| self.source.told(&format!("row {number}: {error}"));
        let rows = &mut self.rows;
        let Some(row) = guarded(|| rows.next().transpose()).map_err(located)? else { return Ok(false) };
        self.push_row(&row, out).map_err(located)?;
        Ok(true)
    }

    fn push_row(&self, row: &Row, out: &mut Vec<u8>) -> Result<(), String> {
        for (index, ((_, field), reading)) in row.get_column_iter().zip(&self.source.readings).enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            match text_of(field, *reading)? {
                None => out.extend_from_slice(b"\\N"),
                Some(text) => escape(&text, out),
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

fn column_type(field: &Type) -> Result<(ColumnType, Reading), String> {
    check_readable(field)?;
    let is_repeated = field.get_basic_info().has_repetition()
        && field.get_basic_info().repetition() == parquet::basic::Repetition::REPEATED;
    if field.is_group() || is_repeated {
        return Ok((ColumnType::Json, Reading::Plain));
    }
    let info = field.get_basic_info();
    let plain = |ty| Ok((ty, Reading::Plain));
    match info.logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => {
            let ty = if timestamp.is_adjusted_to_u_t_c { ColumnType::Timestamp } else { ColumnType::LocalTimestamp };
            let reading = if timestamp.unit == TimeUnit::NANOS { Reading::Nanoseconds } else { Reading::Plain };
            return Ok((ty, reading));
        }
        Some(LogicalType::Time(time)) if time.unit == TimeUnit::NANOS => {
            return Ok((ColumnType::Time, Reading::TimeNanoseconds));
        }
        Some(LogicalType::Uuid) => return Ok((ColumnType::Uuid, Reading::Uuid)),
        Some(LogicalType::Float16) => return plain(ColumnType::Float),
        _ => {}
    }
    match info.converted_type() {
        ConvertedType::UTF8 | ConvertedType::ENUM => return plain(ColumnType::Text),
        ConvertedType::JSON => return plain(ColumnType::Json),
        ConvertedType::DECIMAL | ConvertedType::UINT_64 => return plain(ColumnType::Numeric),
        ConvertedType::DATE => return plain(ColumnType::Date),
        ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS => return plain(ColumnType::Time),
        ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS => return plain(ColumnType::Timestamp),
        _ => {}
    }
    plain(match field.get_physical_type() {
        Physical::BOOLEAN => ColumnType::Bool,
        Physical::INT32 | Physical::INT64 => ColumnType::Integer,
        Physical::INT96 => ColumnType::LocalTimestamp,
        Physical::FLOAT | Physical::DOUBLE => ColumnType::Float,
        Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => ColumnType::Bytes,
    })
}

/// What the library cannot read it asserts on.
fn check_readable(field: &Type) -> Result<(), String> {
    if field.is_group() {
        return field.get_fields().iter().try_for_each(|inner| check_readable(inner));
    }
    match (field.get_basic_info().logical_type_ref(), field.get_basic_info().converted_type()) {
        (_, ConvertedType::INTERVAL) => Err("values of Parquet's type INTERVAL cannot be read".to_owned()),
        (Some(LogicalType::Variant(_)), _) => Err("values of Parquet's type VARIANT cannot be read".to_owned()),
        _ => Ok(()),
    }
}

/// A value as SQL reads it; None is NULL.
fn text_of(field: &Field, reading: Reading) -> Result<Option<String>, String> {
    Ok(Some(match (field, reading) {
        (Field::Null, _) => return Ok(None),
        (Field::Long(value), Reading::Nanoseconds) => timestamp(value.div_euclid(1000))?,
        (Field::Long(value), Reading::TimeNanoseconds) => time(value.div_euclid(1000))?,
        (Field::Bytes(bytes), Reading::Uuid) => match <[u8; 16]>::try_from(bytes.data()) {
            Ok(bytes) => uuid::Uuid::from_bytes(bytes).to_string(),
            Err(_) => return Err("a UUID has not 16 bytes".to_owned()),
        },
        (Field::Bool(value), _) => if *value { "t" } else { "f" }.to_owned(),
        (Field::Byte(value), _) => value.to_string(),
        (Field::Short(value), _) => value.to_string(),
        (Field::Int(value), _) => value.to_string(),
        (Field::Long(value), _) => value.to_string(),
        (Field::UByte(value), _) => value.to_string(),
        (Field::UShort(value), _) => value.to_string(),
        (Field::UInt(value), _) => value.to_string(),
        (Field::ULong(value), _) => value.to_string(),
        (Field::Float16(value), _) => f32::from(*value).to_string(),
        (Field::Float(value), _) => value.to_string(),
        (Field::Double(value), _) => value.to_string(),
        // Without digits behind it the library leaves the point.
        (Field::Decimal(_), _) => field.to_string().trim_end_matches('.').to_owned(),
        (Field::Str(text), _) => text.clone(),
        (Field::Bytes(bytes), _) => {
            let hex: String = bytes.data().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{hex}")
        }
        (Field::Date(days), _) => date(*days)?,
        (Field::TimeMillis(value), _) => time(i64::from(*value) * 1000)?,
        (Field::TimeMicros(value), _) => time(*value)?,
        (Field::TimestampMillis(value), _) => timestamp(value.checked_mul(1000).ok_or_else(out_of_range)?)?,
        (Field::TimestampMicros(value), _) => timestamp(*value)?,
        (Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_), _) => json_of(field)?.to_string(),
    }))
}

fn json_of(field: &Field) -> Result<Json, String> {
    Ok(match field {
        Field::Null => Json::Null,
        Field::Bool(value) => Json::from(*value),
        Field::Byte(value) => Json::from(*value),
        Field::Short(value) => Json::from(*value),
        Field::Int(value) => Json::from(*value),
        Field::Long(value) => Json::from(*value),
        Field::UByte(value) => Json::from(*value),
        Field::UShort(value) => Json::from(*value),
        Field::UInt(value) => Json::from(*value),
        Field::ULong(value) => Json::from(*value),
        // NaN and the infinities are no numbers of JSON.
        Field::Float16(value) => number(f64::from(f32::from(*value))),
        Field::Float(value) => number(f64::from(*value)),
        Field::Double(value) => number(*value),
        Field::Group(row) => {
            let items = row.get_column_iter().map(|(name, field)| Ok((name.clone(), json_of(field)?)));
            Json::Object(items.collect::<Result<_, String>>()?)
        }
        Field::ListInternal(list) => Json::Array(list.elements().iter().map(json_of).collect::<Result<_, _>>()?),
        Field::MapInternal(map) => {
            let items = map.entries().iter().map(|(key, value)| {
                let key = text_of(key, Reading::Plain)?.unwrap_or_default();
                Ok((key, json_of(value)?))
            });
            Json::Object(items.collect::<Result<_, String>>()?)
        }
        other => text_of(other, Reading::Plain)?.map_or(Json::Null, Json::from),
    })
}

fn number(value: f64) -> Json {
    serde_json::Number::from_f64(value).map_or_else(|| Json::from(value.to_string()), Json::Number)
}

fn out_of_range() -> String {
    "a date or time is out of range".to_owned()
}

fn date(days: i32) -> Result<String, String> {
    use jiff::ToSpan;
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.checked_add(days.days()).map(|date| date.to_string()).map_err(|_| out_of_range())
}

fn time(micros: i64) -> Result<String, String> {
    if !(0..=MICROS_PER_DAY).contains(&micros) {
        return Err(out_of_range());
    }
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    Ok(format!("{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

/// With the zone UTC, which a column without zones passes over.
fn timestamp(micros: i64) -> Result<String, String> {
    jiff::Timestamp::from_microsecond(micros).map(|timestamp| timestamp.to_string()).map_err(|_| out_of_range())
}
