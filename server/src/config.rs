//! Settings of the server: flags win over environment over file over defaults.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use crate::memory::{self, Shares};

/// One layer of settings; None: not said here. The same fields serve as flags and as keys of the file.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Directory of the database, created when missing [env: SINEW_DATA] [default: ./sinew-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address for Postgres clients [env: SINEW_LISTEN] [default: 127.0.0.1:5433]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Address for HTTP, or "off" [env: SINEW_HTTP] [default: 127.0.0.1:3001]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// Load the demo the first time [env: SINEW_DEMO]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub demo: Option<bool>,
    /// Accept clients from other machines, without users and TLS [env: SINEW_INSECURE]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub insecure: Option<bool>,
    /// Sessions open at once [env: SINEW_MAX_CONNECTIONS] [default: 200]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<usize>,
    /// Memory for everything, in MiB [env: SINEW_MEMORY_MB] [default: a quarter of the machine's, at most 2048]
    #[arg(long, value_name = "MIB")]
    pub memory_mb: Option<usize>,
    /// Memory for the page cache, in MiB; 0: a quarter of the memory budget [env: SINEW_CACHE_SIZE_MB]
    #[arg(long, value_name = "MIB")]
    pub cache_size_mb: Option<usize>,
    /// Memory for what one transaction writes, in MiB; more goes to disk [env: SINEW_WRITE_SET_MEMORY_MB] [default: 128]
    #[arg(long, value_name = "MIB")]
    pub write_set_memory_mb: Option<usize>,
    /// Memory one statement may hold, in MiB; 0: a quarter of the memory budget [env: SINEW_STATEMENT_MEMORY_MB]
    #[arg(long, value_name = "MIB")]
    pub statement_memory_mb: Option<usize>,
    /// Longest use of one snapshot, in seconds; 0: no limit [env: SINEW_MAX_SNAPSHOT_AGE_S] [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    pub max_snapshot_age_s: Option<usize>,
    /// How long statements may go on after a stop signal, in seconds [env: SINEW_DRAIN_TIMEOUT_S] [default: 5]
    #[arg(long, value_name = "SECONDS")]
    pub drain_timeout_s: Option<usize>,
    /// Further host names for HTTP, separated by commas [env: SINEW_HTTP_HOSTS]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub http_hosts: Option<Vec<String>>,
    /// What to log: error, warn, info, debug, or per module [env: SINEW_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// The settings in force.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// None: no HTTP.
    pub http: Option<SocketAddr>,
    pub demo: bool,
    pub max_connections: usize,
    pub cache_size_bytes: usize,
    pub memory_table_size_bytes: usize,
    pub write_set_memory_bytes: usize,
    pub statement_memory_bytes: usize,
    /// Zero: no limit.
    pub max_snapshot_age: Duration,
    pub drain_timeout: Duration,
    pub http_hosts: Vec<String>,
    pub log: String,
}

/// A setting is wrong; the message says which and where it came from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

const DEFAULT_DATA: &str = "./sinew-data";
const DEFAULT_LISTEN: &str = "127.0.0.1:5433";
const DEFAULT_HTTP: &str = "127.0.0.1:3001";
const DEFAULT_MAX_CONNECTIONS: usize = 200;
const DEFAULT_MAX_SNAPSHOT_AGE_S: usize = 3_600;
const DEFAULT_DRAIN_TIMEOUT_S: usize = 5;
/// A year stands for more.
const MAX_SECONDS: usize = 365 * 86_400;
const DEFAULT_WRITE_SET_MEMORY_MB: usize = 128;
const MIB: usize = 1 << 20;

