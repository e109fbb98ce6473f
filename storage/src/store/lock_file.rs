//! `sinew.pid`: who has the directory open, for the message to whoever is refused.
//!
//! It decides nothing. redb's lock on its own file, which the system releases with the process, decides who may open; this
//! file is written after that and removed at a clean close. One that is left over, damaged or missing only makes a message
//! say less.
//!
//! ```text
//! pid 1234
//! started 1764263945123456          microseconds since 1970 UTC
//! listening on 127.0.0.1:5433       a line per address; none for an embedded database
//! ```

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Name of the file within the data directory.
pub const LOCK_FILE_NAME: &str = "sinew.pid";
/// More than any such file holds, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The file of an open database.
pub(crate) struct LockFile {
    path: PathBuf,
    text: String,
}

impl LockFile {
    /// Writes the file over whatever is there. Failing to is logged: nothing depends on it.
    pub fn write(directory: &Path, addresses: &[String]) -> LockFile {
        let started_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let mut text = format!("pid {}\nstarted {started_us}\n", std::process::id());
        for address in addresses {
            text.push_str(&format!("listening on {address}\n"));
        }
        let path = directory.join(LOCK_FILE_NAME);
        if let Err(error) = std::fs::write(&path, &text) {
            tracing::warn!(%error, file = %path.display(), "the file that names this process could not be written");
        }
        LockFile { path, text }
    }

    /// After closing: removes the file, unless it is another process's by now. Idempotent.
    pub fn remove(&self) {
        if std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(%error, file = %self.path.display(), "the file that names this process was not removed");
        }
    }
}

/// Opening failed, or the store is gone without having been closed.
impl Drop for LockFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Why a directory cannot be opened: "another process (pid 1234, listening on 127.0.0.1:5433) holds the database in …",
/// as far as the file is there and can be true.
pub(crate) fn describe_holder(directory: &Path) -> String {
    let place = directory.display();
    let Some((pid, addresses)) = read(directory).filter(|(pid, _)| may_be_alive(*pid)) else {
        return format!("another process holds the database in {place}");
    };
    if pid == std::process::id() {
        return format!("this process (pid {pid}) holds the database in {place} already");
    }
    let listening =
        if addresses.is_empty() { String::new() } else { format!(", listening on {}", addresses.join(" and ")) };
    format!("another process (pid {pid}{listening}) holds the database in {place}")
}

/// Process id and addresses.
fn read(directory: &Path) -> Option<(u32, Vec<String>)> {
    let path = directory.join(LOCK_FILE_NAME);
    if std::fs::metadata(&path).ok()?.len() > MAX_FILE_BYTES {
        return None;
    }
    let text = std::fs::read_to_string(&path).ok()?;
    let pid = text.lines().find_map(|line| line.strip_prefix("pid "))?.trim().parse().ok()?;
    let addresses = text.lines().filter_map(|line| line.strip_prefix("listening on ")).map(|address| {
        // The file may hold anything; the message is one line.
        address.chars().filter(|c| !c.is_control()).collect()
    });
    Some((pid, addresses.collect()))
}

/// False when the system says that there is no such process.
fn may_be_alive(pid: u32) -> bool {
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named_as_far_as_it_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let unknown = format!("another process holds the database in {}", directory.path().display());
        assert_eq!(describe_holder(directory.path()), unknown);
        for stale in ["", "pid", "pid x\n", "\u{0}\u{1}", "pid 4294967295\nlistening on 127.0.0.1:5433\n"] {
            std::fs::write(directory.path().join(LOCK_FILE_NAME), stale).unwrap();
            assert_eq!(describe_holder(directory.path()), unknown, "{stale:?}");
        }
        let file = LockFile::write(directory.path(), &["127.0.0.1:5433".to_owned(), "127.0.0.1:3001".to_owned()]);
        let named = describe_holder(directory.path());
        assert!(named.starts_with(&format!("this process (pid {})", std::process::id())), "{named}");
        // The parent of every process.
        let other = file.text.replacen(&std::process::id().to_string(), "1", 1);
        std::fs::write(&file.path, &other).unwrap();
        let named = describe_holder(directory.path());
        let expected = "another process (pid 1, listening on 127.0.0.1:5433 and 127.0.0.1:3001) holds the database";
        assert!(named.starts_with(expected), "{named}");
        file.remove();
        assert!(file.path.exists(), "the file is another process's");
        let file = LockFile::write(directory.path(), &[]);
        file.remove();
        assert!(!file.path.exists());
    }
}
