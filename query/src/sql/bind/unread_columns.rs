//! Dropping columns that nothing reads.

use rustc_hash::FxHashSet;

use super::walk::{walk_plans, walk_vars};
use crate::algebra::*;
use crate::statement::OutputColumn;

/// Drops columns of scans, and virtual columns above them, that nothing reads.
pub fn prune_columns(plan: &mut Plan, output: &[OutputColumn]) {
    // A virtual column may be the only reader of a stored one, and of another table's in a subquery.
    for _ in 0..3 {
        let mut used: FxHashSet<VarId> = output.iter().map(|column| column.var).collect();
        walk_vars(plan, &mut |var, read| {
            if read {
                used.insert(*var);
            }
        });
        let mut dropped = false;
        walk_plans(plan, &mut |plan| match plan {
            Plan::TableScan(scan) => scan.columns.retain(|(_, var)| used.contains(var)),
            Plan::Extend { input, items } if matches!(**input, Plan::TableScan(_)) => {
                let before = items.len();
                items.retain(|(var, _)| used.contains(var));
                dropped |= items.len() < before;
                if items.is_empty() {
                    *plan = std::mem::take(&mut **input);
                }
            }
            _ => {}
        });
        if !dropped {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sinew_storage::DataType;

    use super::*;

    #[test]
    fn unread_scan_columns_are_dropped() {
        let table = Arc::new(sinew_storage::catalog::TableDef {
            id: sinew_storage::ids::RelationId(20_000),
            schema: "public".into(),
            name: "t".into(),
            columns: Vec::new(),
            next_column_id: 1,
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            behaviour: Default::default(),
            version: 0,
            comment: None,
            options: Vec::new(),
            materialized: None,
        });
        let scan = TableScan {
            table,
            columns: vec![(0, VarId(0)), (1, VarId(1)), (2, VarId(2))],
            row_id: None,
            access: None,
            computed: Vec::new(),
        };
        let virtual_column = (VarId(3), Expr::Column(VarId(2), DataType::Int4));
        let plan = Plan::Extend { input: Box::new(Plan::TableScan(scan)), items: vec![virtual_column] };
        let mut plan = Plan::Filter { input: Box::new(plan), predicate: Expr::Column(VarId(1), DataType::Bool) };
        let output = [OutputColumn { name: "a".into(), var: VarId(0), ty: DataType::Int4, origin: None }];
        prune_columns(&mut plan, &output);
        let Plan::Filter { input, .. } = plan else { panic!("filter") };
        let Plan::TableScan(scan) = *input else { panic!("the virtual column goes, and what only it read") };
        assert_eq!(scan.columns, vec![(0, VarId(0)), (1, VarId(1))]);
    }
}
