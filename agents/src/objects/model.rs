//! Models.

use std::time::Duration;

use serde_json::Value as JsonValue;

use super::fields::{Fields, Invalid};
use super::secret::host_of;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The extractive model in the box.
    Builtin,
    /// Any endpoint that speaks OpenAI's chat completions.
    OpenAi,
    /// Recorded replies.
    Script,
}

impl Provider {
    pub fn name(self) -> &'static str {
        match self {
            Provider::Builtin => "builtin",
            Provider::OpenAi => "openai",
            Provider::Script => "script",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ModelDef {
    pub name: String,
    pub provider: Provider,
    /// Without a slash at the end. OpenAI's own when left out.
    pub base_url: Option<String>,
    /// The provider's name of the model.
    pub model: Option<String>,
    /// Name of a secret.
    pub secret: Option<String>,
    /// Nano-dollars per million tokens.
    pub price_in: i64,
    pub price_out: i64,
    pub temperature: Option<f64>,
    pub max_output_tokens: u64,
    /// Of one call.
    pub timeout: Duration,
    pub max_retries: u32,
    /// Of provider script.
    pub replies: Vec<JsonValue>,
}

const FIELDS: &[&str] = &[
    "provider",
    "base_url",
    "model",
    "secret",
    "usd_per_mtok_in",
    "usd_per_mtok_out",
    "temperature",
    "max_output_tokens",
    "timeout",
    "max_retries",
    "replies",
];

impl ModelDef {
    pub fn read(name: &str, definition: &JsonValue) -> Result<ModelDef, Invalid> {
        let fields = Fields::new("model", definition, FIELDS)?;
        fields.required_text("provider")?;
        let provider = match fields.choice("provider", &["builtin", "openai", "script", "anthropic", "ollama"])? {
            Some("builtin") => Provider::Builtin,
            Some("openai") => Provider::OpenAi,
            Some("script") => Provider::Script,
            other => {
                let other = other.unwrap_or_default();
                return Err(fields.unsupported("provider", format!("model provider \"{other}\"")));
            }
        };
        let replies = match (fields.get("replies"), provider) {
            (None, Provider::Script) => {
                return Err(fields.fail("replies", "provider script needs a JSON array of recorded replies"));
            }
            (None, _) => Vec::new(),
            (Some(_), Provider::Builtin | Provider::OpenAi) => {
                return Err(fields.fail("replies", "only provider script has recorded replies"));
            }
            (Some(JsonValue::Array(replies)), Provider::Script) => replies.clone(),
            (Some(JsonValue::String(text)), Provider::Script) => serde_json::from_str(text)
                .map_err(|error| fields.fail("replies", format!("expected a JSON array: {error}")))?,
            (Some(other), Provider::Script) => {
                return Err(fields.fail("replies", format!("expected a JSON array, found {other}")));
            }
        };
        let base_url = fields.text("base_url")?.map(|url| url.trim_end_matches('/').to_owned());
        let secret = fields.text("secret")?;
        if let Some(url) = &base_url {
            check_url(&fields, url, secret.is_some())?;
        }
        if provider != Provider::OpenAi {
            for field in ["base_url", "secret", "temperature"] {
                if fields.get(field).is_some() {
                    return Err(fields.fail(field, format!("provider {} has no such option", provider.name())));
                }
            }
        }
        if provider == Provider::OpenAi && fields.get("model").is_none() {
            return Err(fields.fail("model", "provider openai needs the model's name"));
        }
        Ok(ModelDef {
            name: name.to_owned(),
            provider,
            base_url,
            model: fields.text("model")?,
            secret,
            price_in: nanos_from_usd(fields.number("usd_per_mtok_in")?.unwrap_or(0.0)),
            price_out: nanos_from_usd(fields.number("usd_per_mtok_out")?.unwrap_or(0.0)),
            temperature: fields.number("temperature")?,
            max_output_tokens: fields.int("max_output_tokens", 1..=1_000_000)?.unwrap_or(1_024) as u64,
            timeout: Duration::from_millis(fields.duration_ms("timeout")?.unwrap_or(60_000)),
            max_retries: fields.int("max_retries", 0..=20)?.unwrap_or(4) as u32,
            replies,
        })
    }

    /// Host that the endpoint lives on, with its port when one is written.
    pub fn host(&self) -> Option<String> {
        host_of(self.endpoint())
    }

    /// Base of its HTTP calls.
    pub fn endpoint(&self) -> &str {
        self.base_url.as_deref().unwrap_or("https://api.openai.com/v1")
    }

    /// Price of a call in nano-dollars, rounded up.
    pub fn cost_nanos(&self, tokens_in: u64, tokens_out: u64) -> i64 {
        let total =
            i128::from(tokens_in) * i128::from(self.price_in) + i128::from(tokens_out) * i128::from(self.price_out);
        i64::try_from((total + 999_999) / 1_000_000).unwrap_or(i64::MAX)
    }
}

fn check_url(fields: &Fields<'_>, url: &str, has_secret: bool) -> Result<(), Invalid> {
    let Some(host) = host_of(url) else {
        return Err(fields.fail("base_url", format!("\"{url}\" is no http or https address")));
    };
    if url.contains('@') || url.contains('?') || url.contains('#') {
        return Err(fields.fail("base_url", "must not hold credentials, a query or a fragment"));
    }
    if has_secret && url.starts_with("http://") && !is_loopback(&host) {
        return Err(fields.fail("base_url", format!("a secret is not sent over plain http to \"{host}\"; use https")));
    }
    Ok(())
}

/// A host of this machine (with or without port).
pub fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(
        host,
        |(name, port)| {
            if port.chars().all(|c| c.is_ascii_digit()) { name } else { host }
        },
    );
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Nano-dollars of an amount in dollars.
pub fn nanos_from_usd(usd: f64) -> i64 {
    (usd * 1e9).round() as i64
}

/// Dollars as jsonb shows them.
pub fn usd_from_nanos(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(definition: JsonValue) -> (String, String) {
        let invalid = ModelDef::read("m", &definition).expect_err("definition is refused");
        (invalid.error.sqlstate().to_owned(), invalid.error.to_string())
    }

    #[test]
    fn reads_openai() {
        let definition = json!({"provider": "openai", "model": "small", "base_url": "http://127.0.0.1:9/v1/",
            "usd_per_mtok_in": 0.15, "usd_per_mtok_out": "0.6", "timeout": "5s"});
        let model = ModelDef::read("fast", &definition).expect("definition is right");
        assert_eq!(model.endpoint(), "http://127.0.0.1:9/v1");
        assert_eq!(model.timeout, Duration::from_secs(5));
        assert_eq!(model.cost_nanos(1_000_000, 0), 150_000_000);
        assert_eq!(model.cost_nanos(1, 1), 750);
    }

    #[test]
    fn refuses_what_it_does_not_do() {
        assert_eq!(error(json!({"provider": "anthropic"})).0, "0A000");
        assert_eq!(error(json!({"provider": "ollama"})).1, "model provider \"ollama\" is not supported");
        assert_eq!(error(json!({"provider": "opnai"})).0, "22023");
        assert_eq!(error(json!({})).0, "22023");
        assert_eq!(error(json!({"provider": "script"})).0, "22023");
        assert_eq!(error(json!({"provider": "builtin", "base_url": "http://x"})).0, "22023");
        let plain = json!({"provider": "openai", "model": "m", "base_url": "http://example.com", "secret": "s"});
        assert!(error(plain).1.contains("plain http"));
    }

    #[test]
    fn loopback() {
        for host in ["localhost", "localhost:80", "127.0.0.1:9", "[::1]:80", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        assert!(!is_loopback("localhost.example.com"));
        assert!(!is_loopback("10.0.0.1:80"));
    }
}
