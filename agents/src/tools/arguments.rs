//! Checking a model's arguments against a tool's parameters, with errors a model can act on.

use serde_json::{Map, Value as JsonValue};

use crate::objects::ToolDef;
use sinew::query::near_miss::near_miss;

/// The arguments by name, in parameter order; what is optional and missing is left out.
pub fn check_arguments(tool: &ToolDef, arguments: &JsonValue) -> Result<Map<String, JsonValue>, String> {
    let empty = Map::new();
    let given = match arguments {
        JsonValue::Object(given) => given,
        JsonValue::Null => &empty,
        JsonValue::String(_) => return Err(format!("the arguments of \"{}\" are not valid JSON", tool.name)),
        _ => return Err(format!("the arguments of \"{}\" must be a JSON object", tool.name)),
    };
    let names = || tool.params.iter().map(|param| param.name.as_str());
    if let Some(unknown) = given.keys().find(|key| !names().any(|name| name == key.as_str())) {
        let known = names().collect::<Vec<_>>().join(", ");
        let near = near_miss(unknown, names()).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        return Err(format!("tool \"{}\" has no parameter \"{unknown}\"; parameters: {known}{near}", tool.name));
    }
    let mut checked = Map::new();
    for param in &tool.params {
        match given.get(&param.name).filter(|value| !value.is_null()) {
            None if param.required => {
                return Err(format!("tool \"{}\" needs the parameter \"{}\" ({})", tool.name, param.name, param.ty));
            }
            None => {}
            Some(value) => {
                let value = coerce(&param.ty, value)
                    .ok_or_else(|| format!("parameter \"{}\" must be {}, found {value}", param.name, param.ty))?;
                checked.insert(param.name.clone(), value);
            }
        }
    }
    Ok(checked)
}

/// The value as its type wants it; None when it cannot be. Models write numbers as text and text as numbers.
fn coerce(ty: &str, value: &JsonValue) -> Option<JsonValue> {
    if let Some(element) = ty.strip_suffix("[]") {
        return value.as_array()?.iter().map(|item| coerce(element, item)).collect::<Option<Vec<_>>>().map(Into::into);
    }
    match ty.split('(').next().unwrap_or(ty).trim() {
        "smallint" | "int2" => int_within(value, i16::MIN.into(), i16::MAX.into()),
        "int" | "integer" | "int4" => int_within(value, i32::MIN.into(), i32::MAX.into()),
        "bigint" | "int8" => int_within(value, i64::MIN, i64::MAX),
        "real" | "float4" | "float" | "float8" | "double precision" => match value {
            JsonValue::Number(_) => Some(value.clone()),
            JsonValue::String(text) => {
                text.trim().parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(JsonValue::Number)
            }
            _ => None,
        },
        "bool" | "boolean" => match value {
            JsonValue::Bool(_) => Some(value.clone()),
            JsonValue::String(text) => text.trim().to_lowercase().parse::<bool>().ok().map(JsonValue::Bool),
            _ => None,
        },
        "json" | "jsonb" => Some(value.clone()),
        // Text, and what is cast from its text form.
        _ => match value {
            JsonValue::String(_) => Some(value.clone()),
            JsonValue::Number(_) | JsonValue::Bool(_) => Some(value.to_string().into()),
            _ => None,
        },
    }
}

fn int_within(value: &JsonValue, low: i64, high: i64) -> Option<JsonValue> {
    let int = match value {
        JsonValue::Number(number) => {
            let whole = number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64);
            number.as_i64().or(whole)?
        }
        JsonValue::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (low..=high).contains(&int).then(|| int.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool() -> ToolDef {
        let definition = json!({"language": "sql", "body": "SELECT 1", "parameters": [
            {"name": "customer", "type": "text"}, {"name": "n", "type": "int"}, {"name": "tags", "type": "text[]"}]});
        ToolDef::read("find", 1, &definition).expect("definition is right")
    }

    #[test]
    fn coerces_what_it_can() {
        let checked =
            check_arguments(&tool(), &json!({"tags": ["a", 1], "customer": 12, "n": "3"})).expect("coercible");
        assert_eq!(JsonValue::Object(checked), json!({"customer": "12", "n": 3, "tags": ["a", "1"]}));
    }

    #[test]
    fn errors_tell_the_model_what_to_do() {
        let check = |arguments: JsonValue, message: &str| {
            assert_eq!(check_arguments(&tool(), &arguments).expect_err("refused"), message);
        };
        check(json!({"customer": "x", "n": 1}), "tool \"find\" needs the parameter \"tags\" (text[])");
        check(json!({"customer": "x", "n": 1.5, "tags": []}), "parameter \"n\" must be int, found 1.5");
        check(
            json!({"customer": "x", "n": 3000000000u32, "tags": []}),
            "parameter \"n\" must be int, found 3000000000",
        );
        check(
            json!({"custmer": "x"}),
            "tool \"find\" has no parameter \"custmer\"; parameters: customer, n, tags; did you mean \"customer\"?",
        );
        check(json!("{broken"), "the arguments of \"find\" are not valid JSON");
        check(json!([1]), "the arguments of \"find\" must be a JSON object");
    }
}
