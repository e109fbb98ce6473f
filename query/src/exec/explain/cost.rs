//! Costs as EXPLAIN prints them: PostgreSQL's units and constants over the expected rows. They order nothing; the optimizer
//! counts rows.

use std::sync::Arc;

use super::super::node::Node;
use super::super::operators::aggregate::AggregatePlan;
use super::super::operators::apply::ApplyPlan;
use super::super::operators::filter::FilterPlan;
use super::super::operators::join::JoinPlan;
use super::super::operators::limit::LimitPlan;
use super::super::operators::project::ProjectPlan;
use super::super::operators::sort::SortPlan;
use super::super::operators::table_scan::TableScanPlan;
use crate::statistics::type_width;

const PAGE: f64 = 1.0;
const RANDOM_PAGE: f64 = 4.0;
const TUPLE: f64 = 0.01;
const INDEX_TUPLE: f64 = 0.005;
const OPERATOR: f64 = 0.0025;
const PAGE_BYTES: f64 = 8192.0;

/// Before the first row, and for all rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub startup: f64,
    pub total: f64,
}

/// Bytes of a row, by the types of its columns.
pub(super) fn width(node: &Node) -> usize {
    node.layout.types.iter().map(type_width).sum()
}

pub(super) fn cost(node: &Arc<Node>) -> Cost {
    let rows = node.estimated_rows.max(0.0);
    if let Some(scan) = node.physical_as::<TableScanPlan>() {
        return match &scan.access {
            None => {
                let row_bytes: usize = scan.table.columns.iter().map(|column| type_width(&column.ty) + 4).sum();
                Cost { startup: 0.0, total: (rows * row_bytes as f64 / PAGE_BYTES).ceil() * PAGE + rows * TUPLE }
            }
            // The first row costs two pages, of the index and of the table; later ones are likely to be near.
            Some(_) => Cost {
                startup: 0.29,
                total: 0.29
                    + 2.0 * RANDOM_PAGE * rows.min(1.0)
                    + (rows - 1.0).max(0.0) * RANDOM_PAGE / 16.0
                    + rows * (INDEX_TUPLE + TUPLE),
            },
        };
    }
    if let Some(filter) = node.physical_as::<FilterPlan>() {
        let input = cost(&filter.input);
        return Cost { total: input.total + filter.input.estimated_rows * OPERATOR, ..input };
    }
    if let Some(project) = node.physical_as::<ProjectPlan>() {
        let input = cost(&project.input);
        let computed = project.items.iter().filter(|item| item.is_computed()).count() as f64;
        return Cost { total: input.total + rows * computed * OPERATOR, ..input };
    }
    if let Some(limit) = node.physical_as::<LimitPlan>() {
        let input = cost(&limit.input);
        let share = (rows / limit.input.estimated_rows.max(1.0)).min(1.0);
        return Cost { startup: input.startup, total: input.startup + (input.total - input.startup) * share };
    }
    if let Some(sort) = node.physical_as::<SortPlan>() {
        let input = cost(&sort.input);
        let count = sort.input.estimated_rows.max(2.0);
        let startup = input.total + 2.0 * OPERATOR * count * count.log2();
        return Cost { startup, total: startup + OPERATOR * rows };
    }
    if let Some(aggregate) = node.physical_as::<AggregatePlan>() {
        let input = cost(&aggregate.input);
        let work = (aggregate.groups.len() + aggregate.aggregates.len()) as f64 * OPERATOR;
        let startup = input.total + aggregate.input.estimated_rows * work;
        return Cost { startup, total: startup + rows * TUPLE };
    }
    if let Some(join) = node.physical_as::<JoinPlan>() {
        let (left, right) = (cost(&join.left), cost(&join.right));
        let (left_rows, right_rows) = (join.left.estimated_rows, join.right.estimated_rows);
        if join.left_keys.is_empty() {
            let pairs = left_rows * right_rows;
            let startup = left.startup + right.startup;
            return Cost { startup, total: left.total + right.total + pairs * OPERATOR + rows * TUPLE };
        }
        let startup = right.total + right_rows * (OPERATOR + TUPLE) + left.startup;
        let total = right.total + right_rows * (OPERATOR + TUPLE) + left.total + left_rows * OPERATOR + rows * TUPLE;
        return Cost { startup, total };
    }
    if let Some(apply) = node.physical_as::<ApplyPlan>() {
        let (input, subplan) = (cost(&apply.input), cost(&apply.subplan));
        let total = input.total + apply.input.estimated_rows * subplan.total + rows * TUPLE;
        return Cost { startup: input.startup + subplan.startup, total };
    }
    let inputs = node.physical.children().into_iter().map(cost);
    let total: f64 = inputs.map(|input| input.total).sum();
    Cost { startup: 0.0, total: total + rows * TUPLE }
}
