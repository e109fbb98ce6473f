//! `sinew serve`: opens the database, listens, and closes in order.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sinew::{Database, DatabaseOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::config::{Layer, ServerConfig};
use crate::http::guard::AllowedHosts;
use crate::http::{self, HttpState};
use crate::metrics::Metrics;
use crate::pool::QueryPool;
use crate::wire::{self, CancelRegistry, WireContext};
use crate::{agents, demo};

const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// All connections and requests are to end within this time of a stop signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

pub fn run(config_file: Option<PathBuf>, flags: Layer) -> Result<ExitCode, String> {
    let environment = Layer::from_environment(|name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
    let config_file =
        config_file.or_else(|| std::env::var_os("SINEW_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
    let file = match config_file {
        Some(path) => Layer::from_file(&path).map_err(|error| error.to_string())?,
        None => Layer::default(),
    };
    let config = ServerConfig::resolve(flags, environment, file).map_err(|error| error.to_string())?;
    start_logging(&config.log)?;
    // Network work is light; statements run on the query pool.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("sinew-net")
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the network runtime: {error}"))?;
    let result = runtime.block_on(serve(config));
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

fn start_logging(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log filter \"{filter}\": {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(|error| format!("cannot start logging: {error}"))
}

async fn serve(config: ServerConfig) -> Result<ExitCode, String> {
    // Ports first: a server that cannot listen has no business opening the data.
    let wire_listener = bind("listen", config.listen)?;
    let http_listener = config.http.map(|address| bind("http", address)).transpose()?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("cannot catch SIGTERM: {error}"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("cannot catch SIGINT: {error}"))?;

    let cores = std::thread::available_parallelism().map_or(4, usize::from).max(4);
    let pool = QueryPool::new(cores, config.max_connections + http::REQUEST_LIMIT + cores);
    let open_config = config.clone();
    let opening = pool.run(move || open(&open_config));
    let opened = tokio::select! {
        opened = opening => opened.map_err(|lost| lost.to_string())?,
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
    };
    let (database, agents) = opened?;

    let metrics = Arc::new(Metrics::new());
    let (stop, shutdown) = watch::channel(false);
    let wire_address = wire_listener.local_addr().unwrap_or(config.listen);
    let context = Arc::new(WireContext {
        database: database.clone(),
        pool: pool.clone(),
        metrics: metrics.clone(),
        cancels: CancelRegistry::default(),
        max_connections: config.max_connections,
        startup_timeout: STARTUP_TIMEOUT,
        message_timeout: MESSAGE_TIMEOUT,
        session_count: AtomicUsize::new(0),
        shutdown: shutdown.clone(),
    });
    let wire = tokio::spawn(wire::accept(context, wire_listener));
    let http_address = http_listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let http = http_listener.map(|listener| {
        let allowed = AllowedHosts {
            names: config.http_hosts.clone(),
            any_address: http_address.is_some_and(|address| !address.ip().is_loopback()),
        };
        let state = HttpState::new(database.clone(), pool.clone(), metrics.clone());
        tokio::spawn(http::serve(listener, http::router(state, allowed), shutdown.clone()))
    });
    let lag = tokio::spawn({
        let metrics = metrics.clone();
        async move { metrics.measure_loop_lag().await }
    });
    print_welcome(&config, wire_address, http_address);

    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("interrupted: stopping"),
    }
    let stopping_since = Instant::now();
    // Nobody listens when both tasks have ended already.
    let _ = stop.send(true);
    let drain = async {
        let _ = wire.await;
        if let Some(http) = http {
            let _ = http.await;
        }
    };
    tokio::select! {
        drained = tokio::time::timeout(DRAIN_TIMEOUT, drain) => {
            if drained.is_err() {
                tracing::warn!("some connections did not end in time");
            }
        }
        _ = interrupt.recv() => tracing::warn!("interrupted again: not waiting for connections"),
    }
    lag.abort();
    let closed = pool
        .run(move || {
            if let Some(agents) = &agents {
                agents.shutdown();
            }
            database.close()
        })
        .await;
    match closed {
        Ok(Ok(())) => {
            tracing::info!("closed in {:.1} s", stopping_since.elapsed().as_secs_f64());
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(error)) => Err(format!("closing the database: {error}")),
        Err(lost) => Err(format!("closing the database: {lost}")),
    }
}

fn bind(setting: &str, address: SocketAddr) -> Result<tokio::net::TcpListener, String> {
    wire::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} of {} is in use, perhaps by another sinew; stop it or choose another with --{setting}",
            address.port(),
            address.ip()
        ),
        _ => format!("cannot listen on {address} (--{setting}): {error}"),
    })
}

