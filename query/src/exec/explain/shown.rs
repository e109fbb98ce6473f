//! What EXPLAIN prints, as a tree.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::expr::{ExprKind, PhysExpr, PhysSubquery};
use super::super::node::{Layout, Node};
use super::super::operators::aggregate::AggregatePlan;
use super::super::operators::apply::ApplyPlan;
use super::super::operators::cte::{CteScanPlan, RecursiveWithPlan, WithPlan};
use super::super::operators::distinct::DistinctPlan;
use super::super::operators::filter::FilterPlan;
use super::super::operators::join::JoinPlan;
use super::super::operators::project::ProjectPlan;
use super::super::operators::set_operation::SetOperationPlan;
use super::super::operators::sort::SortPlan;
use super::super::operators::table_scan::TableScanPlan;
use super::super::operators::values::UnitPlan;
use super::super::operators::window::WindowPlan;
use super::super::run::{Measure, Usage};
use super::cost::{Cost, cost, width};
use crate::algebra::{ApplyKind, JoinKind, SetOp, VarTable};
use crate::statement::ExplainOptions;

/// One operator as it is printed.
pub(super) struct Shown {
    /// `Seq Scan on t`
    pub title: String,
    /// `Seq Scan`
    pub node_type: String,
    /// What the title says besides, by PostgreSQL's names.
    pub attributes: Vec<(&'static str, String)>,
    pub cost: Cost,
    pub rows: f64,
    pub width: usize,
    pub actual: Option<Actual>,
    pub properties: Vec<Property>,
    /// Plans of common table expressions and subqueries, with their titles.
    pub sections: Vec<(String, Shown)>,
    pub children: Vec<Shown>,
}

/// Averages over the loops.
pub(super) struct Actual {
    pub startup_ms: f64,
    pub total_ms: f64,
    pub rows: f64,
    pub loops: u64,
}

pub(super) enum PropertyValue {
    Text(String),
    List(Vec<String>),
    Number(u64),
    Kilobytes(u64),
}

/// One line of the text form; its values by their names.
pub(super) struct Property {
    pub values: Vec<(String, PropertyValue)>,
}

impl Property {
    fn one(name: impl Into<String>, value: PropertyValue) -> Property {
        Property { values: vec![(name.into(), value)] }
    }

    /// `Sort Method: quicksort  Memory: 25kB`
    pub fn text(&self) -> Option<String> {
        let texts: Vec<String> = self
            .values
            .iter()
            .map(|(name, value)| match value {
                PropertyValue::Text(text) => format!("{name}: {text}"),
                PropertyValue::List(items) => format!("{name}: {}", items.join(", ")),
                PropertyValue::Number(number) => format!("{name}: {number}"),
                PropertyValue::Kilobytes(number) => format!("{name}: {number}kB"),
            })
            .collect();
        (!texts.is_empty()).then(|| texts.join("  "))
    }
}

/// What is needed to make the tree.
struct Maker<'p> {
    measures: Option<&'p [Measure]>,
    vars: &'p VarTable,
    verbose: bool,
    subplan_count: usize,
}

impl Shown {
    pub fn of(root: &Arc<Node>, measures: Option<&[Measure]>, vars: &VarTable, options: &ExplainOptions) -> Shown {
        Maker { measures, vars, verbose: options.verbose, subplan_count: 0 }.operator(root)
    }
}

