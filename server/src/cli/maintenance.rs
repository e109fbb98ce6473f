//! `sinew backup`, `sinew restore` and `sinew check`: through a running server, or on the directory of a stopped one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use sinew::backup::BackupReport;
use sinew::{QueryError, Store, StoreOptions};

use super::progress::{OpeningProgress, Progress};
use super::remote;
use super::say;
use super::table::write_table;

/// Which database to work on.
#[derive(Args, Debug)]
pub struct Place {
    /// Running server to ask, the one on 127.0.0.1:5433 unless given [env: SINEW_DSN]
    #[arg(long, value_name = "DSN", conflicts_with = "data")]
    dsn: Option<String>,
    /// Directory of a database that no server has open
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A server writes the backup itself: the directory is one of its machine.
pub fn backup(directory: PathBuf, place: Place) -> Result<ExitCode, String> {
    let directory = std::path::absolute(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    if let Some(data) = place.data {
        let report = with_store(&data, "backup", |store, progress| store.backup_to(&directory, progress))?;
        return say(&summary("backed up", &report));
    }
    let Some(name) = directory.to_str() else {
        return Err(format!("{} is not UTF-8, so a server cannot be told of it", directory.display()));
    };
    let progress = Progress::spinner("backup");
    let statement = format!("BACKUP TO '{}'", name.replace('\'', "''"));
    let rows = remote::rows(&remote::dsn_or_default(place.dsn), "sinew backup", &statement);
    drop(progress);
    let rows = rows?;
    let [Some(lsn), Some(row_count), Some(size_bytes), Some(directory)] = rows.first().map_or(&[][..], |row| &row[..])
    else {
        return Err("the server's answer to BACKUP is not understood".to_owned());
    };
    say(&format!("backed up {row_count} rows ({size_bytes} bytes) at LSN {lsn} in {directory}"))
}

/// Makes a data directory of a backup.
pub fn restore(from: PathBuf, data: PathBuf) -> Result<ExitCode, String> {
    let mut progress = Progress::new("restore");
    let report = sinew::backup::restore(&from, &data, &mut |done, of| {
        progress.update(done, of);
        Ok(())
    });
    drop(progress);
    say(&summary("restored", &report.map_err(describe)?))
}

/// Prints what was checked; problems are exit code 1.
pub fn check(place: Place) -> Result<ExitCode, String> {
    let rows = match place.data {
        Some(data) => check_offline(&data)?,
        None => {
            let _progress = Progress::spinner("check");
            remote::rows(&remote::dsn_or_default(place.dsn), "sinew check", "CHECK DATABASE")?
        }
    };
    let names = ["object", "checked", "problem"].map(str::to_owned);
    let mut out = io::stdout().lock();
    // Whoever closed our output has seen enough; the exit code says the rest.
    let _ = write_table(&mut out, &names, &rows);
    let is_sound = rows.iter().all(|row| row.get(2).is_none_or(Option::is_none));
    let _ = writeln!(out, "{}", if is_sound { "no problems found" } else { "there are problems" });
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_offline(data: &Path) -> Result<Vec<Vec<Option<String>>>, String> {
    must_exist(data)?;
    let progress = Progress::spinner("checking the pages of the file");
    let is_sound = Store::check_file(data).map_err(describe)?;
    drop(progress);
    let problem = "redb found damage and repaired what could be repaired";
    let mut rows = vec![vec![Some("file".to_owned()), None, (!is_sound).then(|| problem.to_owned())]];
    let report = with_store(data, "check", |store, progress| store.check(progress))?;
    let row = |(object, checked, problem): (&str, u64, Option<String>)| {
        vec![Some(object.to_owned()), Some(checked.to_string()), problem]
    };
    rows.extend(report.rows().into_iter().map(row));
    Ok(rows)
}

/// Opening creates what is missing, which is not wanted here.
fn must_exist(data: &Path) -> Result<(), String> {
    if Store::exists(data) { Ok(()) } else { Err(format!("there is no database in {}", data.display())) }
}

fn open(data: &Path) -> Result<Arc<Store>, String> {
    must_exist(data)?;
    let progress = OpeningProgress::new();
    let shown = progress.clone();
    let repair_progress = Some(Arc::new(move |done: f64| shown.update(done)) as Arc<dyn Fn(f64) + Send + Sync>);
    let opened = Store::open(data, StoreOptions { repair_progress, ..StoreOptions::default() });
    progress.finish();
    opened.map_err(describe)
}

/// Opens the database, does the work while its progress is shown, and closes it whatever came of it.
fn with_store<T, E: Into<QueryError>>(
    data: &Path,
    what: &'static str,
    work: impl FnOnce(&Store, sinew::backup::Progress<'_>) -> Result<T, E>,
) -> Result<T, String> {
    let store = open(data)?;
    let mut progress = Progress::new(what);
    let result = work(&store, &mut |done, of| {
        progress.update(done, of);
        Ok(())
    });
    drop(progress);
    let closed = store.close();
    let done = result.map_err(describe)?;
    closed.map_err(describe)?;
    Ok(done)
}

fn summary(done: &str, report: &BackupReport) -> String {
    let BackupReport { lsn, row_count, size_bytes, directory } = report;
    format!("{done} {row_count} rows ({size_bytes} bytes) at LSN {lsn} in {}", directory.display())
}

fn describe(error: impl Into<QueryError>) -> String {
    let error = error.into();
    let hint = if error.sqlstate() == sinew::sqlstate::CANNOT_CONNECT_NOW {
        "; if a server has it open, ask that one with --dsn"
    } else {
        ""
    };
    format!("{error}{hint}")
}