impl Layer {
    /// Reads `SINEW_…` variables through `get`.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Layer, ConfigError> {
        // An empty variable counts as not set, as shells make it hard to unset one for a single command.
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let number = |name: &str| {
            let parse = |value: String| {
                value.trim().parse::<usize>().map_err(|_| ConfigError(format!("{name}: \"{value}\" is not a number")))
            };
            get(name).map(parse).transpose()
        };
        let boolean = |name: &str| {
            let parse = |value: String| match value.trim().to_lowercase().as_str() {
                "1" | "true" | "on" | "yes" => Ok(true),
                "0" | "false" | "off" | "no" => Ok(false),
                _ => Err(ConfigError(format!("{name}: \"{value}\" is neither true nor false"))),
            };
            get(name).map(parse).transpose()
        };
        Ok(Layer {
            data: get("SINEW_DATA").map(PathBuf::from),
            listen: get("SINEW_LISTEN"),
            http: get("SINEW_HTTP"),
            demo: boolean("SINEW_DEMO")?,
            insecure: boolean("SINEW_INSECURE")?,
            max_connections: number("SINEW_MAX_CONNECTIONS")?,
            memory_mb: number("SINEW_MEMORY_MB")?,
            cache_size_mb: number("SINEW_CACHE_SIZE_MB")?,
            write_set_memory_mb: number("SINEW_WRITE_SET_MEMORY_MB")?,
            statement_memory_mb: number("SINEW_STATEMENT_MEMORY_MB")?,
            max_snapshot_age_s: number("SINEW_MAX_SNAPSHOT_AGE_S")?,
            drain_timeout_s: number("SINEW_DRAIN_TIMEOUT_S")?,
            http_hosts: get("SINEW_HTTP_HOSTS")
                .map(|names| names.split(',').map(|name| name.trim().to_owned()).collect()),
            log: get("SINEW_LOG"),
        })
    }

    /// Parses a settings file. Unknown keys and wrong types are named with their line.
    pub fn from_toml(text: &str) -> Result<Layer, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError(error.to_string().trim_end().to_owned()))
    }

    pub fn from_file(path: &Path) -> Result<Layer, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("settings file {}: {error}", path.display())))?;
        Layer::from_toml(&text).map_err(|error| ConfigError(format!("settings file {}: {error}", path.display())))
    }

    /// This layer, with what it leaves open taken from `below`.
    fn over(self, below: Layer) -> Layer {
        Layer {
            data: self.data.or(below.data),
            listen: self.listen.or(below.listen),
            http: self.http.or(below.http),
            demo: self.demo.or(below.demo),
            insecure: self.insecure.or(below.insecure),
            max_connections: self.max_connections.or(below.max_connections),
            memory_mb: self.memory_mb.or(below.memory_mb),
            cache_size_mb: self.cache_size_mb.or(below.cache_size_mb),
            write_set_memory_mb: self.write_set_memory_mb.or(below.write_set_memory_mb),
            statement_memory_mb: self.statement_memory_mb.or(below.statement_memory_mb),
            max_snapshot_age_s: self.max_snapshot_age_s.or(below.max_snapshot_age_s),
            drain_timeout_s: self.drain_timeout_s.or(below.drain_timeout_s),
            http_hosts: self.http_hosts.or(below.http_hosts),
            log: self.log.or(below.log),
        }
    }
}

impl ServerConfig {
    /// Flags win over environment over file over defaults.
    pub fn resolve(flags: Layer, environment: Layer, file: Layer) -> Result<ServerConfig, ConfigError> {
        let layer = flags.over(environment).over(file);
        let listen = parse_address("listen", layer.listen.as_deref().unwrap_or(DEFAULT_LISTEN))?;
        let http = match layer.http.as_deref().unwrap_or(DEFAULT_HTTP) {
            "off" | "none" => None,
            address => Some(parse_address("http", address)?),
        };
        if !layer.insecure.unwrap_or(false) {
            refuse_open("listen", listen)?;
            if let Some(http) = http {
                refuse_open("http", http)?;
            }
        }
        let max_connections = layer.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS);
        if !(1..=10_000).contains(&max_connections) {
            return Err(ConfigError(format!("max_connections is {max_connections}, it must be 1 to 10000")));
        }
        let budget_bytes = match layer.memory_mb {
            None => memory::default_budget_bytes(),
            Some(mib) if mib.saturating_mul(MIB) < memory::MIN_BUDGET_BYTES => {
                return Err(ConfigError(format!(
                    "memory_mb is {mib}, it must be at least {}",
                    memory::MIN_BUDGET_BYTES / MIB
                )));
            }
            Some(mib) => mib.saturating_mul(MIB),
        };
        let shares = Shares::of(budget_bytes);
        // 0 asks for the share of the budget, as does saying nothing.
        let or_share =
            |mib: Option<usize>, share| mib.filter(|mib| *mib > 0).map_or(share, |mib| mib.saturating_mul(MIB));
        let seconds =
            |given: Option<usize>, default| Duration::from_secs(given.unwrap_or(default).min(MAX_SECONDS) as u64);
        Ok(ServerConfig {
            data: layer.data.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA)),
            listen,
            http,
            demo: layer.demo.unwrap_or(false),
            max_connections,
            cache_size_bytes: or_share(layer.cache_size_mb, shares.cache_bytes),
            memory_table_size_bytes: shares.memory_table_bytes,
            write_set_memory_bytes: layer
                .write_set_memory_mb
                .unwrap_or(DEFAULT_WRITE_SET_MEMORY_MB)
                .saturating_mul(MIB)
                .max(MIB),
            statement_memory_bytes: or_share(layer.statement_memory_mb, shares.statement_bytes),
            max_snapshot_age: seconds(layer.max_snapshot_age_s, DEFAULT_MAX_SNAPSHOT_AGE_S),
            drain_timeout: seconds(layer.drain_timeout_s, DEFAULT_DRAIN_TIMEOUT_S),
            http_hosts: layer.http_hosts.unwrap_or_default().iter().map(|name| name.to_lowercase()).collect(),
            log: layer.log.unwrap_or_else(|| "info".to_owned()),
        })
    }
}

/// `host:port`, `:port` or a bare port.
fn parse_address(setting: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    let bad = |why: String| ConfigError(format!("{setting}: \"{text}\" is no address: {why}"));
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port));
    }
    let mut addresses = text.to_socket_addrs().map_err(|error| bad(error.to_string()))?;
    // `localhost` may resolve to both families; clients try 127.0.0.1 more often.
    let first = addresses.next().ok_or_else(|| bad("it resolves to nothing".to_owned()))?;
    Ok(if first.is_ipv4() { first } else { addresses.find(SocketAddr::is_ipv4).unwrap_or(first) })
}

