//! Memories: what of the conversation log goes into a prompt.

use serde_json::Value as JsonValue;

use super::fields::{Fields, Invalid};

#[derive(Clone, Debug, PartialEq)]
pub struct MemoryDef {
    pub name: String,
    /// Newest messages of the conversation kept; None: the whole conversation (kind `buffer`).
    pub window: Option<usize>,
    /// Messages found by searching for the input (kind `vector`); 0: no search.
    pub search_hits: usize,
}

/// Messages in the window of an agent without a memory, or of a memory that does not say.
pub const DEFAULT_WINDOW: usize = 20;

impl MemoryDef {
    /// What an agent without a memory has.
    pub fn default_window() -> MemoryDef {
        MemoryDef { name: "default".to_owned(), window: Some(DEFAULT_WINDOW), search_hits: 0 }
    }

    pub fn read(name: &str, definition: &JsonValue) -> Result<MemoryDef, Invalid> {
        let known = ["kinds", "window", "k", "keep_last", "compact_above"];
        let fields = Fields::new("memory", definition, &known)?;
        let kinds = fields.text("kinds")?.unwrap_or_else(|| "window".to_owned());
        let (mut window, mut buffer, mut vector) = (false, false, false);
        for kind in kinds.split(',').map(str::trim) {
            match kind.to_ascii_lowercase().as_str() {
                "window" => window = true,
                "buffer" => buffer = true,
                "vector" => vector = true,
                "summary" | "entity" => return Err(fields.unsupported("kinds", format!("memory kind \"{kind}\""))),
                _ => {
                    let known = ["window", "buffer", "vector", "summary", "entity"];
                    let mut invalid = fields.fail("kinds", format!("\"{kind}\" is none of {}", known.join(", ")));
                    if let Some(near) = sinew::query::near_miss::near_miss(kind, known) {
                        invalid.error = invalid.error.hint(format!("did you mean \"{near}\"?"));
                    }
                    return Err(invalid);
                }
            }
        }
        for field in ["keep_last", "compact_above"] {
            if fields.get(field).is_some() {
                return Err(fields.unsupported(field, format!("memory option \"{field}\" (compaction)")));
            }
        }
        if buffer && (window || fields.get("window").is_some()) {
            return Err(
                fields.fail("kinds", "buffer keeps the whole conversation, so a window makes no sense beside it")
            );
        }
        if !vector && fields.get("k").is_some() {
            return Err(fields.fail("k", "only kind vector searches"));
        }
        let window_size = fields.int("window", 0..=10_000)?;
        let window = match (buffer, window || window_size.is_some()) {
            (true, _) => None,
            (false, true) => Some(window_size.map_or(DEFAULT_WINDOW, |size| size as usize)),
            // Vector alone: no turns of the conversation beside the hits.
            (false, false) => Some(0),
        };
        let search_hits = if vector { fields.int("k", 1..=100)?.unwrap_or(8) as usize } else { 0 };
        Ok(MemoryDef { name: name.to_owned(), window, search_hits })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds() {
        let read = |definition| MemoryDef::read("m", &definition);
        let memory = read(json!({"kinds": "window, vector", "window": 5})).expect("known kinds");
        assert_eq!((memory.window, memory.search_hits), (Some(5), 8));
        assert_eq!(read(json!({"kinds": "buffer"})).expect("known kind").window, None);
        assert_eq!(read(json!({"kinds": "vector"})).expect("known kind").window, Some(0));
        let error = read(json!({"kinds": "window,summary"})).expect_err("not built").error;
        assert_eq!(
            (error.sqlstate(), error.to_string().as_str()),
            ("0A000", "memory kind \"summary\" is not supported")
        );
        assert_eq!(read(json!({"keep_last": 3})).expect_err("not built").error.sqlstate(), "0A000");
        assert_eq!(read(json!({"kinds": "vectro"})).expect_err("unknown").error.sqlstate(), "22023");
    }
}
