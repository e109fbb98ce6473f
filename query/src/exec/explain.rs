//! EXPLAIN: the physical plan as text.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::node::Node;
use super::run::Measure;
use super::{PreparedPlan, RowStream, start};
use crate::context::ExecContext;
use crate::error::Result;

/// The plan as EXPLAIN prints it, one line per operator.
pub fn explain(plan: &PreparedPlan) -> Vec<String> {
    let mut lines = Vec::new();
    describe(&plan.root, 0, None, &mut lines);
    if plan.fast.is_some() {
        lines.push("Short path".to_owned());
    }
    lines
}

/// Runs the plan to its end and prints it with what each operator did.
pub fn explain_analyze(plan: &Arc<PreparedPlan>, context: ExecContext) -> Result<Vec<String>> {
    let begin = Instant::now();
    let mut stream = start(plan, context, None, true)?;
    while stream.next_batch()?.is_some() {}
    let mut lines = Vec::new();
    describe(&plan.root, 0, stream.run.measures.as_deref(), &mut lines);
    lines.push(format!("Execution Time: {:.3} ms", begin.elapsed().as_secs_f64() * 1000.0));
    Ok(lines)
}

fn describe(node: &Node, depth: usize, measures: Option<&[Measure]>, lines: &mut Vec<String>) {
    let indent = if depth == 0 { String::new() } else { format!("{}->  ", "      ".repeat(depth - 1) + "  ") };
    let mut line = format!("{indent}{}  (rows={:.0})", node.physical.describe(), node.estimated_rows.max(0.0));
    if let Some(measure) = measures.and_then(|measures| measures.get(node.id)) {
        let open_count = measure.open_count.load(Ordering::Relaxed);
        if open_count == 0 {
            line.push_str(" (never executed)");
        } else {
            let elapsed_ms = measure.elapsed_ns.load(Ordering::Relaxed) as f64 / 1e6;
            let row_count = measure.row_count.load(Ordering::Relaxed);
            line.push_str(&format!(" (actual time={elapsed_ms:.3} ms rows={row_count} loops={open_count})"));
        }
    }
    lines.push(line);
    let below = " ".repeat(if depth == 0 { 2 } else { 6 * depth + 2 });
    lines.extend(node.details.iter().map(|detail| format!("{below}{detail}")));
    for child in node.physical.children() {
        describe(child, depth + 1, measures, lines);
    }
}
