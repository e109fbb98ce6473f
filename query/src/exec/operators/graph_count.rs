//! Counts known without reading rows: nodes of a label, relationships of types, rows of a table.

use std::sync::Arc;

use sinew_storage::Value;
use sinew_storage::catalog::TableDef;

use crate::batch::{Batch, Column};
use crate::error::Result;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::Cx;

pub enum CountSource {
    Table(Arc<TableDef>),
    Nodes(Option<Arc<str>>),
    Relationships(Vec<Arc<str>>),
}

pub struct CountPlan {
    pub source: CountSource,
    pub layout: Arc<Layout>,
}

impl CountPlan {
    fn count(&self, cx: &Cx) -> Result<u64> {
        let transaction = cx.transaction();
        Ok(match &self.source {
            CountSource::Table(table) => transaction.row_count(table)?,
            CountSource::Nodes(None) => transaction.node_count(None)?,
            CountSource::Nodes(Some(label)) => match transaction.label_id(label) {
                Some(label) => transaction.node_count(Some(label))?,
                None => 0,
            },
            CountSource::Relationships(types) => match super::type_tokens(transaction, types) {
                None => 0,
                Some(tokens) if tokens.is_empty() => transaction.relationship_count(None)?,
                Some(tokens) => {
                    let mut total = 0;
                    for token in tokens {
                        total += transaction.relationship_count(Some(token))?;
                    }
                    total
                }
            },
        })
    }
}

impl Physical for CountPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let count = Value::Int(i64::try_from(self.count(cx)?).unwrap_or(i64::MAX));
        let columns: Vec<Column> =
            self.layout.types.iter().map(|ty| Column::from_values(ty, vec![count.clone()])).collect();
        Ok(Box::new(super::Buffered::new(vec![Batch::new(columns, 1)], None)))
    }

    fn describe(&self) -> String {
        match &self.source {
            CountSource::Table(table) => format!("Row Count of {}", table.name),
            CountSource::Nodes(Some(label)) => format!("Node Count of :{label}"),
            CountSource::Nodes(None) => "Node Count".to_owned(),
            CountSource::Relationships(types) if types.is_empty() => "Relationship Count".to_owned(),
            CountSource::Relationships(types) => format!("Relationship Count of :{}", types.join("|")),
        }
    }
}
