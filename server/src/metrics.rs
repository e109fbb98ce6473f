//! Prometheus metrics: what is measured, and the text that `/metrics` serves.

use std::time::{Duration, Instant};

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};
use sinew::{HistogramStats, StoreStats};

/// Seconds; from a key read to a long agent run.
const QUERY_BUCKETS: &[f64] = &[0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0];
const AGENT_BUCKETS: &[f64] = &[0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0];

/// Kinds of statement that have a histogram of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementClass {
    /// Runs an agent and waits for it; such a statement also outlives its client.
    Agent,
    /// Searches, packs, compacts or clears conversation memory.
    Memory,
    Other,
}

impl StatementClass {
    /// By the function it calls.
    pub fn of(text: &str) -> StatementClass {
        const AGENT: [&str; 3] = ["execute_agent", "agent_stream", "resume_agent_run"];
        const MEMORY: [&str; 4] = ["search_messages", "memory_context", "compact_memory", "clear_memory"];
        // Calls stand near the front; long statements are data.
        let head = &text.as_bytes()[..text.len().min(2048)];
        let Some(first) = head.iter().position(|byte| !byte.is_ascii_whitespace()) else {
            return StatementClass::Other;
        };
        if !matches!(head[first] | 0x20, b'c' | b's' | b'w') {
            return StatementClass::Other;
        }
        // One pass over the identifiers; the names are longer than most words.
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let mut at = first;
        while let Some(start) = head[at..].iter().position(is_word).map(|offset| at + offset) {
            let end = head[start..].iter().position(|byte| !is_word(byte)).map_or(head.len(), |length| start + length);
            at = end;
            let word = &head[start..end];
            let named = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
            if word.len() < 12 || head[end..].iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'(') {
                continue;
            }
            if named(&AGENT) {
                return StatementClass::Agent;
            }
            if named(&MEMORY) {
                return StatementClass::Memory;
            }
        }
        StatementClass::Other
    }
}

pub struct Metrics {
    registry: Registry,
    query_duration: Histogram,
    agent_execution_duration: Histogram,
    memory_operation_duration: Histogram,
    http_request_duration: HistogramVec,
    /// By the first two characters of the SQLSTATE.
    pub query_errors: IntCounterVec,
    pub connections: IntGauge,
    pub query_threads: IntGauge,
    pub runtime_loop_lag: Gauge,
    process_cpu_seconds: Gauge,
    process_resident_memory: IntGauge,
    store: StoreGauges,
}

struct StoreGauges {
    lsn: IntGauge,
    durable_lsn: IntGauge,
    commits: IntGauge,
    commit_batches: IntGauge,
    open_transactions: IntGauge,
    snapshot_age_commits: IntGauge,
    commit_queue_depth: IntGauge,
    file_size: IntGauge,
    log_size: IntGauge,
    memory_table_size: IntGauge,
    frozen_layers: IntGauge,
    oldest_snapshot_age: Gauge,
    writes_refused: IntGauge,
    graph_image_size: IntGauge,
    index_lag_commits: GaugeVec,
    index_tail_rows: GaugeVec,
}

