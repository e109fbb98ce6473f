//! A server process to start, talk to and kill.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    pub http_port: u16,
    pub directory: PathBuf,
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("a bound listener has an address").port()
}

impl Server {
    /// Starts `program` (the path of `sinew-under-test`) on `directory` and waits until it accepts connections.
    pub async fn start(program: &str, directory: &Path, extra: &[&str]) -> Server {
        let spawn = || {
            Server::spawn(Path::new(program), directory, extra, Stdio::inherit()).expect("the server's binary starts")
        };
        let mut server = spawn();
        let mut attempt_count = 1;
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if server.try_connect().await.is_ok() {
                return server;
            }
            if let Some(status) = server.ended() {
                // A port that was free may have been taken by another test meanwhile.
                assert!(attempt_count < 3, "the server ended with {status}");
                attempt_count += 1;
                server = spawn();
            }
            assert!(Instant::now() < deadline, "the server did not accept connections in time");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts `program` on `directory` without waiting for it; its log goes to `log`.
    pub fn spawn(program: &Path, directory: &Path, extra: &[&str], log: Stdio) -> std::io::Result<Server> {
        let (port, http_port) = (free_port(), free_port());
        let child = Command::new(program)
            .arg("serve")
            .arg("--data")
            .arg(directory)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--http", &format!("127.0.0.1:{http_port}")])
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Server { child, port, http_port, directory: directory.to_owned() })
    }

    /// The exit status, when the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub async fn try_connect(&self) -> Result<Client, tokio_postgres::Error> {
        let config = format!("host=127.0.0.1 port={} user=ann dbname=sinew connect_timeout=5", self.port);
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub async fn connect(&self) -> Client {
        self.try_connect().await.expect("the server accepts connections")
    }

    /// SIGKILL, and waits for the process to be gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; false when it could not be sent.
    pub fn terminate(&self) -> bool {
        let sent = Command::new("kill").arg(self.process_id().to_string()).status();
        sent.is_ok_and(|status| status.success())
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, when the process has ended by itself within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
