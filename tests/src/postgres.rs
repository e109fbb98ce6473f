//! A PostgreSQL 15 to compare with: one that runs already, or Debian's, started in a temporary directory.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::protocol::{Address, Connection};
use crate::server::free_port;

/// Names a server to use, as libpq does: `host=127.0.0.1 port=5432 user=postgres`. Its user makes roles and databases.
pub const SERVER_VARIABLE: &str = "SINEW_TEST_POSTGRES";

/// Where Debian's package has its programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// Of both engines, so that `current_user` is the same.
const USER: &str = "sinew";
const SILENCE: Duration = Duration::from_secs(60);

/// A server; one that was started here is stopped when dropped.
pub struct Postgres {
    administrator: Address,
    own: Option<OwnCluster>,
    database_count: usize,
}

struct OwnCluster {
    /// Removed when dropped.
    directory: tempfile::TempDir,
}

impl Postgres {
    /// The server that `SINEW_TEST_POSTGRES` names, else one of its own.
    pub fn start() -> io::Result<Postgres> {
        let (administrator, own) = match std::env::var(SERVER_VARIABLE) {
            Ok(text) => (parse_address(&text)?, None),
            Err(_) => {
                let port = free_port();
                let cluster = OwnCluster::start(port)?;
                let (host, user, database) = ("127.0.0.1".to_owned(), "postgres".to_owned(), "postgres".to_owned());
                (Address { host, port, user, database }, Some(cluster))
            }
        };
        let mut connection = Connection::open(&administrator, SILENCE)?;
        let version = connection.simple("SHOW server_version_num")?;
        let number = version.rows.first().and_then(|row| row.first()).cloned().flatten().unwrap_or_default();
        if !number.starts_with("15") {
            return Err(io::Error::other(format!("PostgreSQL 15 is wanted, the server is of version {number}")));
        }
        if connection.simple(&format!("SELECT 1 FROM pg_roles WHERE rolname = '{USER}'"))?.rows.is_empty() {
            run(&mut connection, &format!("CREATE ROLE {USER} SUPERUSER LOGIN"))?;
        }
        Ok(Postgres { administrator, own, database_count: 0 })
    }

    /// Whether the server was started here.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Makes an empty database with the collation `C` and UTF-8's character classes, as Sinew's are.
    pub fn create_database(&mut self) -> io::Result<Address> {
        self.database_count += 1;
        let name = format!("sinew_test_{}_{}", std::process::id(), self.database_count);
        let mut connection = Connection::open(&self.administrator, SILENCE)?;
        let create = format!("CREATE DATABASE {name} OWNER {USER} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'");
        run(&mut connection, &create)?;
        Ok(Address { user: USER.to_owned(), database: name, ..self.administrator.clone() })
    }

    /// Drops a database of [`Postgres::create_database`], which nobody may be connected to.
    pub fn drop_database(&self, address: &Address) -> io::Result<()> {
        let mut connection = Connection::open(&self.administrator, SILENCE)?;
        run(&mut connection, &format!("DROP DATABASE {} WITH (FORCE)", address.database))
    }
}

fn run(connection: &mut Connection, statement: &str) -> io::Result<()> {
    match connection.simple(statement)?.error {
        None => Ok(()),
        Some(error) => Err(io::Error::other(format!("{statement}: {}: {}", error.sqlstate, error.message))),
    }
}

fn parse_address(text: &str) -> io::Result<Address> {
    let config: tokio_postgres::Config =
        text.parse().map_err(|error| io::Error::other(format!("{SERVER_VARIABLE}: {error}")))?;
    let host = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
        _ => "127.0.0.1".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().unwrap_or("postgres").to_owned();
    let database = config.get_dbname().unwrap_or("postgres").to_owned();
    Ok(Address { host, port, user, database })
}

impl OwnCluster {
    fn start(port: u16) -> io::Result<OwnCluster> {
        if !Path::new(PROGRAMS).join("initdb").exists() {
            return Err(io::Error::other(format!(
                "no PostgreSQL 15: apt-get install postgresql-15, or name a server in {SERVER_VARIABLE}"
            )));
        }
        // User postgres must reach its data, which a test's own temporary directory does not let it.
        let directory = tempfile::Builder::new().prefix("sinew-postgres-").tempdir_in("/tmp")?;
        let path = directory.path().to_owned();
        if is_root() {
            finish(Command::new("chown").arg("postgres:").arg(&path))?;
        }
        let data = path.join("data");
        let cluster = OwnCluster { directory };
        finish(cluster.program("initdb").arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "--locale=C.UTF-8",
        ]))?;
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c timezone=UTC"
        );
        let log = path.join("server.log");
        finish(cluster.program("pg_ctl").args(["-w", "start", "-o", &options, "-l"]).arg(&log).arg("-D").arg(&data))?;
        Ok(cluster)
    }

    /// A program of PostgreSQL's, which refuses to run as root.
    fn program(&self, name: &str) -> Command {
        let program = PathBuf::from(PROGRAMS).join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        let data = self.directory.path().join("data");
        // Nothing to do about a server that does not stop: it was started with this directory only.
        let _ = self.program("pg_ctl").args(["-m", "immediate", "-w", "stop", "-D"]).arg(data).status();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

fn finish(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} ended with {status}"))) }
}
