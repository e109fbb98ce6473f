//! Agent runs: each that was enqueued is there and ends, and no finished step is carried out again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::difference::{Difference, compare};
use super::probe::{Probe, number};

/// For all runs to end, after the last opening.
const RUNS_LIMIT: Duration = Duration::from_secs(120);

/// What earlier openings showed as finished.
#[derive(Debug, Default)]
pub struct FinishedSteps {
    /// Attempt and times by run and step.
    steps: BTreeMap<(String, i32), String>,
}

impl FinishedSteps {
    pub async fn verify(&mut self, probe: &Probe) -> Result<(), Difference> {
        let view = "SELECT run_id, step, attempt, started_at, finished_at FROM agent_steps WHERE status = 'succeeded'";
        let mut found = BTreeMap::new();
        for row in probe.rows(view).await? {
            let step = number(view, &row, 1)?;
            let rest = row.get(2..).unwrap_or_default().join("|");
            found.insert((row.first().cloned().unwrap_or_default(), step), rest);
        }
        for (step, before) in &self.steps {
            match found.get(step) {
                Some(now) if now == before => {}
                now => {
                    let view = format!("finished step {} of run {}", step.1, step.0);
                    return Err(Difference::new(view, before, format!("{now:?}")));
                }
            }
        }
        self.steps = found;
        for view in [
            "SELECT run_id, step FROM agent_llm_calls WHERE status = 'succeeded' GROUP BY run_id, step \
             HAVING count(*) > 1",
            "SELECT run_id FROM messages WHERE run_id IS NOT NULL AND role = 'assistant' AND content <> '' \
             GROUP BY run_id HAVING count(*) > 1",
            "SELECT run_id FROM agent_runs r WHERE status = 'succeeded' AND NOT EXISTS \
             (SELECT 1 FROM messages m WHERE m.run_id = r.run_id AND m.role = 'assistant' AND m.content <> '')",
            "SELECT run_id, error FROM agent_runs WHERE status = 'failed'",
        ] {
            compare(view, Vec::new(), probe.lines(view).await?)?;
        }
        Ok(())
    }
}

/// Waits for every run to end.
pub async fn finish(probe: &Probe) -> Result<(), Difference> {
    let view = "SELECT run_id, status FROM agent_runs WHERE status IN ('queued', 'running')";
    let deadline = Instant::now() + RUNS_LIMIT;
    loop {
        let open = probe.lines(view).await?;
        if open.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return compare(&format!("{view} after {} s", RUNS_LIMIT.as_secs()), Vec::new(), open);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
