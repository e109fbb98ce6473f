//! Operators that read the graph.

use sinew_storage::DataType;

use super::*;
use crate::exec::operators::expand::ExpandPlan;
use crate::exec::operators::node_scan::NodeScanPlan;
use crate::exec::operators::node_seek::{NodeByIdSeekPlan, PropertyIndexSeekPlan, SeekLookup};
use crate::exec::operators::relationship_scan::RelationshipScanPlan;
use crate::exec::operators::repeat_path::{BodyValue, RepeatPathPlan};
use crate::exec::operators::shortest_path::ShortestPathPlan;
use crate::exec::operators::var_length_expand::VarLengthExpandPlan;

impl Compiler<'_> {
    fn slot(&self, var: VarId, node: &Node) -> Result<usize> {
        node.layout.position(var).ok_or_else(|| self.unbound(var))
    }

    fn step_filter(&mut self, filter: &Option<(VarId, Expr)>, node: &Node) -> Result<Option<PhysExpr>> {
        filter.as_ref().map(|(step, filter)| self.expr_with_locals(filter, node, vec![*step])).transpose()
    }

    /// Over the columns of a node and values that only its operator has; the last of them is local 0.
    fn expr_with_locals(&mut self, expr: &Expr, node: &Node, locals: Vec<VarId>) -> Result<PhysExpr> {
        self.expr(expr, &mut Scope { slots: &node.layout.vars, locals })
    }

    pub(super) fn graph_read(&mut self, plan: &Plan) -> Result<Arc<Node>> {
        let before = self.read_count;
        self.read_count += 1;
        let (layout, physical): (Arc<Layout>, Arc<dyn Physical>) = match plan {
            Plan::NodeScan { var, labels } => {
                (self.layout(vec![*var]), Arc::new(NodeScanPlan { labels: labels.clone() }))
            }
            Plan::PropertyIndexSeek { var, label_or_type, key, lookup, index } => {
                let mut value = |expr: &Expr| self.expr_over(expr, &[]);
                let physical = PropertyIndexSeekPlan {
                    label_or_type: Arc::clone(label_or_type),
                    key: Arc::clone(key),
                    lookup: match lookup {
                        PropertyLookup::Equal(expr) => SeekLookup::Equal(value(expr)?),
                        PropertyLookup::AnyOf(expr) => SeekLookup::AnyOf(value(expr)?),
                        PropertyLookup::Prefix(expr) => SeekLookup::Prefix(value(expr)?),
                        PropertyLookup::Range { lower, upper } => SeekLookup::Range {
                            lower: lower.as_ref().map(&mut value).transpose()?,
                            upper: upper.as_ref().map(&mut value).transpose()?,
                        },
                    },
                    index: Arc::clone(index),
                };
                (self.layout(vec![*var]), Arc::new(physical))
            }
            Plan::NodeByIdSeek { var, value } => {
                let layout = self.layout(vec![*var]);
                let physical = NodeByIdSeekPlan {
                    value: self.expr_over(value, &[])?,
                    relationships: *self.vars.ty(*var) == DataType::Relationship,
                    layout: Arc::clone(&layout),
                };
                (layout, Arc::new(physical))
            }
            Plan::RelationshipScan { var, types } => {
                (self.layout(vec![*var]), Arc::new(RelationshipScanPlan { types: types.clone() }))
            }
            Plan::Expand(expand) => {
                let input = self.plan(&expand.input)?;
                let mut wanted = vec![expand.from];
                wanted.extend(expand.into.then_some(expand.to));
                wanted.extend(expand.relationship_bound.then_some(expand.relationship));
                wanted.extend(&expand.distinct_from);
                let input = self.import(input, &wanted)?;
                let mut vars = input.layout.vars.clone();
                if !expand.relationship_bound {
                    vars.push(expand.relationship);
                }
                if !expand.into {
                    vars.push(expand.to);
                }
                let physical = ExpandPlan {
                    from: self.slot(expand.from, &input)?,
                    into: if expand.into { Some(self.slot(expand.to, &input)?) } else { None },
                    relationship_bound: if expand.relationship_bound {
                        Some(self.slot(expand.relationship, &input)?)
                    } else {
                        None
                    },
                    direction: expand.direction,
                    types: expand.types.clone(),
                    distinct_from: self.positions(&expand.distinct_from, &input)?,
                    input,
                };
                (self.layout(vars), Arc::new(physical))
            }
            Plan::VarLengthExpand(expand) => {
                let input = self.plan(&expand.input)?;
                let mut wanted = vec![expand.from];
                wanted.extend(expand.into.then_some(expand.to));
                wanted.extend(expand.bound_relationships);
                wanted.extend(&expand.distinct_from);
                let input = self.import(input, &wanted)?;
                let gives_relationships = input.layout.position(expand.relationships).is_none();
                let mut vars = input.layout.vars.clone();
                if gives_relationships {
                    vars.push(expand.relationships);
                }
                if !expand.into {
                    vars.push(expand.to);
                }
                let physical = VarLengthExpandPlan {
                    from: self.slot(expand.from, &input)?,
                    into: if expand.into { Some(self.slot(expand.to, &input)?) } else { None },
                    direction: expand.direction,
                    types: expand.types.clone(),
                    min: expand.min,
                    max: expand.max,
                    step_filter: self.step_filter(&expand.step_filter, &input)?,
                    distinct_from: self.positions(&expand.distinct_from, &input)?,
                    bound_relationships: expand.bound_relationships.map(|var| self.slot(var, &input)).transpose()?,
                    gives_relationships,
                    input,
                };
                (self.layout(vars), Arc::new(physical))
            }
            Plan::ShortestPath(path) => {
                let input = self.plan(&path.input)?;
                let input = self.import(input, &[path.from, path.to])?;
                let mut vars = input.layout.vars.clone();
                vars.push(path.relationships);
                let physical = ShortestPathPlan {
                    from: self.slot(path.from, &input)?,
                    to: self.slot(path.to, &input)?,
                    direction: path.direction,
                    types: path.types.clone(),
                    min: path.min,
                    max: path.max,
                    all: path.all,
                    step_filter: self.step_filter(&path.step_filter, &input)?,
                    path_filter: match &path.path_filter {
                        None => None,
                        Some((var, filter)) => {
                            Some(self.expr_with_locals(filter, &input, vec![path.relationships, *var])?)
                        }
                    },
                    length_bounds: (path.length_bounds.iter())
                        .map(|bound| Ok((self.expr_over(&bound.value, &input.layout.vars)?, bound.exclusive)))
                        .collect::<Result<_>>()?,
                    input,
                };
                (self.layout(vars), Arc::new(physical))
            }
            Plan::RepeatPath(repeat) => {
                let input = self.plan(&repeat.input)?;
                let mut wanted = vec![repeat.from];
                wanted.extend(repeat.into.then_some(repeat.to));
                wanted.extend(&repeat.distinct_from);
                let input = self.import(input, &wanted)?;
                let mut scope = Scope { slots: &input.layout.vars, locals: vec![repeat.entry] };
                let (body, args) = self.subplan(&repeat.body, &mut scope)?;
                let value = |var: VarId| {
                    if var == repeat.entry {
                        return Ok(BodyValue::Entry);
                    }
                    body.layout.position(var).map(BodyValue::Column).ok_or_else(|| self.unbound(var))
                };
                let mut vars = input.layout.vars.clone();
                vars.extend(repeat.added());
                let physical = RepeatPathPlan {
                    from: self.slot(repeat.from, &input)?,
                    into: if repeat.into { Some(self.slot(repeat.to, &input)?) } else { None },
                    args,
                    exit: value(repeat.exit)?,
                    relationships: self.positions(&repeat.body_relationships, &body)?,
                    groups: repeat.groups.iter().map(|(inner, _)| value(*inner)).collect::<Result<_>>()?,
                    backward: repeat.backward,
                    min: repeat.min,
                    max: repeat.max,
                    distinct_from: self.positions(&repeat.distinct_from, &input)?,
                    body,
                    input,
                };
                (self.layout(vars), Arc::new(physical))
            }
            _ => return Err(QueryError::internal("not an operator that reads the graph")),
        };
        Ok(self.node(plan, layout, physical, false, before))
    }
}
