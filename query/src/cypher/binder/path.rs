//! Resolved patterns to scans, expansions and filters.
//!
//! Paths are taken in an order that keeps them connected to what is bound. Each begins at a bound node, or at the node
//! that looks most selective, and expands to both of its ends:
//!
//! ```text
//! MATCH (a)-[r]->(b:B)<-[s]-(c)        Expand c<-[s]-b, distinct from r
//!                                        Expand a-[r]->b (backwards)
//!                                          NodeScan b:B
//! ```

use sinew_storage::graph::Direction;

use super::pattern::{BoundNode, BoundPath, BoundQuantified, BoundRelationship, BoundStep};
use super::*;
use crate::algebra::{ApplyKind, Expand, JoinKind, PathPart, RepeatPath, VarLengthExpand};
use ast::{Arrow, ExprKind, LabelExpr};

/// A MATCH in the making.
pub(super) struct Chain {
    pub plan: Plan,
    pub bound: FxHashSet<VarId>,
    /// Relationships matched so far, with their types: later ones must differ.
    relationships: Vec<(VarId, Vec<Arc<str>>)>,
    /// Predicates that read what is not bound yet.
    deferred: Vec<Expr>,
}

impl Chain {
    /// The relationships matched so far that may be the same as one of `types`.
    fn distinct_from(&self, var: VarId, types: &[Arc<str>]) -> Vec<VarId> {
        let others = self.relationships.iter();
        others.filter(|(other, known)| *other != var && may_coincide(known, types)).map(|(other, _)| *other).collect()
    }
}

fn may_coincide(a: &[Arc<str>], b: &[Arc<str>]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|ty| b.contains(ty))
}

