//! The reference page of functions, operators, aggregates and casts, made from the table.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{CastContext, Volatility, all_aggregates, all_casts, all_functions, all_operators, all_windows};
use crate::types::type_name;

/// `docs/sql-functions.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# SQL functions and operators\n\n\
         Made from the table in `query/src/functions`; a test keeps this page equal to it (`REWRITE=1` writes it anew).\n\
         Semantics are PostgreSQL's unless a note says otherwise. *Strict* rows give NULL for a NULL argument.\n",
    );
    let mut sections: Vec<&'static str> = Vec::new();
    let mut rows: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for definition in all_operators().chain(all_functions()) {
        if !sections.contains(&definition.section) {
            sections.push(definition.section);
        }
        let mut notes = Vec::new();
        if !definition.strict {
            notes.push("takes NULL");
        }
        match definition.volatility {
            Volatility::Immutable => {}
            Volatility::Stable => notes.push("stable"),
            Volatility::Volatile => notes.push("volatile"),
        }
        let signature = definition.signature().replace('|', "\\|");
        let row = format!("| `{signature}` | {} | {} |", definition.returns.name().replace('"', ""), notes.join(", "));
        rows.entry(definition.section).or_default().push(row);
    }
    for section in sections {
        let _ = write!(out, "\n## {section}\n\n| call | gives | notes |\n|---|---|---|\n");
        for row in rows.get(section).into_iter().flatten() {
            let _ = writeln!(out, "{row}");
        }
    }
    out.push_str("\n## Greatest and least\n\n`greatest(…)` and `least(…)` take any number of arguments, bring them to their common type and ignore NULLs.\n");
    out.push_str("\n## Aggregates\n\n| call | gives |\n|---|---|\n");
    for aggregate in all_aggregates() {
        let _ = writeln!(out, "| `{}` | {} |", aggregate.signature(), aggregate.returns.name());
    }
    out.push_str(
        "\n## Ordered-set aggregates\n\nCalled as `f(…) WITHIN GROUP (ORDER BY …)`: `percentile_cont(double precision)` and of an array of them, over double precision \
         or interval; `percentile_disc` likewise, over any type; `mode()`; and `rank`, `dense_rank`, `percent_rank`, `cume_dist` of a \
         row that is not there.\n",
    );
    out.push_str("\n## Window functions\n\nEvery aggregate is one too.\n\n| call | gives |\n|---|---|\n");
    for window in all_windows() {
        let _ = writeln!(out, "| `{}` | {} |", window.signature(), window.returns.name());
    }
    out.push_str(
        "\n## Casts\n\n*Implicit* casts happen in any expression, *assignment* casts also when a value is stored, *explicit* \
         ones only when written. Besides these, every type casts to text on assignment and text to every type when \
         written; arrays cast as their elements do.\n\n| from | to | when |\n|---|---|---|\n",
    );
    for (from, to, context) in all_casts() {
        let when = match context {
            CastContext::Implicit => "implicit",
            CastContext::Assignment => "assignment",
            CastContext::Explicit => "explicit",
        };
        let _ = writeln!(out, "| {} | {} | {when} |", type_name(&from), type_name(&to));
    }
    out
}
