//! Where the benches put their data: a real disk, since durability costs nothing in memory.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The directory named by `SINEW_BENCH_DIR`, else `default`; created when missing. Errors with a message.
pub fn bench_root(default: &Path) -> Result<PathBuf, String> {
    let root = match std::env::var_os("SINEW_BENCH_DIR").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => default.to_owned(),
    };
    std::fs::create_dir_all(&root)
        .and_then(|()| root.canonicalize())
        .map_err(|error| format!("{}: {error}", root.display()))
}

/// A new directory within `root`, removed when dropped.
pub fn scratch(root: &Path) -> TempDir {
    tempfile::Builder::new().prefix("sinew-bench-").tempdir_in(root).expect("the bench's directory is writable")
}

/// The type of the file system that holds `path` (absolute, without links), where `/proc/mounts` tells.
pub fn file_system(path: &Path) -> Option<String> {
    file_system_among(&std::fs::read_to_string("/proc/mounts").ok()?, path)
}

/// True for file systems that keep everything in memory.
pub fn is_in_memory(file_system: &str) -> bool {
    matches!(file_system, "tmpfs" | "ramfs" | "devtmpfs")
}

/// Lines are `device mount-point type options 0 0`; the deepest mount point counts, and of equal ones the last.
fn file_system_among(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let mut fields = line.split(' ');
        let point = fields.nth(1)?.replace("\\040", " ");
        let kind = fields.next()?.to_owned();
        path.starts_with(&point).then_some((point.len(), kind))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}
