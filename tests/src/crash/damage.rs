//! Damage to what may be deleted at any time: every file of a data directory but the store's own.

use std::io;
use std::path::{Path, PathBuf};

use super::random::Random;

/// Longest stretch of bytes that is overwritten.
const STRETCH: u64 = 4_096;

/// Names at the top of a data directory that hold what cannot be made anew, or that guard it.
fn is_protected(name: &str) -> bool {
    name.starts_with("sinew.redb") || name == "log" || name.to_lowercase().contains("lock")
}

/// Deletes, truncates or overwrites some derived files; tells what was done, a line each. No server may be running.
pub fn damage(directory: &Path, random: &mut Random) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let protected = path.file_name().is_none_or(|name| name.to_str().is_none_or(is_protected));
        if protected {
            continue;
        }
        if path.is_dir() {
            collect(&path, &mut files)?;
            folders.push(path);
        } else {
            files.push(path);
        }
    }
    // read_dir has no order, and the seed is to decide.
    files.sort_unstable();
    folders.sort_unstable();
    if random.percent(20)
        && let Some(folder) = random.pick(&folders)
    {
        std::fs::remove_dir_all(folder)?;
        return Ok(vec![format!("removed {}", folder.display())]);
    }
    let chance = *random.pick(&[10, 40, 100]).unwrap_or(&40);
    let mut done = Vec::new();
    for file in files {
        if random.percent(chance) {
            done.push(damage_file(&file, random)?);
        }
    }
    Ok(done)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn damage_file(file: &Path, random: &mut Random) -> io::Result<String> {
    let name = file.display();
    let mut bytes = std::fs::read(file)?;
    let length = bytes.len() as u64;
    match random.below(3) {
        0 => {
            std::fs::remove_file(file)?;
            Ok(format!("removed {name}"))
        }
        1 => {
            let kept = random.below(length);
            bytes.truncate(kept as usize);
            std::fs::write(file, bytes)?;
            Ok(format!("cut {name} from {length} to {kept} bytes"))
        }
        _ => {
            let from = random.below(length);
            let to = length.min(from + 1 + random.below(STRETCH));
            bytes[from as usize..to as usize].fill_with(|| random.number() as u8);
            std::fs::write(file, bytes)?;
            Ok(format!("overwrote {name} from byte {from} to {to}"))
        }
    }
}
