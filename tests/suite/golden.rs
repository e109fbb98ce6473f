//! Every script under `scripts/` gives what it says; those of several sessions are run by `isolation.rs`.

use std::path::Path;

#[test]
fn scripts_give_their_output() {
    let files = sinew_tests::golden::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"));
    assert!(files.len() > 5, "the scripts are missing");
    let reports: Vec<String> = files
        .iter()
        .map(|file| sinew_tests::golden::run_file(file).unwrap_or_else(|error| error))
        .filter(|report| !report.is_empty())
        .collect();
    assert!(reports.is_empty(), "{} files differ\n\n{}", reports.len(), reports.join("\n"));
}
