//! Between the store's jsonb and `serde_json`, which models and definitions speak.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use sinew::{Json, Value};

/// The jsonb value of a JSON document: object keys sorted as jsonb sorts them, numbers exact.
pub fn to_jsonb(value: &serde_json::Value) -> Json {
    match value {
        serde_json::Value::Null => Json::Null,
        serde_json::Value::Bool(b) => Json::Bool(*b),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) => Json::Int(int),
            None => BigDecimal::from_str(&number.to_string()).map_or(Json::Null, Json::Decimal),
        },
        serde_json::Value::String(text) => Json::String(text.as_str().into()),
        serde_json::Value::Array(items) => Json::Array(items.iter().map(to_jsonb).collect()),
        serde_json::Value::Object(members) => {
            let mut out: Vec<(std::sync::Arc<str>, Json)> =
                members.iter().map(|(key, value)| (key.as_str().into(), to_jsonb(value))).collect();
            out.sort_by(|(a, _), (b, _)| (a.len(), a.as_bytes()).cmp(&(b.len(), b.as_bytes())));
            Json::Object(out)
        }
    }
}

/// The JSON document of a jsonb value. Decimals become floats: models read them, nobody computes with them.
pub fn from_jsonb(value: &Json) -> serde_json::Value {
    match value {
        Json::Null => serde_json::Value::Null,
        Json::Bool(b) => (*b).into(),
        Json::Int(int) => (*int).into(),
        Json::Decimal(decimal) => {
            let float = decimal.to_string().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            float.map_or_else(|| decimal.to_string().into(), serde_json::Value::Number)
        }
        Json::String(text) => text.to_string().into(),
        Json::Array(items) => items.iter().map(from_jsonb).collect(),
        Json::Object(members) => {
            serde_json::Value::Object(members.iter().map(|(key, value)| (key.to_string(), from_jsonb(value))).collect())
        }
    }
}

/// A jsonb datum.
pub fn json_value(value: &serde_json::Value) -> Value {
    Value::json(to_jsonb(value))
}

/// Equal whatever the order of object keys, and whichever way a number was written.
pub fn same_json(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    to_jsonb(a) == to_jsonb(b)
}

/// Text with object keys sorted at every level, for hashes.
pub fn canonical_text(value: &serde_json::Value) -> String {
    from_jsonb(&to_jsonb(value)).to_string()
}

/// 128 bits of XXH3 over `text`, as hex.
pub fn hash_text(text: &str) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_sorts() {
        let value = serde_json::json!({"bb": 1, "a": [1.5, null, true], "ab": {"z": "x", "y": -3}});
        assert!(same_json(&from_jsonb(&to_jsonb(&value)), &value));
        assert_eq!(canonical_text(&value), r#"{"a":[1.5,null,true],"ab":{"y":-3,"z":"x"},"bb":1}"#);
        assert_eq!(hash_text("a").len(), 32);
    }
}
