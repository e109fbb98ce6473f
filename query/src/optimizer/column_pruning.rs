//! Table scans read only the columns that some expression of the statement names.

use super::{for_each_subquery, visit};
use crate::algebra::*;

pub(super) fn rewrite(mut plan: Plan, output: &[VarId]) -> Plan {
    let mut used = plan.mentioned();
    used.extend(output);
    prune(&mut plan, &used);
    plan
}

fn prune(plan: &mut Plan, used: &VarSet) {
    match plan {
        Plan::TableScan(scan) => scan.columns.retain(|(_, var)| used.contains(var)),
        Plan::SearchScan(scan) => scan.columns.retain(|(_, var)| used.contains(var)),
        // All columns of the input are compared.
        Plan::Distinct { on: None, .. } => {
            let mut all = used.clone();
            if let Plan::Distinct { input, .. } = &*plan {
                all.extend(input.produced());
            }
            for child in visit::inputs_mut(plan) {
                prune(child, &all);
            }
            return;
        }
        _ => {}
    }
    for_each_subquery(plan, &mut |subplan| prune(subplan, used));
    for child in visit::inputs_mut(plan) {
        prune(child, used);
    }
}