impl Metrics {
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let build = || -> Result<Metrics, prometheus::Error> {
            let r = &registry;
            Ok(Metrics {
                query_duration: histogram(
                    r,
                    "query_duration_seconds",
                    "Time of a statement from its message to its last row",
                    QUERY_BUCKETS,
                )?,
                agent_execution_duration: histogram(
                    r,
                    "agent_execution_duration_seconds",
                    "Time of statements that run an agent",
                    AGENT_BUCKETS,
                )?,
                memory_operation_duration: histogram(
                    r,
                    "memory_operation_duration_seconds",
                    "Time of statements on conversation memory",
                    QUERY_BUCKETS,
                )?,
                http_request_duration: {
                    let opts = HistogramOpts::new("http_request_duration_seconds", "Time of an HTTP request")
                        .buckets(AGENT_BUCKETS.to_vec());
                    let vec = HistogramVec::new(opts, &["method", "route", "status"])?;
                    r.register(Box::new(vec.clone()))?;
                    vec
                },
                query_errors: {
                    let opts = Opts::new("query_errors_total", "Errors sent to clients, by class of SQLSTATE");
                    let vec = IntCounterVec::new(opts, &["class"])?;
                    r.register(Box::new(vec.clone()))?;
                    vec
                },
                connections: int_gauge(r, "sinew_connections", "Open client connections")?,
                query_threads: int_gauge(r, "sinew_query_threads", "Threads of the query pool")?,
                runtime_loop_lag: gauge(
                    r,
                    "runtime_loop_lag_seconds",
                    "Longest delay of a network task in the last ten seconds",
                )?,
                process_cpu_seconds: gauge(r, "process_cpu_seconds_total", "User and system CPU time of the process")?,
                process_resident_memory: int_gauge(
                    r,
                    "process_resident_memory_bytes",
                    "Resident memory of the process",
                )?,
                store: StoreGauges {
                    lsn: int_gauge(r, "sinew_store_lsn", "Log sequence number of the newest commit")?,
                    durable_lsn: int_gauge(r, "sinew_store_durable_lsn", "Newest commit that is on disk")?,
                    commits: int_gauge(r, "sinew_store_commits", "Commits since the store was opened")?,
                    commit_batches: int_gauge(r, "sinew_store_commit_batches", "Durable batches of commits")?,
                    open_transactions: int_gauge(r, "sinew_store_open_transactions", "Transactions in progress")?,
                    snapshot_age_commits: int_gauge(
                        r,
                        "sinew_store_snapshot_age_commits",
                        "Commits since the oldest snapshot in use",
                    )?,
                    commit_queue_depth: int_gauge(r, "sinew_store_commit_queue_depth", "Write sets waiting to commit")?,
                    file_size: int_gauge(r, "sinew_store_file_size_bytes", "Size of the database file")?,
                    log_size: int_gauge(r, "sinew_store_log_size_bytes", "Size of the commit log's files")?,
                    memory_table_size: int_gauge(
                        r,
                        "sinew_store_memory_table_bytes",
                        "Memory of commits that the database file does not hold yet",
                    )?,
                    frozen_layers: int_gauge(
                        r,
                        "sinew_store_frozen_layers",
                        "Parts of those commits that wait to be applied",
                    )?,
                    oldest_snapshot_age: gauge(
                        r,
                        "sinew_oldest_snapshot_age_seconds",
                        "How long the oldest snapshot of a transaction has been held",
                    )?,
                    writes_refused: int_gauge(
                        r,
                        "sinew_store_writes_refused",
                        "1 while the store takes no commits after a failure",
                    )?,
                    graph_image_size: int_gauge(r, "sinew_graph_image_size_bytes", "Memory of the graph image")?,
                    index_lag_commits: gauge_vec(
                        r,
                        "sinew_search_index_lag_commits",
                        "Commits that a search index has not applied to its base",
                    )?,
                    index_tail_rows: gauge_vec(
                        r,
                        "sinew_search_index_tail_rows",
                        "Rows evaluated beside a search index's base",
                    )?,
                },
                registry: registry.clone(),
            })
        };
        build().expect("metric names are distinct and valid")
    }

    pub fn observe_statement(&self, class: StatementClass, time: Duration) {
        let seconds = time.as_secs_f64();
        self.query_duration.observe(seconds);
        match class {
            StatementClass::Agent => self.agent_execution_duration.observe(seconds),
            StatementClass::Memory => self.memory_operation_duration.observe(seconds),
            StatementClass::Other => {}
        }
    }

    pub fn observe_http(&self, method: &str, route: &str, status: u16, time: Duration) {
        let status = status.to_string();
        self.http_request_duration.with_label_values(&[method, route, status.as_str()]).observe(time.as_secs_f64());
    }

    /// The exposition text, with gauges as of now.
    pub fn render(&self, stats: &StoreStats) -> String {
        let store = &self.store;
        store.lsn.set(stats.lsn.0 as i64);
        store.durable_lsn.set(stats.durable_lsn.0 as i64);
        store.commits.set(stats.commit_count as i64);
        store.commit_batches.set(stats.commit_batch_count as i64);
        store.open_transactions.set(stats.open_transaction_count as i64);
        store.snapshot_age_commits.set(stats.lsn.0.saturating_sub(stats.oldest_snapshot_lsn.0) as i64);
        store.commit_queue_depth.set(stats.commit_queue_depth as i64);
        store.file_size.set(stats.file_size_bytes as i64);
        store.log_size.set(stats.log_size_bytes as i64);
        store.memory_table_size.set(stats.memory_table_size_bytes as i64);
        store.frozen_layers.set(stats.frozen_layer_count as i64);
        store.oldest_snapshot_age.set(stats.oldest_snapshot_age.as_secs_f64());
        store.writes_refused.set(i64::from(stats.failed.is_some()));
        store.graph_image_size.set(stats.graph_image_size_bytes as i64);
        for (name, indexed, tail_rows) in &stats.search_indexes {
            let lag = stats.lsn.0.saturating_sub(indexed.0);
            store.index_lag_commits.with_label_values(&[name]).set(lag as f64);
            store.index_tail_rows.with_label_values(&[name]).set(*tail_rows as f64);
        }
        if let Some(seconds) = cpu_seconds() {
            self.process_cpu_seconds.set(seconds);
        }
        if let Some(bytes) = resident_memory_bytes() {
            self.process_resident_memory.set(bytes as i64);
        }
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%error, "metrics cannot be encoded");
        }
        let mut text = String::from_utf8_lossy(&out).into_owned();
        let histograms = [
            ("commit_duration_seconds", "Time of a commit until it is durable", 1e6, &stats.commit_times),
            ("sinew_store_log_sync_duration_seconds", "Time of making the log durable", 1e6, &stats.log_sync_times),
            ("sinew_store_commit_batch_size", "Write sets that were made durable at once", 1.0, &stats.batch_sizes),
        ];
        for (name, help, per_unit, histogram) in histograms {
            write_histogram(&mut text, name, help, per_unit, histogram);
        }
        text
    }

    /// Measures how late the network runtime runs its tasks; never returns.
    pub async fn measure_loop_lag(&self) {
        const STEP: Duration = Duration::from_millis(100);
        const WINDOW: usize = 100;
        let mut window = [0f64; WINDOW];
        for at in (0..WINDOW).cycle() {
            let before = Instant::now();
            tokio::time::sleep(STEP).await;
            window[at] = before.elapsed().saturating_sub(STEP).as_secs_f64();
            self.runtime_loop_lag.set(window.iter().copied().fold(0.0, f64::max));
        }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

/// A histogram that the store counts itself, in the exposition format. `per_unit`: how many of its values make one of ours.
fn write_histogram(out: &mut String, name: &str, help: &str, per_unit: f64, histogram: &HistogramStats) {
    out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} histogram\n"));
    let mut cumulative = 0;
    for (bound, count) in &histogram.buckets {
        cumulative += count;
        let bound = *bound as f64 / per_unit;
        out.push_str(&format!("{name}_bucket{{le=\"{bound}\"}} {cumulative}\n"));
    }
    out.push_str(&format!("{name}_bucket{{le=\"+Inf\"}} {}\n", histogram.count));
    out.push_str(&format!("{name}_sum {}\n{name}_count {}\n", histogram.sum as f64 / per_unit, histogram.count));
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
    let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

fn int_gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
    let gauge = Gauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn gauge_vec(registry: &Registry, name: &str, help: &str) -> Result<GaugeVec, prometheus::Error> {
    let gauge = GaugeVec::new(Opts::new(name, help), &["index"])?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

/// Linux counts CPU time for user space in hundredths of a second, whatever the kernel's own tick.
const CLOCK_TICKS_PER_SECOND: f64 = 100.0;

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold spaces; the numbers follow its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / CLOCK_TICKS_PER_SECOND)
}

