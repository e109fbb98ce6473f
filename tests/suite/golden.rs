//! Every script under `scripts/` gives what it says; those of several sessions are run by `isolation.rs`.

use std::path::{Path, PathBuf};

/// Collects the scripts below `folder`, of one session each.
pub fn scripts(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("isolation") {
                scripts(&path, out);
            }
        } else if path.extension().is_some_and(|extension| extension == "test") {
            out.push(path);
        }
    }
}

#[test]
fn scripts_give_their_output() {
    let mut files = Vec::new();
    scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"), &mut files);
    files.sort();
    assert!(files.len() > 5, "the scripts are missing");
    let reports: Vec<String> = files
        .iter()
        .map(|file| sinew_tests::golden::run_file(file).unwrap_or_else(|error| error))
        .filter(|report| !report.is_empty())
        .collect();
    assert!(reports.is_empty(), "{} files differ\n\n{}", reports.len(), reports.join("\n"));
}
