//! `sinew serve`: opens the database, listens, and closes in order.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use sinew::{Database, DatabaseOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use super::progress::OpeningProgress;
use crate::config::{Layer, ServerConfig};
use crate::http::guard::AllowedHosts;
use crate::http::{self, HttpState};
use crate::metrics::Metrics;
use crate::pool::QueryPool;
use crate::readiness::Readiness;
use crate::wire::{self, CancelRegistry, WireContext};
use crate::{agents, demo};

const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Beyond the drain timeout and the grace of cancelled statements, for all connections to end.
const DRAIN_SLACK: Duration = Duration::from_secs(2);

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

    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::new(Readiness::default());
    let cores = std::thread::available_parallelism().map_or(4, usize::from).max(4);
    let pool = QueryPool::new(cores, config.max_connections + http::REQUEST_LIMIT + cores);
    let (stop, shutdown) = watch::channel(false);
    let wire_address = wire_listener.local_addr().unwrap_or(config.listen);
    let http_address = http_listener.as_ref().and_then(|listener| listener.local_addr().ok());
    // Clients are answered from now on, if only to tell them how far the database is.
    let context = Arc::new(WireContext {
        readiness: readiness.clone(),
        pool: pool.clone(),
        metrics: metrics.clone(),
        cancels: CancelRegistry::default(),
        max_connections: config.max_connections,
        startup_timeout: STARTUP_TIMEOUT,
        message_timeout: MESSAGE_TIMEOUT,
        drain_timeout: config.drain_timeout,
        session_count: AtomicUsize::new(0),
        shutdown: shutdown.clone(),
    });
    let wire = tokio::spawn(wire::accept(context, wire_listener));
    let http = http_listener.map(|listener| {
        let allowed = AllowedHosts {
            names: config.http_hosts.clone(),
            any_address: http_address.is_some_and(|address| !address.ip().is_loopback()),
        };
        let state = HttpState::new(readiness.clone(), pool.clone(), metrics.clone());
        tokio::spawn(http::serve(listener, http::router(state, allowed), shutdown.clone()))
    });

    let addresses = std::iter::once(wire_address).chain(http_address).map(|address| address.to_string()).collect();
    let (open_config, open_readiness) = (config.clone(), readiness.clone());
    let opening = pool.run(move || open(&open_config, addresses, &open_readiness));
    let opened = tokio::select! {
        opened = opening => opened.map_err(|lost| lost.to_string())?,
        // Nothing is lost by leaving now: what was begun is done again at the next start.
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
    };
    let (database, agents) = opened?;
    database.set_server_setting("max_connections", config.max_connections);
    database.set_server_setting("listen_addresses", wire_address.ip());
    database.set_server_setting("port", wire_address.port());
    database.set_server_setting("data_directory", config.data.display());
    readiness.ready(database.clone());
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
    let closing = async {
        drain(wire, http, config.drain_timeout).await;
        lag.abort();
        let close = move || {
            if let Some(agents) = &agents {
                agents.shutdown();
            }
            database.close()
        };
        pool.run(close).await
    };
    let closed = tokio::select! {
        closed = closing => closed,
        _ = terminate.recv() => stop_at_once(),
        _ = interrupt.recv() => stop_at_once(),
    };
    match closed {
        Ok(Ok(())) => {
            tracing::info!("closed in {:.1} s", stopping_since.elapsed().as_secs_f64());
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(error)) => Err(format!("closing the database: {error}")),
        Err(lost) => Err(format!("closing the database: {lost}")),
    }
}

/// Waits for connections and requests to end, which they are made to after the drain timeout.
async fn drain(wire: JoinHandle<()>, http: Option<JoinHandle<()>>, drain_timeout: Duration) {
    let wire = tokio::time::timeout(drain_timeout + wire::STOP_GRACE + DRAIN_SLACK, wire);
    let http = async {
        match http {
            // A request has no client to tell; a run of an agent goes on at the next start.
            Some(http) => tokio::time::timeout(drain_timeout + DRAIN_SLACK, http).await.is_ok(),
            None => true,
        }
    };
    let (wire, http) = tokio::join!(wire, http);
    if wire.is_err() || !http {
        tracing::warn!("some connections did not end in time");
    }
}

/// A second signal: the process ends as if it were killed, which loses no acknowledged commit.
fn stop_at_once() -> ! {
    tracing::warn!("signalled again: stopping without closing the database");
    std::process::exit(1)
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
fn open(config: &ServerConfig, addresses: Vec<String>, readiness: &Arc<Readiness>) -> Result<Opened, String> {
    let started = Instant::now();
    let progress = OpeningProgress::new();
    let mut options =
        DatabaseOptions { statement_memory_bytes: config.statement_memory_bytes, ..DatabaseOptions::default() };
    options.store.cache_size_bytes = config.cache_size_bytes;
    options.store.memory_table_size_bytes = config.memory_table_size_bytes;
    options.store.write_set_memory_bytes = config.write_set_memory_bytes;
    options.store.max_snapshot_age = config.max_snapshot_age;
    options.store.listen_addresses = addresses;
    options.store.repair_progress = Some(Arc::new({
        let (readiness, progress) = (readiness.clone(), progress.clone());
        move |done: f64| {
            readiness.progress(done);
            progress.update(done);
        }
    }));
    let data = config.data.display();
    let opened = Database::open_with(&config.data, options);
    progress.finish();
    let database = opened.map_err(|error| {
        let hint = error.0.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("cannot open the database in {data}: {error}{hint}")
    })?;
    tracing::debug!("opened in {:.2} s", started.elapsed().as_secs_f64());
    readiness.stage("starting agents");
    let installed =
        agents::install(&database).map_err(|error| format!("cannot start agents: {error}")).and_then(|agents| {
            if config.demo {
                readiness.stage("loading the demo");
                demo::load_once(&database, agents.is_some(), &|done| readiness.progress(done))
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