fn refuse_open(setting: &str, address: SocketAddr) -> Result<(), ConfigError> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(ConfigError(format!(
        "{setting} is {address}, which other machines can reach, but there are no users, passwords or TLS yet: anyone who \
         connects could read and change everything; use a loopback address such as 127.0.0.1:{}, or add --insecure if \
         the network is trusted",
        address.port()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Result<Layer, ConfigError> {
        Layer::from_environment(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = Layer::from_toml("data = \"/file\"\nlisten = \"127.0.0.1:1\"\nhttp = \"off\"\nmax_connections = 7")
            .expect("file");
        let environment =
            environment(&[("SINEW_DATA", "/env"), ("SINEW_LISTEN", "127.0.0.1:2"), ("SINEW_DEMO", "1")]).expect("env");
        let flags = Layer { data: Some("/flag".into()), ..Layer::default() };
        let config = ServerConfig::resolve(flags, environment, file).expect("valid");
        assert_eq!(config.data, PathBuf::from("/flag"));
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.http, None);
        assert_eq!(config.max_connections, 7);
        assert!(config.demo);
        assert_eq!(config.drain_timeout, Duration::from_secs(5));
        assert_eq!(config.write_set_memory_bytes, 128 << 20);
    }

    #[test]
    fn the_memory_budget_is_shared_out() {
        let layer = Layer { memory_mb: Some(1_024), max_snapshot_age_s: Some(0), ..Layer::default() };
        let resolve = |layer| ServerConfig::resolve(layer, Layer::default(), Layer::default());
        let config = resolve(layer.clone()).expect("valid");
        assert_eq!((config.cache_size_bytes, config.statement_memory_bytes), (256 << 20, 256 << 20));
        assert_eq!(config.memory_table_size_bytes, 32 << 20);
        assert_eq!(config.max_snapshot_age, Duration::ZERO);
        let layer = Layer { cache_size_mb: Some(10), statement_memory_mb: Some(20), ..layer };
        let config = resolve(layer.clone()).expect("valid");
        assert_eq!((config.cache_size_bytes, config.statement_memory_bytes), (10 << 20, 20 << 20));
        assert!(resolve(Layer { memory_mb: Some(1), ..layer }).is_err());
    }

    #[test]
    fn defaults() {
        let config = ServerConfig::resolve(Layer::default(), Layer::default(), Layer::default()).expect("valid");
        assert_eq!(config.listen.to_string(), "127.0.0.1:5433");
        assert_eq!(config.http.map(|http| http.to_string()).as_deref(), Some("127.0.0.1:3001"));
        assert_eq!(config.data, PathBuf::from("./sinew-data"));
        assert!(!config.demo);
    }

    #[test]
    fn open_addresses_need_a_word() {
        let layer = Layer { listen: Some("0.0.0.0:5433".into()), ..Layer::default() };
        let error = ServerConfig::resolve(layer.clone(), Layer::default(), Layer::default()).expect_err("refused");
        assert!(error.to_string().contains("--insecure"), "{error}");
        let insecure = Layer { insecure: Some(true), ..layer };
        assert!(ServerConfig::resolve(insecure, Layer::default(), Layer::default()).is_ok());
        let http = Layer { http: Some("[::]:80".into()), ..Layer::default() };
        assert!(ServerConfig::resolve(http, Layer::default(), Layer::default()).is_err());
    }

    #[test]
    fn mistakes_are_named() {
        let text = |result: Result<Layer, ConfigError>| result.expect_err("wrong").to_string();
        assert!(text(Layer::from_toml("lisen = \"x\"")).contains("lisen"));
        assert!(text(Layer::from_toml("max_connections = \"many\"")).contains("max_connections"));
        assert!(text(environment(&[("SINEW_DEMO", "maybe")])).contains("SINEW_DEMO"));
        assert!(text(environment(&[("SINEW_MAX_CONNECTIONS", "x")])).contains("SINEW_MAX_CONNECTIONS"));
        let zero = Layer { max_connections: Some(0), ..Layer::default() };
        assert!(ServerConfig::resolve(zero, Layer::default(), Layer::default()).is_err());
        let address = Layer { listen: Some("nonsense".into()), ..Layer::default() };
        assert!(
            ServerConfig::resolve(address, Layer::default(), Layer::default())
                .expect_err("bad")
                .to_string()
                .contains("nonsense")
        );
    }

    #[test]
    fn short_forms_of_addresses() {
        assert_eq!(parse_address("listen", "6000").expect("port").to_string(), "127.0.0.1:6000");
        assert_eq!(parse_address("listen", ":6000").expect("port").to_string(), "127.0.0.1:6000");
        assert_eq!(parse_address("listen", "[::1]:6000").expect("v6").to_string(), "[::1]:6000");
    }
}