impl Binder<'_> {
    pub(super) fn plan_paths(&mut self, input: Plan, paths: &[BoundPath], bound: FxHashSet<VarId>) -> Result<Plan> {
        let mut chain = Chain { plan: input, bound, relationships: Vec::new(), deferred: Vec::new() };
        let (shortest, plain): (Vec<&BoundPath>, Vec<&BoundPath>) =
            paths.iter().partition(|path| path.shortest.is_some());
        let mut open = plain.clone();
        while !open.is_empty() {
            let next = open.iter().position(|path| touches(path, &chain.bound)).unwrap_or_else(|| {
                let best = (0..open.len()).max_by_key(|index| {
                    let score = open[*index].nodes.iter().map(selectivity).max().unwrap_or(0);
                    (score, std::cmp::Reverse(*index))
                });
                best.unwrap_or(0)
            });
            let path = open.remove(next);
            chain = self.plan_path(chain, path)?;
        }
        for path in plain {
            chain = name_path(chain, path);
        }
        // What WHERE demands of a shortest path may read everything that is matched before it.
        for path in shortest {
            chain = self.plan_path(chain, path)?;
            chain = name_path(chain, path);
        }
        Ok(filtered(chain.plan, chain.deferred))
    }

    fn plan_path(&mut self, mut chain: Chain, path: &BoundPath) -> Result<Chain> {
        if let Some(shortest) = path.shortest {
            return self.plan_shortest(chain, path, shortest);
        }
        let count = path.nodes.len();
        let bound_node = path.nodes.iter().position(|node| chain.bound.contains(&node.var));
        let start = match bound_node {
            Some(start) => start,
            None => {
                let bound_relationship = path.steps.iter().enumerate().find_map(|(index, step)| match step {
                    BoundStep::Relationship(r) if r.length.is_none() && chain.bound.contains(&r.var) => {
                        Some((index, r))
                    }
                    _ => None,
                });
                match bound_relationship {
                    Some((index, relationship)) => {
                        chain = self.start_at_relationship(chain, relationship, path.nodes[index].var);
                        index
                    }
                    None => (0..count)
                        .max_by_key(|index| (selectivity(&path.nodes[*index]), std::cmp::Reverse(*index)))
                        .unwrap_or(0),
                }
            }
        };
        let starts_bound = chain.bound.contains(&path.nodes[start].var);
        let mut chain = self.introduce(chain, &path.nodes[start])?;
        if starts_bound && count == 1 {
            // Nothing is expanded, so nothing else refuses a null.
            let is_null = Expr::IsNull(Box::new(self.column(path.nodes[start].var)));
            chain.plan = filtered(chain.plan, vec![Expr::Not(Box::new(is_null))]);
        }
        for index in start..count - 1 {
            let (from, to) = (path.nodes[index].var, &path.nodes[index + 1]);
            chain = self.step(chain, &path.steps[index], from, to, true)?;
        }
        for index in (0..start).rev() {
            let (from, to) = (path.nodes[index + 1].var, &path.nodes[index]);
            chain = self.step(chain, &path.steps[index], from, to, false)?;
        }
        Ok(chain)
    }

    /// Binds the left node of a bound relationship: its source, its target, or each in turn when undirected.
    fn start_at_relationship(&mut self, mut chain: Chain, relationship: &BoundRelationship, left: VarId) -> Chain {
        let column = self.column(relationship.var);
        let source = function_call("startNode", vec![column.clone()]);
        let target = function_call("endNode", vec![column]);
        let input = Box::new(chain.plan);
        chain.plan = match relationship.arrow {
            Arrow::Right => Plan::Extend { input, items: vec![(left, source)] },
            Arrow::Left => Plan::Extend { input, items: vec![(left, target)] },
            Arrow::None | Arrow::Both => {
                let list = |items| Expr::List(items, DataType::array_of(DataType::Node));
                let is_loop = operator_call("=", vec![source.clone(), target.clone()], DataType::Bool, None);
                let ends = Expr::Case {
                    branches: vec![(is_loop, list(vec![source.clone()]))],
                    otherwise: Some(Box::new(list(vec![source, target]))),
                    ty: DataType::array_of(DataType::Node),
                };
                Plan::Unwind { input, list: ends, var: left }
            }
        };
        chain.bound.insert(left);
        chain
    }

    /// Makes a node available: from what is bound, or by a scan beside the plan so far. Then its predicates.
    pub(super) fn introduce(&mut self, mut chain: Chain, node: &BoundNode) -> Result<Chain> {
        let mut scanned = None;
        if chain.bound.insert(node.var) {
            scanned = node.labels.as_ref().and_then(LabelExpr::conjunction).map(|names| names[0].text.clone());
            let scan = Plan::NodeScan { var: node.var, labels: scanned.iter().cloned().collect() };
            chain.plan = match chain.plan {
                Plan::Unit => scan,
                input if self.plan_writes => {
                    Plan::Apply { kind: ApplyKind::Cross, input: Box::new(input), subplan: Box::new(scan) }
                }
                input => Plan::Join { kind: JoinKind::Inner, left: Box::new(input), right: Box::new(scan), on: vec![] },
            };
        }
        self.node_predicates(chain, node, scanned.as_deref())
    }

    fn node_predicates(&mut self, mut chain: Chain, node: &BoundNode, scanned: Option<&str>) -> Result<Chain> {
        let column = self.column(node.var);
        let mut conjuncts = Vec::new();
        if let Some(labels) = &node.labels {
            match labels.conjunction() {
                Some(names) => {
                    let rest = names.iter().map(|name| name.text.clone());
                    let labels: Vec<Arc<str>> = rest.filter(|label| Some(&**label) != scanned).collect();
                    if !labels.is_empty() {
                        conjuncts.push(Expr::HasLabels { input: Box::new(column.clone()), labels });
                    }
                }
                None => self.label_predicates(&mut chain, &column, labels, &mut conjuncts)?,
            }
        }
        self.property_predicates(&mut chain, node.var, &node.properties, &mut conjuncts)?;
        chain.plan = filtered(chain.plan, conjuncts);
        if let Some(filter) = &node.filter {
            let conjuncts = self.conjuncts(filter)?;
            chain.deferred.extend(conjuncts);
        }
        Ok(chain)
    }

    /// Of a node's labels or a relationship's type: at once where it can be read already, else deferred.
    fn label_predicates(
        &mut self,
        chain: &mut Chain,
        entity: &Expr,
        labels: &LabelExpr,
        conjuncts: &mut Vec<Expr>,
    ) -> Result<()> {
        let mut ready = true;
        labels.for_each_expr(&mut |expr| ready = ready && self.is_ready(expr, &chain.bound));
        let predicate = self.label_predicate(entity, labels)?;
        if ready {
            conjuncts.push(predicate)
        } else {
            chain.deferred.push(predicate)
        }
        Ok(())
    }

    /// `key = value` for each entry: at once where the value can be read already, else deferred.
    fn property_predicates(
        &mut self,
        chain: &mut Chain,
        var: VarId,
        properties: &[(Arc<str>, ast::Expr)],
        conjuncts: &mut Vec<Expr>,
    ) -> Result<()> {
        for (key, value) in properties {
            let ready = self.is_ready(value, &chain.bound);
            let predicate = self.property_equals(var, key, value)?;
            if ready {
                conjuncts.push(predicate);
            } else {
                chain.deferred.push(predicate);
            }
        }
        Ok(())
    }

    fn property_equals(&mut self, var: VarId, key: &Arc<str>, value: &ast::Expr) -> Result<Expr> {
        self.check_property_key(key);
        let property = Expr::Property { input: Box::new(self.column(var)), key: key.clone(), ty: DataType::Any };
        let hint = self.hint_of(&property);
        let value = self.with_hint(hint, value)?;
        Ok(operator_call("=", vec![property, value], DataType::Bool, None))
    }

    /// Whether everything that `expr` reads is bound.
    pub(super) fn is_ready(&self, expr: &ast::Expr, bound: &FxHashSet<VarId>) -> bool {
        !expr.any(&|part| match &part.kind {
            ExprKind::Variable(name) => self.scope.get(name).is_some_and(|var| !bound.contains(&var)),
            ExprKind::MapProjection { .. }
            | ExprKind::Exists(_)
            | ExprKind::Count(_)
            | ExprKind::Collect(_)
            | ExprKind::Pattern(_)
            | ExprKind::PatternComprehension { .. } => true,
            _ => false,
        })
    }

    pub(super) fn direction(arrow: Arrow, forward: bool) -> Direction {
        match (arrow, forward) {
            (Arrow::Right, true) | (Arrow::Left, false) => Direction::Outgoing,
            (Arrow::Left, true) | (Arrow::Right, false) => Direction::Incoming,
            (Arrow::None | Arrow::Both, _) => Direction::Both,
        }
    }

    fn step(&mut self, chain: Chain, step: &BoundStep, from: VarId, to: &BoundNode, forward: bool) -> Result<Chain> {
        match step {
            BoundStep::Relationship(relationship) => self.expand(chain, relationship, from, to, forward),
            BoundStep::Quantified(quantified) => {
                let chain = self.repeat(chain, step, quantified, from, to, forward)?;
                self.node_predicates(chain, to, None)
            }
        }
    }

    fn expand(
        &mut self,
        mut chain: Chain,
        relationship: &BoundRelationship,
        from: VarId,
        to: &BoundNode,
        forward: bool,
    ) -> Result<Chain> {
        let direction = Self::direction(relationship.arrow, forward);
        let into = !chain.bound.insert(to.var);
        let distinct_from = chain.distinct_from(relationship.var, &relationship.types);
        let is_bound = !chain.bound.insert(relationship.var);
        let mut conjuncts = Vec::new();
        if let Some(length) = relationship.length {
            let list_type = DataType::array_of(DataType::Relationship);
            let mut input = chain.plan;
            let (mut target, mut bound_relationships) = (relationship.var, None);
            if is_bound {
                target = self.anonymous(list_type.clone());
                bound_relationships = Some(relationship.var);
                if !forward {
                    let reversed = self.anonymous(list_type.clone());
                    let value = function_call("reverse", vec![self.column(relationship.var)]);
                    input = Plan::Extend { input: Box::new(input), items: vec![(reversed, value)] };
                    bound_relationships = Some(reversed);
                }
            } else if !forward {
                target = self.anonymous(list_type.clone());
            }
            let step_filter = self.step_filter(relationship, &[])?;
            let (min, max) = (length.min.unwrap_or(1), length.max);
            let mut plan = Plan::VarLengthExpand(Box::new(VarLengthExpand {
                input,
                from,
                relationships: target,
                to: to.var,
                into,
                direction,
                types: relationship.types.clone(),
                min,
                max,
                step_filter,
                distinct_from,
                bound_relationships,
            }));
            if !is_bound && !forward {
                // The list runs from left to right, however it was found.
                let value = function_call("reverse", vec![self.column(target)]);
                plan = Plan::Extend { input: Box::new(plan), items: vec![(relationship.var, value)] };
            }
            chain.plan = plan;
        } else {
            chain.plan = Plan::Expand(Box::new(Expand {
                input: chain.plan,
                from,
                relationship: relationship.var,
                to: to.var,
                into,
                relationship_bound: is_bound,
                direction,
                types: relationship.types.clone(),
                distinct_from,
            }));
            if let Some(types) = &relationship.type_filter {
                let column = self.column(relationship.var);
                self.label_predicates(&mut chain, &column, types, &mut conjuncts)?;
            }
            self.property_predicates(&mut chain, relationship.var, &relationship.properties, &mut conjuncts)?;
            if let Some(filter) = &relationship.filter {
                let filter = self.conjuncts(filter)?;
                chain.deferred.extend(filter);
            }
        }
        chain.relationships.push((relationship.var, relationship.types.clone()));
        chain.plan = filtered(chain.plan, conjuncts);
        self.node_predicates(chain, to, None)
    }

    /// The repetitions from `from` on: walked forward from the first to the last, else from the last to the first.
    fn repeat(
        &mut self,
        mut chain: Chain,
        step: &BoundStep,
        quantified: &BoundQuantified,
        from: VarId,
        to: &BoundNode,
        forward: bool,
    ) -> Result<Chain> {
        let path = &quantified.path;
        let (first, last) = (path.nodes[0].var, path.nodes[path.nodes.len() - 1].var);
        let (entry, exit) = if forward { (first, last) } else { (last, first) };
        let mut bound = quantified.bound.clone();
        bound.insert(entry);
        let body = self.nested_query(|binder| {
            binder.scope = quantified.scope.clone();
            let chain = Chain { plan: Plan::Unit, bound, relationships: Vec::new(), deferred: Vec::new() };
            let chain = binder.plan_path(chain, path)?;
            let mut conjuncts = chain.deferred;
            if let Some(filter) = &quantified.filter {
                conjuncts.extend(binder.conjuncts(filter)?);
            }
            Ok(filtered(chain.plan, conjuncts))
        })?;
        let types = step.types();
        let distinct_from = chain.distinct_from(quantified.relationships, &types);
        let into = !chain.bound.insert(to.var);
        chain.bound.insert(quantified.relationships);
        chain.bound.extend(quantified.groups.iter().map(|(_, list)| *list));
        chain.relationships.push((quantified.relationships, types));
        chain.plan = Plan::RepeatPath(Box::new(RepeatPath {
            input: chain.plan,
            body,
            from,
            to: to.var,
            into,
            entry,
            exit,
            backward: !forward,
            body_relationships: path.steps.iter().map(BoundStep::var).collect(),
            relationships: quantified.relationships,
            groups: quantified.groups.clone(),
            min: quantified.min,
            max: quantified.max,
            distinct_from,
        }));
        Ok(chain)
    }

    /// What each relationship of a variable length pattern must satisfy.
    pub(super) fn step_filter(
        &mut self,
        relationship: &BoundRelationship,
        conditions: &[&ast::Expr],
    ) -> Result<Option<(VarId, Expr)>> {
        let BoundRelationship { properties, type_filter, filter, .. } = relationship;
        if properties.is_empty() && type_filter.is_none() && filter.is_none() && conditions.is_empty() {
            return Ok(None);
        }
        let step = self.anonymous(DataType::Relationship);
        self.facts.insert(step, EntityFacts { labels: Vec::new(), types: relationship.types.clone() });
        let mut conjuncts = Vec::new();
        if let Some(types) = type_filter {
            let column = self.column(step);
            conjuncts.push(self.label_predicate(&column, types)?);
        }
        for (key, value) in properties {
            conjuncts.push(self.property_equals(step, key, value)?);
        }
        if let Some(filter) = filter {
            let scope = self.scope.clone();
            if let Some(name) = &relationship.name {
                self.scope.insert(name.text.clone(), step);
            }
            let filter = self.conjuncts(filter);
            self.scope = scope;
            conjuncts.extend(filter?);
        }
        if !conditions.is_empty() {
            let scope = self.scope.clone();
            self.scope.insert(shortest::STEP.into(), step);
            let bound: Result<Vec<Expr>> = conditions.iter().map(|condition| self.predicate(condition)).collect();
            self.scope = scope;
            conjuncts.extend(bound?);
        }
        Ok(Some((step, Expr::and(conjuncts))))
    }
}

