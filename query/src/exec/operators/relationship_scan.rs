//! Relationships of some types, or all.

use std::sync::Arc;

use sinew_storage::RelationshipTypeId;

use super::node_seek::relationship_of_id;
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::node::{Operator, Physical};
use crate::exec::run::Cx;
use crate::exec::scan::OwnedScan;

pub struct RelationshipScanPlan {
    pub types: Vec<Arc<str>>,
}

impl Physical for RelationshipScanPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let types: Vec<Option<RelationshipTypeId>> = match super::type_tokens(cx.transaction(), &self.types) {
            None => Vec::new(),
            Some(tokens) if tokens.is_empty() => vec![None],
            Some(tokens) => tokens.into_iter().map(Some).collect(),
        };
        Ok(Box::new(RelationshipScan { types: types.into_iter(), scan: None, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        if self.types.is_empty() {
            "All Relationships Scan".to_owned()
        } else {
            format!("Relationship Scan on :{}", self.types.join("|"))
        }
    }
}

struct RelationshipScan {
    types: std::vec::IntoIter<Option<RelationshipTypeId>>,
    scan: Option<OwnedScan<u64>>,
    cx: Cx,
}

impl Operator for RelationshipScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let mut found = Vec::new();
        while found.len() < BATCH_ROWS {
            let Some(scan) = &mut self.scan else {
                let Some(ty) = self.types.next() else { break };
                self.scan =
                    Some(OwnedScan::new(self.cx.transaction(), |transaction| transaction.scan_relationships(ty))?);
                continue;
            };
            let Some(id) = scan.next() else {
                self.scan = None;
                continue;
            };
            found.extend(relationship_of_id(&self.cx, id?)?);
        }
        let row_count = found.len();
        Ok((row_count > 0).then(|| Batch::new(vec![Column::Values(found.into())], row_count)))
    }
}
