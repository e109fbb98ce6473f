//! Calls that are promised and not there yet: known by name, refused as not supported.

use std::sync::Arc;

use sinew::query::functions::TableFunction;
use sinew::{DataType, QueryError};

use super::execute::run_columns;
use super::shape::{Columns, Function, columns, required};

pub fn functions() -> Vec<Arc<dyn TableFunction>> {
    vec![
        refused("compact_memory", ("conversation_id", DataType::Text), columns(&[("summary", DataType::Text)])),
        refused("replay_agent_run", ("id", DataType::Uuid), run_columns()),
    ]
}

fn refused(name: &'static str, (param, ty): (&'static str, DataType), columns: Columns) -> Arc<dyn TableFunction> {
    Function {
        name,
        // Nothing to list: it does nothing yet.
        description: "",
        params: vec![required(param, ty)],
        columns,
        writes: true,
        outside_transaction: false,
        body: Box::new(move |_, _| Err(QueryError::unsupported(format_args!("{name}()")))),
    }
    .shared()
}
