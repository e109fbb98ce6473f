//! Nodes of a label, or all, ascending.

use std::sync::Arc;

use sinew_storage::{NodeId, Value};

use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::node::{Operator, Physical};
use crate::exec::run::Cx;
use crate::exec::scan::OwnedScan;

pub struct NodeScanPlan {
    pub label: Option<Arc<str>>,
}

impl Physical for NodeScanPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let label = match &self.label {
            None => None,
            Some(name) => match cx.transaction().label_id(name) {
                Some(label) => Some(label),
                // Nobody ever used the label.
                None => return Ok(Box::new(super::Buffered::new(Vec::new(), None))),
            },
        };
        let scan = OwnedScan::new(cx.transaction(), |transaction| transaction.scan_nodes(label))?;
        Ok(Box::new(NodeScan { scan, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        match &self.label {
            Some(label) => format!("Node Scan on :{label}"),
            None => "All Nodes Scan".to_owned(),
        }
    }
}

struct NodeScan {
    scan: OwnedScan<u64>,
    cx: Cx,
}

impl Operator for NodeScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let mut nodes = Vec::new();
        while nodes.len() < BATCH_ROWS {
            let Some(id) = self.scan.next() else { break };
            nodes.push(Value::Node(NodeId(id?)));
        }
        if nodes.is_empty() {
            return Ok(None);
        }
        let row_count = nodes.len();
        Ok(Some(Batch::new(vec![Column::Values(nodes.into())], row_count)))
    }
}
