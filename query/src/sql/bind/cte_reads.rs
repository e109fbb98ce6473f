//! How a plan reads a common table expression, and putting its definition in place of the one read.

use std::sync::Arc;

use sinew_storage::DataType;

use super::walk::walk_plans;
use crate::algebra::*;

/// Scans of a CTE below `plan`.
pub fn count_cte_reads(plan: &mut Plan, id: CteId) -> usize {
    let mut reads = 0;
    walk_plans(plan, &mut |plan| {
        if matches!(plan, Plan::CteScan { cte, .. } if *cte == id) {
            reads += 1;
        }
    });
    reads
}

/// Whether aggregates are computed over rows of a CTE somewhere in `plan`.
pub fn aggregates_cte(plan: &mut Plan, id: CteId) -> bool {
    let mut found = false;
    walk_plans(plan, &mut |plan| {
        if let Plan::Aggregate { input, aggregates, .. } = plan
            && !aggregates.is_empty()
        {
            found |= count_cte_reads(input, id) > 0;
        }
    });
    found
}

/// Whether a CTE is read on the nullable side of an outer join somewhere in `plan`.
pub fn is_nullable_cte(plan: &mut Plan, id: CteId) -> bool {
    let mut found = false;
    walk_plans(plan, &mut |plan| {
        if let Plan::Join { kind, left, right, .. } = plan {
            found |= match kind {
                JoinKind::Left => count_cte_reads(right, id) > 0,
                JoinKind::Right => count_cte_reads(left, id) > 0,
                JoinKind::Full => count_cte_reads(left, id) + count_cte_reads(right, id) > 0,
                JoinKind::Inner | JoinKind::Semi | JoinKind::Anti => false,
            };
        }
    });
    found
}

/// Puts `definition` in place of the one scan of a CTE.
pub fn inline_cte(plan: &mut Plan, id: CteId, definition: Plan, columns: &[VarId], types: &[(Arc<str>, DataType)]) {
    let mut definition = Some(definition);
    walk_plans(plan, &mut |plan| {
        if let Plan::CteScan { cte, output } = plan
            && *cte == id
            && let Some(definition) = definition.take()
        {
            let items = output
                .iter()
                .zip(columns)
                .zip(types)
                .map(|((output, column), (_, ty))| (*output, Expr::Column(*column, ty.clone())))
                .collect();
            *plan = Plan::Project { input: Box::new(definition), items };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inlined_cte_gives_its_readers_variables() {
        let mut plan = Plan::CteScan { cte: CteId(7), output: vec![VarId(5)] };
        let types = [(Arc::from("a"), DataType::Int4)];
        inline_cte(&mut plan, CteId(7), Plan::Unit, &[VarId(1)], &types);
        let Plan::Project { items, .. } = plan else { panic!("project") };
        assert!(matches!(items.as_slice(), [(VarId(5), Expr::Column(VarId(1), DataType::Int4))]));
    }
}
