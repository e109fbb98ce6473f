//! The server process of the rig: started on one data directory, its log beside it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::difference::Difference;
use crate::server::Server;

/// For the server to accept connections.
const OPEN_LIMIT: Duration = Duration::from_secs(60);
/// For the server to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Ports are chosen free, but another process may take one before the server does.
const PORT_ATTEMPTS: usize = 5;
/// What the server says when that happens.
const PORT_IN_USE: &str = "is in use, perhaps by another sinew";
/// Lines of the log that are shown.
const LOG_LINES: usize = 15;

pub(super) struct Process {
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
    /// Of the newest start, in the log.
    log_start_bytes: u64,
    server: Option<Server>,
    /// The data was damaged before the last opening: caught panics over what is broken are no difference.
    pub is_damaged: bool,
}

impl Process {
    /// `work` gets the data directory and the log.
    pub fn new(program: PathBuf, work: &Path) -> Process {
        Process {
            program,
            data: work.join("data"),
            log: work.join("server.log"),
            log_start_bytes: 0,
            server: None,
            is_damaged: false,
        }
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Writes lines into the log, for whoever reads it later.
    pub fn note(&self, lines: &[String]) {
        let Ok(mut log) = OpenOptions::new().create(true).append(true).open(&self.log) else { return };
        for line in lines {
            // The log is a help, not a result.
            let _ = writeln!(log, "crash rig: {line}");
        }
    }

    /// Starts the server and does not wait for it.
    pub fn spawn(&mut self) -> Result<(), Difference> {
        let failed = |error: std::io::Error| Difference::new("starting the server", "success", error.to_string());
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(failed)?;
        self.log_start_bytes = log.metadata().map_err(failed)?.len();
        let server = Server::spawn(&self.program, &self.data, &[], Stdio::from(log)).map_err(failed)?;
        self.server = Some(server);
        Ok(())
    }

    /// Starts the server and waits until it accepts connections.
    pub async fn open(&mut self) -> Result<(), Difference> {
        let view = "opening the database";
        for _ in 0..PORT_ATTEMPTS {
            self.spawn()?;
            let Some(server) = &mut self.server else { break };
            let deadline = Instant::now() + OPEN_LIMIT;
            let status = loop {
                // The port is open before the data is; until then an attempt is answered that the server is starting.
                let left = deadline.saturating_duration_since(Instant::now());
                if let Ok(Ok(_)) = tokio::time::timeout(left, server.try_connect()).await {
                    return Ok(());
                }
                if let Some(status) = server.ended() {
                    break status;
                }
                if Instant::now() >= deadline {
                    return Err(Difference::new(view, format!("within {} s", OPEN_LIMIT.as_secs()), "still not open"));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            if !self.newest_log().contains(PORT_IN_USE) {
                return Err(Difference::new(view, "the server opens it", format!("it ended with {status}")));
            }
        }
        Err(Difference::new(view, "a free port", format!("none in {PORT_ATTEMPTS} attempts")))
    }

    pub async fn connect(&self) -> Result<Client, Difference> {
        let view = "connecting";
        let Some(server) = &self.server else { return Err(Difference::new(view, "a server", "none")) };
        match tokio::time::timeout(OPEN_LIMIT, server.try_connect()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(Difference::new(view, "a connection", error.to_string())),
            Err(_) => Err(Difference::new(view, "a connection", "no answer")),
        }
    }

    /// SIGKILL. A server that had ended by itself, or panicked, is a difference.
    pub fn kill(&mut self) -> Result<(), Difference> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        if let Some(status) = server.ended()
            && !self.newest_log().contains(PORT_IN_USE)
        {
            return Err(Difference::new("the server", "runs until it is killed", format!("ended with {status}")));
        }
        server.kill();
        self.check_log()
    }

    /// SIGTERM, and waits for a clean end.
    pub fn stop(&mut self) -> Result<(), Difference> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let view = "stopping the server with SIGTERM";
        if !server.terminate() {
            return Err(Difference::new(view, "a process to signal", "none"));
        }
        match server.wait(STOP_LIMIT) {
            Some(status) if status.success() => self.check_log(),
            Some(status) => Err(Difference::new(view, "exit code 0", status.to_string())),
            None => Err(Difference::new(view, format!("an end within {} s", STOP_LIMIT.as_secs()), "none")),
        }
    }

    /// Ends the server, however it stands.
    pub fn end(&mut self) {
        self.server = None;
    }

    /// The last lines of the log.
    pub fn log_end(&self) -> String {
        let log = self.newest_log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(|line| format!("    {line}\n")).collect()
    }

    fn check_log(&self) -> Result<(), Difference> {
        let log = self.newest_log();
        match log.lines().find(|line| line.contains("panicked at")) {
            Some(line) if !self.is_damaged => Err(Difference::new("the server's log", "no panics", line)),
            _ => Ok(()),
        }
    }

    fn newest_log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start_bytes).unwrap_or(usize::MAX).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }
}
