//! EXPLAIN's lines.

use std::sync::Arc;

use sinew_query::exec::{self, PreparedPlan};
use sinew_query::{ExecContext, Result};

/// One line per operator; with `analyze` the plan is run and actual rows and times are added.
pub(crate) fn lines(plan: &Arc<PreparedPlan>, context: ExecContext, analyze: bool, json: bool) -> Result<Vec<String>> {
    let lines = if analyze { exec::explain_analyze(plan, context)? } else { exec::explain(plan) };
    if !json {
        return Ok(lines);
    }
    let document = serde_json::json!([{ "Plan": lines }]);
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| sinew_query::QueryError::internal(format!("plan as JSON: {error}")))?;
    Ok(vec![text])
}
