//! Secrets: the name of an environment variable, bound to one host. The value is read when a call is made and never kept.

use serde_json::Value as JsonValue;

use super::fields::{Fields, Invalid};

#[derive(Clone, Debug, PartialEq)]
pub struct SecretDef {
    pub name: String,
    /// Environment variable that holds the value.
    pub env: String,
    /// The only host it is sent to; with a port when one is written.
    pub host: String,
}

impl SecretDef {
    pub fn read(name: &str, definition: &JsonValue) -> Result<SecretDef, Invalid> {
        let fields = Fields::new("secret", definition, &["env", "host"])?;
        let env = fields.required_text("env")?;
        let host = fields.required_text("host")?.to_lowercase();
        if env.is_empty() || !env.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(fields.fail("env", format!("\"{env}\" is no name of an environment variable")));
        }
        if host.is_empty() || host.contains(['/', '@', ' ', '?']) {
            return Err(fields.fail("host", format!("\"{host}\" is no host name")));
        }
        Ok(SecretDef { name: name.to_owned(), env, host })
    }

    /// Whether the value may go to `host`. A secret without a port goes to any port of its host.
    pub fn is_for_host(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        self.host == host || host.strip_prefix(self.host.as_str()).is_some_and(|rest| rest.starts_with(':'))
    }
}

/// Host and port of an http or https address.
pub fn host_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split('/').next().unwrap_or_default();
    (!host.is_empty() && !host.contains(' ')).then(|| host.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bound_to_its_host() {
        let definition = serde_json::json!({"env": "OPENAI_API_KEY", "host": "API.openai.com"});
        let secret = SecretDef::read("openai", &definition).expect("definition is right");
        assert!(secret.is_for_host("api.openai.com"));
        assert!(secret.is_for_host("api.openai.com:443"));
        assert!(!secret.is_for_host("api.openai.com.evil.example"));
        assert!(!secret.is_for_host("evil.example"));
    }
}
