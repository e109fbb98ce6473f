//! A strict runner of the openCypher TCK.

pub mod gherkin;
pub mod kept;
pub mod notation;
pub mod procedure;
pub mod runner;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use gherkin::Scenario;
use runner::{Outcome, run};

/// Where the features are beside a checkout.
pub const FEATURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/opencypher-tck/features");

/// Runs all on so many threads, each scenario on a database of its own; outcomes in their order. Named graphs are in
/// `graphs` beside the directory of features. A panic or the time limit fails its scenario only.
pub fn run_all(scenarios: &[Arc<Scenario>], features: &Path, threads: usize, time_limit: Duration) -> Vec<Outcome> {
    let graphs = features.join("../graphs");
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; scenarios.len()]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(index) else { return };
                    let outcome = run_limited(scenario, &graphs, time_limit);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Outcome::Failed("was not run".to_owned()))).collect()
}

/// In a thread of its own, so that one that hangs can be left behind.
fn run_limited(scenario: &Arc<Scenario>, graphs: &Path, time_limit: Duration) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let (scenario, graphs) = (Arc::clone(scenario), graphs.to_owned());
    let body = move || {
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| run(&scenario, &graphs)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Outcome::Failed(format!("panicked: {}", message.unwrap_or_default()))
        });
        // The receiver is gone when the time limit has passed.
        let _ = sender.send(outcome);
    };
    match std::thread::Builder::new().stack_size(16 << 20).spawn(body) {
        Ok(_) => receiver
            .recv_timeout(time_limit)
            .unwrap_or_else(|_| Outcome::Failed(format!("not finished within {} ms", time_limit.as_millis()))),
        Err(error) => Outcome::Failed(format!("cannot start a thread: {error}")),
    }
}
