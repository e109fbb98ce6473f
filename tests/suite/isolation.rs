//! Every script under `scripts/isolation/` gives what it says.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Scripts at a time: their sessions mostly wait.
const WORKERS: usize = 8;

#[test]
fn interleaved_sessions_give_their_output() {
    let mut files = sinew_tests::golden::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/isolation"));
    // `ISOLATION=deadlock` runs the scripts whose path has the word.
    if let Ok(word) = std::env::var("ISOLATION") {
        files.retain(|file| file.to_string_lossy().contains(&word));
    } else {
        assert!(files.len() > 20, "the scripts are missing");
    }
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = sinew_tests::isolation::run_file(file).unwrap_or_else(|error| error);
                    if !report.is_empty() {
                        reports.lock().expect("no worker panics with the lock held").push(report);
                    }
                }
            });
        }
    });
    let reports = reports.into_inner().expect("no worker panics with the lock held");
    assert!(reports.is_empty(), "{} files differ\n\n{}", reports.len(), reports.join("\n"));
}

/// The runner tells what a script gets wrong: an output, a wait, an end of a wait.
#[test]
fn a_wrong_expectation_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("wrong.test");
    let script = "setup: CREATE TABLE t (id int PRIMARY KEY, v int)\n\
                  setup: INSERT INTO t VALUES (1, 10)\n\n\
                  == a right one\na: SELECT v FROM t\n   10\n\n\
                  == wrong ones\na: SELECT v FROM t\n   11\na: SELECT v + 1 FROM t\n   … waits\n\
                  b: INSERT INTO t VALUES (1, 1)\n   ERROR 23505\na: COMMIT\nb: … continues\n   UPDATE 1\n";
    std::fs::write(&path, script).expect("the script is written");
    let checked = sinew_tests::isolation::check_file(&path).expect("the script runs");
    let report = checked.report;
    let lines: Vec<&str> = report.lines().filter(|line| line.contains("wrong.test:")).collect();
    let has = |line: usize| lines.iter().any(|shown| shown.contains(&format!("wrong.test:{line} ")));
    assert!(checked.rewritten.contains("a: SELECT v + 1 FROM t\n   11\n"), "{}", checked.rewritten);
    assert!(!has(5) && has(9) && has(11) && !has(13) && has(15) && lines.len() == 3, "{report}");
}
