//! Making and reading uuids.

use sinew_storage::Value;
use uuid::Uuid;

use super::registry::Table;
use crate::error::{QueryError, Result};

fn bytes(value: &Value) -> Result<Uuid> {
    match value {
        Value::Uuid(bytes) => Ok(Uuid::from_bytes(*bytes)),
        other => Err(QueryError::internal(format!("expected a uuid, found {other:?}"))),
    }
}

pub(super) fn register(t: &mut Table) {
    t.section("Uuid functions");
    for signature in ["gen_random_uuid() -> uuid", "uuid_generate_v4() -> uuid", "uuidv4() -> uuid"] {
        t.f(signature, |_, _| Ok(Value::Uuid(*Uuid::new_v4().as_bytes()))).volatile();
    }
    t.f("uuidv7() -> uuid", |_, _| Ok(Value::Uuid(*Uuid::now_v7().as_bytes()))).volatile();
    t.f("uuid_extract_version(uuid) -> int2", |_, a| Ok(Value::Int(bytes(&a[0])?.get_version_num() as i64)));
    t.f("uuid_extract_timestamp(uuid) -> timestamptz", |_, a| {
        Ok(match bytes(&a[0])?.get_timestamp() {
            None => Value::Null,
            Some(timestamp) => {
                let (seconds, nanoseconds) = timestamp.to_unix();
                let seconds = i64::try_from(seconds).unwrap_or(0);
                Value::Timestamp(seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanoseconds / 1_000)))
            }
        })
    });
}
