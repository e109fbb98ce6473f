//! Files of a database directory as the commit log sees them: a trait, so that tests can break them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A flat directory of files. Names are plain file names.
pub(crate) trait Disk: Send + Sync {
    /// Opens a file for reading and writing; created when absent.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_directory(&self) -> io::Result<()>;
    /// Bytes that files may still grow by, if that is known.
    fn free_bytes(&self) -> io::Result<Option<u64>>;
}

/// One open file. Writes are durable after `sync`, length included.
pub(crate) trait DiskFile: Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Errors when fewer bytes are there.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Grows the file where needed.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the operating system.
pub(crate) struct OsDisk {
    directory: PathBuf,
}

impl OsDisk {
    /// Creates the directory when absent; its own name is made durable.
    pub fn create(directory: PathBuf) -> io::Result<OsDisk> {
        if !directory.is_dir() {
            std::fs::create_dir_all(&directory)?;
            if let Some(parent) = directory.parent() {
                sync_directory(parent)?;
            }
        }
        Ok(OsDisk { directory })
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

impl Disk for OsDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(self.directory.join(name))?;
        Ok(Box::new(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.directory.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        free_bytes(&self.directory)
    }
}

/// Bytes that files of the folder's file system may grow by; None for a file system that does not say.
pub(crate) fn free_bytes(directory: &Path) -> io::Result<Option<u64>> {
    let stat = rustix::fs::statvfs(directory)?;
    Ok((stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize)))
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all_at(data, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
