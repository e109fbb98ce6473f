//! Nodes of a label, or all, ascending.

use std::sync::Arc;

use sinew_storage::{NodeId, Value};

use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::node::{Operator, Physical};
use crate::exec::run::Cx;
use crate::exec::scan::OwnedScan;

pub struct NodeScanPlan {
    /// Any of them; empty: all nodes.
    pub labels: Vec<Arc<str>>,
}

impl Physical for NodeScanPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let transaction = cx.transaction();
        let scan = |label| OwnedScan::new(transaction, |transaction| transaction.scan_nodes(label));
        let scans = if self.labels.is_empty() {
            vec![scan(None)?]
        } else {
            // Nobody ever used a label without an id.
            let known = self.labels.iter().filter_map(|label| transaction.label_id(label));
            known.map(|label| scan(Some(label))).collect::<Result<_>>()?
        };
        let mut heads = Vec::with_capacity(scans.len());
        for mut scan in scans {
            if let Some(id) = scan.next().transpose()? {
                heads.push((id, scan));
            }
        }
        Ok(Box::new(NodeScan { heads, cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        match &self.labels[..] {
            [] => "All Nodes Scan".to_owned(),
            labels => format!("Node Scan on :{}", labels.join("|")),
        }
    }
}

struct NodeScan {
    /// The next id of each label's nodes, and those after it.
    heads: Vec<(u64, OwnedScan<u64>)>,
    cx: Cx,
}

impl NodeScan {
    /// The smallest id, which leaves all the scans that are at it.
    fn next_id(&mut self) -> Result<Option<u64>> {
        let Some(smallest) = self.heads.iter().map(|(id, _)| *id).min() else { return Ok(None) };
        let mut at = 0;
        while at < self.heads.len() {
            let (id, scan) = &mut self.heads[at];
            if *id == smallest {
                match scan.next().transpose()? {
                    Some(next) => *id = next,
                    None => {
                        self.heads.swap_remove(at);
                        continue;
                    }
                }
            }
            at += 1;
        }
        Ok(Some(smallest))
    }
}

impl Operator for NodeScan {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let mut nodes = Vec::new();
        while nodes.len() < BATCH_ROWS {
            let Some(id) = self.next_id()? else { break };
            nodes.push(Value::Node(NodeId(id)));
        }
        if nodes.is_empty() {
            return Ok(None);
        }
        let row_count = nodes.len();
        Ok(Some(Batch::new(vec![Column::Values(nodes.into())], row_count)))
    }
}
