//! `SELECT * FROM sequence`: where it stands, in one row.

use std::sync::{Arc, LazyLock};

use sinew_storage::catalog::SequenceDef;
use sinew_storage::{DataType, RelationId, Value};

use super::rows::stream_rows;
use crate::context::ExecContext;
use crate::error::Result;
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};

static COLUMNS: LazyLock<Vec<(String, DataType)>> = LazyLock::new(|| {
    vec![
        ("last_value".to_owned(), DataType::Int8),
        ("log_cnt".to_owned(), DataType::Int8),
        ("is_called".to_owned(), DataType::Bool),
    ]
});

#[derive(Debug)]
struct SequenceRelation {
    id: RelationId,
    name: String,
}

pub fn relation(sequence: &SequenceDef) -> Arc<dyn TableFunction> {
    Arc::new(SequenceRelation { id: sequence.id, name: sequence.name.clone() })
}

impl TableFunction for SequenceRelation {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> &[Param] {
        &[]
    }

    fn columns(&self) -> &[(String, DataType)] {
        &COLUMNS
    }

    fn call(&self, context: &ExecContext, _: &[Value]) -> Result<Box<dyn RowStream>> {
        let (value, logged) = context.transaction.sequence_value(self.id)?;
        let row = vec![Value::Int(value.last_value), Value::Int(logged), Value::Bool(value.is_called)];
        Ok(stream_rows(context, &COLUMNS, vec![row]))
    }
}