fn resident_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promised_names_are_served() {
        let metrics = Metrics::new();
        metrics.observe_statement(StatementClass::Agent, Duration::from_millis(5));
        metrics.observe_http("GET", "/health", 200, Duration::from_millis(1));
        let commit_times = HistogramStats { buckets: vec![(50, 2), (1_000, 1)], count: 4, sum: 7_000 };
        let stats = StoreStats {
            search_indexes: vec![("messages_text".into(), Default::default(), 3)],
            failed: Some("the disk is on fire".to_owned()),
            oldest_snapshot_age: Duration::from_millis(1_500),
            commit_times,
            ..Default::default()
        };
        let text = metrics.render(&stats);
        for name in [
            "agent_execution_duration_seconds_count 1",
            "memory_operation_duration_seconds_count 0",
            "http_request_duration_seconds_bucket{method=\"GET\",route=\"/health\",status=\"200\"",
            "query_duration_seconds_count 1",
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "runtime_loop_lag_seconds",
            "sinew_search_index_tail_rows{index=\"messages_text\"} 3",
            "sinew_store_durable_lsn",
            "sinew_store_writes_refused 1",
            "sinew_oldest_snapshot_age_seconds 1.5",
            "# TYPE commit_duration_seconds histogram",
            "commit_duration_seconds_bucket{le=\"0.00005\"} 2",
            "commit_duration_seconds_bucket{le=\"0.001\"} 3",
            "commit_duration_seconds_bucket{le=\"+Inf\"} 4",
            "commit_duration_seconds_sum 0.007",
            "commit_duration_seconds_count 4",
        ] {
            assert!(text.contains(name), "{name} is missing in\n{text}");
        }
    }

    #[test]
    fn classes_follow_the_call() {
        let check = |text: &str, class| assert_eq!(StatementClass::of(text), class, "{text}");
        check("CALL execute_agent('a', 'b')", StatementClass::Agent);
        check("  select * from Agent_Stream ($1, $2)", StatementClass::Agent);
        check("SELECT * FROM search_messages('x')", StatementClass::Memory);
        check("INSERT INTO t VALUES ('execute_agent(')", StatementClass::Other);
        check("select execute_agent from t", StatementClass::Other);
        check("", StatementClass::Other);
    }
}
