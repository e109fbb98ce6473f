//! The hash functions of types, as indexes and partitions of PostgreSQL use them and applications call them.

use sinew_storage::Value;

use super::args::{float, int, text};
use super::digest::hash_bytes_extended;
use super::registry::Table;
use crate::error::{QueryError, Result};

/// What a value is hashed as.
enum Hashed {
    Bytes(Vec<u8>),
    /// The hash is the seed itself: zeros of floating point.
    Seed,
}

impl Hashed {
    fn with(self, seed: u64) -> u64 {
        match self {
            Hashed::Bytes(bytes) => hash_bytes_extended(&bytes, seed),
            Hashed::Seed => seed,
        }
    }
}

fn number(value: &Value) -> Result<Hashed> {
    Ok(Hashed::Bytes((int(value)? as u32).to_le_bytes().to_vec()))
}

/// The same as of the number in fewer bits.
fn long(value: &Value) -> Result<Hashed> {
    let value = int(value)?;
    let high = (value >> 32) as u32;
    let folded = value as u32 ^ if value >= 0 { high } else { !high };
    Ok(Hashed::Bytes(folded.to_le_bytes().to_vec()))
}

/// Both zeros are equal, and so is everything that is no number.
fn double(value: &Value) -> Result<Hashed> {
    let value = float(value)?;
    let value = if value.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { value };
    Ok(if value == 0.0 { Hashed::Seed } else { Hashed::Bytes(value.to_le_bytes().to_vec()) })
}

fn string(value: &Value) -> Result<Hashed> {
    Ok(Hashed::Bytes(text(value)?.as_bytes().to_vec()))
}

fn blank_padded(value: &Value) -> Result<Hashed> {
    Ok(Hashed::Bytes(text(value)?.trim_end_matches(' ').as_bytes().to_vec()))
}

fn uuid(value: &Value) -> Result<Hashed> {
    match value {
        Value::Uuid(uuid) => Ok(Hashed::Bytes(uuid.to_vec())),
        _ => Err(QueryError::internal("a uuid was expected")),
    }
}

/// Both functions of a type.
macro_rules! hash_functions {
    ($t:ident, $(($plain:literal, $extended:literal, $hashed:ident)),* $(,)?) => {$(
        $t.f($plain, |_, a| Ok(Value::Int(i64::from($hashed(&a[0])?.with(0) as i32))));
        $t.f($extended, |_, a| Ok(Value::Int($hashed(&a[0])?.with(int(&a[1])? as u64) as i64)));
    )*};
}

pub(super) fn register(t: &mut Table) {
    t.section("Hash functions");
    hash_functions!(
        t,
        ("hashtext(text) -> int4", "hashtextextended(text, int8) -> int8", string),
        ("hashname(name) -> int4", "hashnameextended(name, int8) -> int8", string),
        ("hashbpchar(bpchar) -> int4", "hashbpcharextended(bpchar, int8) -> int8", blank_padded),
        ("hashint2(int2) -> int4", "hashint2extended(int2, int8) -> int8", number),
        ("hashint4(int4) -> int4", "hashint4extended(int4, int8) -> int8", number),
        ("hashint8(int8) -> int4", "hashint8extended(int8, int8) -> int8", long),
        ("hashoid(oid) -> int4", "hashoidextended(oid, int8) -> int8", number),
        ("hashfloat4(float4) -> int4", "hashfloat4extended(float4, int8) -> int8", double),
        ("hashfloat8(float8) -> int4", "hashfloat8extended(float8, int8) -> int8", double),
        ("uuid_hash(uuid) -> int4", "uuid_hash_extended(uuid, int8) -> int8", uuid),
    );
}