/// Gives the path's variable its value.
fn name_path(mut chain: Chain, path: &BoundPath) -> Chain {
    if let Some(var) = path.var {
        chain.plan = Plan::Extend { input: Box::new(chain.plan), items: vec![(var, path_value(path))] };
        chain.bound.insert(var);
    }
    chain
}

fn touches(path: &BoundPath, bound: &FxHashSet<VarId>) -> bool {
    path.nodes.iter().any(|node| bound.contains(&node.var)) || path.steps.iter().any(|step| bound.contains(&step.var()))
}

/// How promising a node is to start from; the optimizer knows better.
fn selectivity(node: &BoundNode) -> u8 {
    let labelled = node.labels.as_ref().is_some_and(|labels| labels.conjunction().is_some());
    match (labelled, node.properties.is_empty()) {
        (true, false) => 3,
        (true, true) => 2,
        (false, false) => 1,
        (false, true) => 0,
    }
}

/// The path's value from its variables.
pub(super) fn path_value(path: &BoundPath) -> Expr {
    let mut parts = vec![PathPart::Node(path.nodes[0].var)];
    for (step, node) in path.steps.iter().zip(&path.nodes[1..]) {
        let is_list = match step {
            BoundStep::Relationship(relationship) => relationship.length.is_some() || path.shortest.is_some(),
            BoundStep::Quantified(_) => true,
        };
        parts.push(if is_list { PathPart::RelationshipList(step.var()) } else { PathPart::Relationship(step.var()) });
        parts.push(PathPart::Node(node.var));
    }
    Expr::Path(parts)
}