impl Maker<'_> {
    fn measure(&self, node: &Node) -> Option<&Measure> {
        self.measures.and_then(|measures| measures.get(node.id))
    }

    fn actual(&self, node: &Node) -> Option<Actual> {
        let measure = self.measure(node)?;
        let loops = measure.open_count.load(Ordering::Relaxed);
        let average = |total: f64| total / loops.max(1) as f64;
        let milliseconds = |ns: u64| average(ns as f64 / 1e6);
        Some(Actual {
            startup_ms: milliseconds(measure.first_ns.load(Ordering::Relaxed)),
            total_ms: milliseconds(measure.elapsed_ns.load(Ordering::Relaxed)),
            rows: average(measure.row_count.load(Ordering::Relaxed) as f64),
            loops,
        })
    }

    /// Puts a node's own figures on what is shown below it.
    fn over(&mut self, node: &Arc<Node>, mut shown: Shown) -> Shown {
        shown.cost = cost(node);
        shown.rows = node.estimated_rows.max(0.0);
        shown.width = width(node);
        shown.actual = self.actual(node);
        if self.verbose && !node.layout.is_empty() {
            shown.properties.retain(|property| property.values.iter().all(|(name, _)| name != "Output"));
            shown.properties.insert(0, self.output(&node.layout));
        }
        shown
    }

    fn output(&self, layout: &Layout) -> Property {
        let names = layout.vars.iter().map(|var| self.vars.info(*var).name.to_string()).collect();
        Property::one("Output", PropertyValue::List(names))
    }

    fn operator(&mut self, node: &Arc<Node>) -> Shown {
        if let Some(filter) = node.physical_as::<FilterPlan>() {
            let below = self.operator(&filter.input);
            let mut shown = self.over(node, below);
            shown.properties.extend(details(node));
            if let (Some(kept), Some(read)) = (self.measure(node), self.measure(&filter.input)) {
                let (read, given) = (read.row_count.load(Ordering::Relaxed), kept.row_count.load(Ordering::Relaxed));
                let removed = read.saturating_sub(given);
                let loops = kept.open_count.load(Ordering::Relaxed).max(1);
                if removed > 0 {
                    let each = PropertyValue::Number((removed as f64 / loops as f64).round() as u64);
                    shown.properties.push(Property::one("Rows Removed by Filter", each));
                }
            }
            self.subplans([&filter.predicate], &mut shown);
            return shown;
        }
        if let Some(project) = node.physical_as::<ProjectPlan>() {
            let below = self.operator(&project.input);
            let mut shown = self.over(node, below);
            self.subplans(&project.items, &mut shown);
            return shown;
        }
        if let Some(with) = node.physical_as::<WithPlan>() {
            let body = self.operator(&with.body);
            let mut shown = self.over(node, body);
            let definition = self.operator(&with.definition);
            shown.sections.insert(0, (format!("CTE cte{}", with.cte.0), definition));
            return shown;
        }
        if let Some(with) = node.physical_as::<RecursiveWithPlan>() {
            let body = self.operator(&with.body);
            let mut shown = self.over(node, body);
            let children = vec![self.operator(&with.base), self.operator(&with.recursive)];
            let union = self.made(node, "Recursive Union", children);
            shown.sections.insert(0, (format!("CTE cte{}", with.cte.0), Shown { actual: None, ..union }));
            return shown;
        }
        let children: Vec<Shown> = node.physical.children().into_iter().map(|child| self.operator(child)).collect();
        let title = self.title(node);
        let mut shown = self.made(node, &title, children);
        if let Some(join) = node.physical_as::<JoinPlan>() {
            self.join(node, &join, &mut shown);
        } else if let Some(set) = node.physical_as::<SetOperationPlan>() {
            self.set_operation(node, &set, &mut shown);
        } else if let Some(scan) = node.physical_as::<TableScanPlan>() {
            self.scan(&scan, &mut shown);
        }
        shown.properties.extend(details(node));
        self.usage(node, &mut shown);
        shown
    }

    /// An operator with this title over these.
    fn made(&mut self, node: &Arc<Node>, title: &str, children: Vec<Shown>) -> Shown {
        let shown = Shown {
            title: title.to_owned(),
            node_type: title.to_owned(),
            attributes: Vec::new(),
            cost: Cost::default(),
            rows: 0.0,
            width: 0,
            actual: None,
            properties: Vec::new(),
            sections: Vec::new(),
            children,
        };
        self.over(node, shown)
    }

    fn title(&self, node: &Arc<Node>) -> String {
        if let Some(apply) = node.physical_as::<ApplyPlan>() {
            return match apply.kind {
                ApplyKind::Cross => "Nested Loop",
                ApplyKind::Left => "Nested Loop Left Join",
                ApplyKind::Semi => "Nested Loop Semi Join",
                ApplyKind::Anti => "Nested Loop Anti Join",
            }
            .to_owned();
        }
        if let Some(aggregate) = node.physical_as::<AggregatePlan>() {
            return if aggregate.groups.is_empty() { "Aggregate" } else { "HashAggregate" }.to_owned();
        }
        if let Some(distinct) = node.physical_as::<DistinctPlan>() {
            return if distinct.on.is_some() { "Unique" } else { "HashAggregate" }.to_owned();
        }
        if node.physical_as::<SortPlan>().is_some() {
            return "Sort".to_owned();
        }
        if node.physical_as::<UnitPlan>().is_some() {
            return "Result".to_owned();
        }
        if let Some(scan) = node.physical_as::<CteScanPlan>() {
            return format!("CTE Scan on cte{}", scan.cte.0);
        }
        node.physical.describe()
    }

    fn scan(&self, scan: &TableScanPlan, shown: &mut Shown) {
        let relation =
            if self.verbose { format!("{}.{}", scan.table.schema, scan.table.name) } else { scan.table.name.clone() };
        match &scan.access {
            None => {
                shown.title = format!("Seq Scan on {relation}");
                shown.node_type = "Seq Scan".to_owned();
            }
            Some(access) => {
                let backward = if access.reverse { " Backward" } else { "" };
                let kind = if scan.columns_in_key.is_some() { "Index Only Scan" } else { "Index Scan" };
                shown.title = format!("{kind}{backward} using {} on {relation}", access.index.name);
                shown.node_type = kind.to_owned();
                let direction = if access.reverse { "Backward" } else { "Forward" };
                shown.attributes.push(("Scan Direction", direction.to_owned()));
                shown.attributes.push(("Index Name", access.index.name.clone()));
            }
        }
        shown.attributes.push(("Relation Name", scan.table.name.clone()));
        shown.attributes.push(("Alias", scan.table.name.clone()));
        if self.verbose {
            shown.attributes.push(("Schema", scan.table.schema.clone()));
        }
    }

    fn join(&mut self, node: &Arc<Node>, join: &JoinPlan, shown: &mut Shown) {
        let (kind, name) = match join.kind {
            JoinKind::Inner => ("", "Inner"),
            JoinKind::Left => (" Left", "Left"),
            JoinKind::Right => (" Right", "Right"),
            JoinKind::Full => (" Full", "Full"),
            JoinKind::Semi => (" Semi", "Semi"),
            JoinKind::Anti => (" Anti", "Anti"),
        };
        shown.attributes.push(("Join Type", name.to_owned()));
        if join.left_keys.is_empty() {
            shown.node_type = "Nested Loop".to_owned();
            shown.title = if kind.is_empty() { "Nested Loop".to_owned() } else { format!("Nested Loop{kind} Join") };
            return;
        }
        shown.node_type = "Hash Join".to_owned();
        shown.title = format!("Hash{kind} Join");
        // The right side is kept by key: an operator of its own in PostgreSQL.
        let Some(right) = shown.children.pop() else { return };
        let mut hash = self.made(&join.right, "Hash", vec![right]);
        hash.cost = Cost { startup: hash.cost.total, total: hash.cost.total };
        if let Some(usage) = self.used(node) {
            hash.properties.push(Property {
                values: vec![
                    ("Batches".to_owned(), PropertyValue::Number(usage.batch_count.max(1) as u64)),
                    ("Memory Usage".to_owned(), PropertyValue::Kilobytes(kilobytes(usage.memory_bytes as u64))),
                ],
            });
        }
        shown.children.push(hash);
    }

    fn set_operation(&mut self, node: &Arc<Node>, set: &SetOperationPlan, shown: &mut Shown) {
        let all = if set.all { " All" } else { "" };
        match (set.op, set.all) {
            (SetOp::Union, true) => {
                shown.title = "Append".to_owned();
                shown.node_type = "Append".to_owned();
            }
            (SetOp::Union, false) => {
                shown.title = "HashAggregate".to_owned();
                shown.node_type = "Aggregate".to_owned();
                let children = std::mem::take(&mut shown.children);
                let mut append = self.made(node, "Append", children);
                append.rows = append.children.iter().map(|child| child.rows).sum();
                append.actual = None;
                shown.children = vec![append];
            }
            (SetOp::Intersect, _) => shown.title = format!("HashSetOp Intersect{all}"),
            (SetOp::Except, _) => shown.title = format!("HashSetOp Except{all}"),
        }
        if set.op != SetOp::Union {
            shown.node_type = "SetOp".to_owned();
        }
    }

    /// What the operator said it used, when it was run.
    fn used(&self, node: &Node) -> Option<Usage> {
        let measure = self.measure(node)?;
        *measure.usage.lock()
    }

    /// Memory and files, as PostgreSQL prints them for each kind of operator.
    fn usage(&self, node: &Arc<Node>, shown: &mut Shown) {
        let Some(usage) = self.used(node) else { return };
        let (memory, disk) = (kilobytes(usage.memory_bytes as u64), kilobytes(usage.disk_bytes));
        if let Some(method) = usage.sort_method {
            let (kind, size) = if usage.disk_bytes > 0 { ("Disk", disk) } else { ("Memory", memory) };
            shown.properties.push(Property {
                values: vec![
                    ("Sort Method".to_owned(), PropertyValue::Text(method.to_owned())),
                    (kind.to_owned(), PropertyValue::Kilobytes(size)),
                ],
            });
        } else if node.physical_as::<WindowPlan>().is_some() {
            // In these words since version 18.
            let (kind, size) = if usage.disk_bytes > 0 { ("Disk", disk) } else { ("Memory", memory) };
            shown.properties.push(Property {
                values: vec![
                    ("Storage".to_owned(), PropertyValue::Text(kind.to_owned())),
                    ("Maximum Storage".to_owned(), PropertyValue::Kilobytes(size)),
                ],
            });
        } else if node.physical_as::<JoinPlan>().is_none() {
            let mut values = vec![
                ("Batches".to_owned(), PropertyValue::Number(usage.batch_count.max(1) as u64)),
                ("Memory Usage".to_owned(), PropertyValue::Kilobytes(memory)),
            ];
            if usage.disk_bytes > 0 {
                values.push(("Disk Usage".to_owned(), PropertyValue::Kilobytes(disk)));
            }
            shown.properties.push(Property { values });
        }
    }

    /// The plans of subqueries in expressions.
    fn subplans<'e>(&mut self, exprs: impl IntoIterator<Item = &'e PhysExpr>, shown: &mut Shown) {
        let mut found: Vec<&PhysSubquery> = Vec::new();
        exprs.into_iter().for_each(|expr| collect_subqueries(expr, &mut found));
        for subquery in found {
            self.subplan_count += 1;
            let kind = if subquery.args.is_empty() { "InitPlan" } else { "SubPlan" };
            let title = format!("{kind} {}", self.subplan_count);
            let plan = self.operator(&subquery.plan);
            shown.sections.push((title, plan));
        }
    }
}

fn collect_subqueries<'e>(expr: &'e PhysExpr, out: &mut Vec<&'e PhysSubquery>) {
    if let ExprKind::Subquery(subquery) = &expr.kind {
        out.push(subquery);
    }
    for child in expr.operands() {
        collect_subqueries(child, out);
    }
}

/// `Filter: (a > 1)` and its like.
fn details(node: &Node) -> Vec<Property> {
    let property = |detail: &String| match detail.split_once(": ") {
        Some((name @ ("Sort Key" | "Group Key"), keys)) => {
            Property::one(name, PropertyValue::List(vec![keys.to_owned()]))
        }
        Some((name, value)) => Property::one(name, PropertyValue::Text(value.to_owned())),
        None => Property::one("Detail", PropertyValue::Text(detail.clone())),
    };
    node.details.iter().map(property).collect()
}

fn kilobytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024)
}
