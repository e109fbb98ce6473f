//! EXPLAIN: the physical plan in PostgreSQL's words.
//!
//! [`shown`] makes a tree of what is to be printed, [`text`] and [`json`] print it. Filters and projections, which are
//! operators of their own here, are shown as PostgreSQL shows them: a condition of the operator below, and nothing.

mod cost;
mod json;
mod settings;
mod shown;
mod text;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::run::Measure;
use super::{PreparedPlan, RowStream, start};
use crate::context::ExecContext;
use crate::error::Result;
use crate::statement::ExplainOptions;
use shown::Shown;

/// What stands below the plan.
#[derive(Default)]
struct Summary {
    settings: Vec<(String, String)>,
    planning: Option<Duration>,
    execution: Option<Duration>,
    /// The plan is run without operators.
    short_path: bool,
}

/// The plan as EXPLAIN prints it; with ANALYZE it is run to its end. `planning` is the time it took to plan. The text form
/// has a line for each string, the other forms are one string.
pub fn explain(
    plan: &Arc<PreparedPlan>,
    context: ExecContext,
    options: &ExplainOptions,
    planning: Duration,
) -> Result<Vec<String>> {
    let mut summary = Summary { short_path: options.verbose && plan.fast.is_some(), ..Summary::default() };
    if options.settings {
        summary.settings = settings::changed(&context.session);
    }
    if options.summary.unwrap_or(options.analyze) {
        summary.planning = Some(planning);
    }
    if !options.analyze {
        return Ok(print(plan, None, options, &summary));
    }
    let begin = Instant::now();
    let mut stream = start(plan, context, None, true)?;
    while stream.next_batch()?.is_some() {}
    if options.summary != Some(false) {
        summary.execution = Some(begin.elapsed());
    }
    Ok(print(plan, stream.run.measures.as_deref(), options, &summary))
}

fn print(
    plan: &PreparedPlan,
    measures: Option<&[Measure]>,
    options: &ExplainOptions,
    summary: &Summary,
) -> Vec<String> {
    let shown = Shown::of(&plan.root, measures, &plan.vars, options);
    if options.json { vec![json::print(&shown, options, summary)] } else { text::print(&shown, options, summary) }
}

/// The plan in full, for tests.
#[cfg(test)]
pub fn describe(plan: &PreparedPlan) -> String {
    let options = ExplainOptions { verbose: true, costs: true, ..ExplainOptions::default() };
    let summary = Summary { short_path: plan.fast.is_some(), ..Summary::default() };
    print(plan, None, &options, &summary).join("\n")
}