type Opened = (Database, Option<Box<dyn agents::AgentService>>);

/// Opens the database with progress, installs agents, loads the demo when asked to.
fn open(config: &ServerConfig) -> Result<Opened, String> {
    let mut options =
        DatabaseOptions { statement_memory_bytes: config.statement_memory_bytes, ..DatabaseOptions::default() };
    options.store.cache_size_bytes = config.cache_size_bytes;
    options.store.write_set_memory_bytes = config.write_set_memory_bytes;
    options.store.repair_progress = Some(repair_progress());
    let data = config.data.display();
    let database = Database::open_with(&config.data, options).map_err(|error| {
        let hint = error.0.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("cannot open the database in {data}: {error}{hint}")
    })?;
    let installed =
        agents::install(&database).map_err(|error| format!("cannot start agents: {error}")).and_then(|agents| {
            if config.demo {
                demo::load_once(&database, agents.is_some())
                    .map_err(|error| format!("cannot load the demo: {}", demo::describe(&error)))?;
            }
            Ok(agents)
        });
    match installed {
        Ok(agents) => Ok((database, agents)),
        Err(message) => {
            if let Err(error) = database.close() {
                tracing::error!(%error, "closing after a failed start");
            }
            Err(message)
        }
    }
}

/// A bar on a terminal, a line per tenth elsewhere.
pub(super) fn repair_progress() -> Arc<dyn Fn(f64) + Send + Sync> {
    if io::stderr().is_terminal() {
        let bar = ProgressBar::new(1000);
        if let Ok(style) = ProgressStyle::with_template("repairing after an unclean stop {bar:40} {percent} %") {
            bar.set_style(style);
        }
        return Arc::new(move |done| {
            bar.set_position((done.clamp(0.0, 1.0) * 1000.0) as u64);
            if done >= 1.0 {
                bar.finish_and_clear();
            }
        });
    }
    let last_tenth = AtomicUsize::new(usize::MAX);
    Arc::new(move |done| {
        let tenth = (done.clamp(0.0, 1.0) * 10.0) as usize;
        if last_tenth.swap(tenth, std::sync::atomic::Ordering::Relaxed) != tenth {
            tracing::info!("repairing after an unclean stop: {} %", tenth * 10);
        }
    })
}

fn print_welcome(config: &ServerConfig, wire: SocketAddr, http: Option<SocketAddr>) {
    let mut text = format!("\nsinew {} is ready, data in {}\n\n", env!("CARGO_PKG_VERSION"), config.data.display());
    let host = if wire.ip().is_unspecified() { "127.0.0.1".to_owned() } else { wire.ip().to_string() };
    text.push_str(&format!("  psql -h {host} -p {} -U sinew\n", wire.port()));
    if wire.port() == 5433 {
        text.push_str("  sinew query \"select 1\"\n");
    } else {
        text.push_str(&format!("  sinew query --dsn postgres://sinew@{wire}/sinew \"select 1\"\n"));
    }
    if let Some(http) = http {
        text.push_str(&format!("  http://{http}/health\n"));
    }
    text.push_str("\nTo try:\n\n");
    let lines: &[&str] = if config.demo { demo::LINES_TO_TRY } else { LINES_TO_TRY };
    for line in lines {
        text.push_str(&format!("  {line}\n"));
    }
    text.push('\n');
    let mut out = io::stdout();
    // A closed standard output is no reason to stop serving.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// For an empty database.
const LINES_TO_TRY: &[&str] = &[
    "INSERT INTO messages (conversation_id, role, content) VALUES ('c1', 'user', 'The ferry leaves at nine.');",
    "SELECT seq, role, content, score FROM search_messages('when does the boat go');",
    "CREATE (:Person {name: 'Ann'})-[:KNOWS]->(:Person {name: 'Bo'});",
    "MATCH (a:Person)-[:KNOWS]->(b) RETURN a.name, b.name;",
];
