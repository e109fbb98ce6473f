//! CREATE, MERGE, SET, REMOVE, DELETE, FOREACH.

use super::path::path_value;
use super::pattern::{BoundNode, BoundPath, BoundRelationship, BoundStep, Declared};
use super::types::type_name;
use super::*;
use crate::algebra::GraphWrite;
use ast::{Arrow, Clause, ClauseKind, ExprKind, LabelExpr, LabelName, PathPattern, PathStep, RemoveItem, SetItem};

/// The parts of a MERGE.
struct MergeParts {
    matching: Plan,
    create: Vec<GraphWrite>,
    on_create: Vec<GraphWrite>,
    on_match: Vec<GraphWrite>,
}

fn only_creates(operations: &[GraphWrite]) -> bool {
    operations.iter().all(|operation| {
        matches!(
            operation,
            GraphWrite::CreateNode { .. } | GraphWrite::CreateRelationship { .. } | GraphWrite::Bind { .. }
        )
    })
}

/// Whether a CREATE looks for patterns to find its properties' values.
fn reads_graph(clause: &Clause) -> bool {
    let ClauseKind::Create { patterns } = &clause.kind else { return true };
    let mut found = false;
    for pattern in patterns {
        pattern.for_each_expr(&mut |expr| {
            found = found
                || expr.any(&|part| {
                    matches!(
                        part.kind,
                        ExprKind::Exists(_)
                            | ExprKind::Count(_)
                            | ExprKind::Collect(_)
                            | ExprKind::Pattern(_)
                            | ExprKind::PatternComprehension { .. }
                    )
                });
        });
    }
    found
}

impl Binder<'_> {
    pub(super) fn writing(&mut self, plan: Plan, clause: &Clause) -> Result<Plan> {
        let input = Box::new(plan);
        match &clause.kind {
            ClauseKind::Merge { pattern, on_create, on_match } => {
                let MergeParts { matching, create, on_create, on_match } = self.merge(pattern, on_create, on_match)?;
                Ok(Plan::Merge { input, matching: Box::new(matching), create, on_create, on_match })
            }
            ClauseKind::Foreach { var, list, body } => {
                let (var, list, body) = self.foreach(var, list, body)?;
                Ok(Plan::Foreach { input, var, list, body })
            }
            _ => {
                let operations = self.operations(clause)?;
                Ok(match *input {
                    // Created entities of one row are nothing that another row's CREATE could see.
                    Plan::GraphWrite { input, operations: mut before }
                        if only_creates(&before) && only_creates(&operations) && !reads_graph(clause) =>
                    {
                        before.extend(operations);
                        Plan::GraphWrite { input, operations: before }
                    }
                    plan => Plan::GraphWrite { input: Box::new(plan), operations },
                })
            }
        }
    }

    /// The clause as operations, also inside FOREACH.
    fn operations(&mut self, clause: &Clause) -> Result<Vec<GraphWrite>> {
        match &clause.kind {
            ClauseKind::Create { patterns } => {
                let mut operations = Vec::new();
                for pattern in patterns {
                    self.create(pattern, &mut operations)?;
                }
                Ok(operations)
            }
            ClauseKind::Set(items) => self.set_items(items),
            ClauseKind::Remove(items) => items.iter().map(|item| self.remove_item(item)).collect(),
            ClauseKind::Delete { detach, values } => {
                let values = values.iter().map(|value| self.deleted(value)).collect::<Result<Vec<_>>>()?;
                Ok(vec![GraphWrite::Delete { values, detach: *detach }])
            }
            ClauseKind::Merge { pattern, on_create, on_match } => {
                let MergeParts { matching, create, on_create, on_match } = self.merge(pattern, on_create, on_match)?;
                Ok(vec![GraphWrite::Merge { matching: Box::new(matching), create, on_create, on_match }])
            }
            ClauseKind::Foreach { var, list, body } => {
                let (var, list, body) = self.foreach(var, list, body)?;
                Ok(vec![GraphWrite::Foreach { var, list, body }])
            }
            _ => Err(self.syntax("InvalidClauseComposition", "expected an updating clause", clause.span)),
        }
    }

    fn foreach(
        &mut self,
        var: &ast::Name,
        list: &ast::Expr,
        body: &[Clause],
    ) -> Result<(VarId, Expr, Vec<GraphWrite>)> {
        let list = self.list(list)?;
        if self.scope.get(&var.text).is_some() {
            return Err(self.already_bound(&var.text, var.span));
        }
        let element = types::element_type(&list.ty());
        self.with_local(var, element, |binder, var| {
            let mut operations = Vec::new();
            for clause in body {
                operations.extend(binder.operations(clause)?);
            }
            Ok((var, list, operations))
        })
    }

    /// Operations for one path, left to right: a relationship follows both of its nodes.
    fn create(&mut self, pattern: &PathPattern, operations: &mut Vec<GraphWrite>) -> Result<()> {
        if pattern.shortest.is_some() {
            return Err(self.syntax("UnexpectedSyntax", "shortestPath cannot be created", pattern.span));
        }
        let lone = pattern.steps.is_empty();
        let mut nodes = vec![self.created_node(&pattern.start, lone, operations)?];
        let mut relationships = Vec::with_capacity(pattern.steps.len());
        for (step, node) in &pattern.steps {
            let relationship = self.created_step(step)?;
            if let Some(name) = &relationship.var
                && self.scope.get(&name.text).is_some()
            {
                return Err(self.already_bound(&name.text, name.span));
            }
            let ty = self.created_type(relationship)?;
            let ty = self.type_expr(&ty)?;
            let reversed = match relationship.arrow {
                Arrow::Right => false,
                Arrow::Left => true,
                Arrow::None | Arrow::Both => {
                    let message = "a created relationship must have exactly one direction";
                    return Err(self.syntax("RequiresDirectedRelationship", message, relationship.span));
                }
            };
            let left = nodes[nodes.len() - 1];
            let right = self.created_node(node, false, operations)?;
            let properties = self.created_properties(relationship.properties.as_ref())?;
            let var = match &relationship.var {
                Some(name) => {
                    if self.scope.get(&name.text).is_some() {
                        return Err(self.already_bound(&name.text, name.span));
                    }
                    let var = self.new_var(&name.text, DataType::Relationship);
                    self.scope.insert(name.text.clone(), var);
                    var
                }
                None => self.anonymous(DataType::Relationship),
            };
            let (source, target) = if reversed { (right, left) } else { (left, right) };
            operations.push(GraphWrite::CreateRelationship { var, ty, source, target, properties });
            nodes.push(right);
            relationships.push(var);
        }
        if let Some(name) = &pattern.var {
            if self.scope.get(&name.text).is_some() {
                return Err(self.already_bound(&name.text, name.span));
            }
            let var = self.new_var(&name.text, DataType::Path);
            self.scope.insert(name.text.clone(), var);
            let mut parts = vec![crate::algebra::PathPart::Node(nodes[0])];
            for (relationship, node) in relationships.iter().zip(&nodes[1..]) {
                parts.push(crate::algebra::PathPart::Relationship(*relationship));
                parts.push(crate::algebra::PathPart::Node(*node));
            }
            operations.push(GraphWrite::Bind { var, value: Expr::Path(parts) });
        }
        Ok(())
    }

    fn created_step<'p>(&self, step: &'p PathStep) -> Result<&'p ast::RelationshipPattern> {
        match step {
            PathStep::Relationship(relationship) => Ok(relationship),
            PathStep::Quantified(quantified) => {
                let message = "a quantified path pattern cannot be created";
                Err(self.syntax("CreatingVarLength", message, quantified.span))
            }
        }
    }

    fn created_type(&self, relationship: &ast::RelationshipPattern) -> Result<LabelName> {
        if relationship.length.is_some() {
            let message = "a relationship of variable length cannot be created";
            return Err(self.syntax("CreatingVarLength", message, relationship.span));
        }
        if relationship.filter.is_some() {
            return Err(self.syntax("UnexpectedSyntax", "WHERE cannot stand in a created pattern", relationship.span));
        }
        let given = relationship.types.as_ref().and_then(LabelExpr::given);
        match given.as_deref() {
            Some([ty]) => Ok(ty.clone()),
            _ => {
                let found = match relationship.types.as_ref().map(LabelExpr::alternatives) {
                    None => "none".to_owned(),
                    Some(Some(types)) => types.len().to_string(),
                    Some(None) => "an expression of types".to_owned(),
                };
                let message = format!("a created relationship needs exactly one type, got {found}");
                Err(self.syntax("NoSingleRelationshipType", message, relationship.span))
            }
        }
    }

    /// The expression for a relationship's type.
    fn type_expr(&mut self, ty: &LabelName) -> Result<Expr> {
        match ty {
            LabelName::Static(name) => Ok(text_literal(&name.text)),
            LabelName::Dynamic(expr) => {
                let value = self.with_hint(DataType::Text, expr)?;
                Ok(operator_call("type name", vec![value], DataType::Text, self.position(expr.span)))
            }
        }
    }

    /// The labels of a created node: names and dynamic ones, all of which it gets.
    fn created_labels(&self, node: &ast::NodePattern) -> Result<Vec<LabelName>> {
        if node.filter.is_some() {
            return Err(self.syntax("UnexpectedSyntax", "WHERE cannot stand in a created pattern", node.span));
        }
        match &node.labels {
            None => Ok(Vec::new()),
            Some(labels) => labels.given().ok_or_else(|| {
                let message = "a created node takes labels as \":A:B\", not a label expression";
                self.syntax("UnexpectedSyntax", message, node.span)
            }),
        }
    }

    /// The expression for a list of labels.
    fn labels_expr(&mut self, labels: &[LabelName]) -> Result<Expr> {
        let all_static: Option<Vec<Value>> = labels
            .iter()
            .map(|label| match label {
                LabelName::Static(name) => Some(Value::Text(name.text.clone())),
                LabelName::Dynamic(_) => None,
            })
            .collect();
        if let Some(names) = all_static {
            return Ok(Expr::Literal(Value::list(names), DataType::array_of(DataType::Text)));
        }
        let mut position = None;
        let mut args = Vec::with_capacity(labels.len());
        for label in labels {
            args.push(match label {
                LabelName::Static(name) => text_literal(&name.text),
                LabelName::Dynamic(expr) => {
                    position = position.or(self.position(expr.span));
                    self.with_hint(DataType::Any, expr)?
                }
            });
        }
        Ok(operator_call("label names", args, DataType::array_of(DataType::Text), position))
    }

    /// Creates a node; labels that are known only when it runs are set on it.
    fn create_node_operations(
        &mut self,
        var: VarId,
        labels: &[LabelName],
        properties: Option<Expr>,
        operations: &mut Vec<GraphWrite>,
    ) -> Result<()> {
        let (mut names, mut dynamic) = (Vec::new(), Vec::new());
        for label in labels {
            match label {
                LabelName::Static(name) => names.push(name.text.clone()),
                LabelName::Dynamic(_) => dynamic.push(label.clone()),
            }
        }
        operations.push(GraphWrite::CreateNode { var, labels: names, properties });
        if !dynamic.is_empty() {
            let labels = self.labels_expr(&dynamic)?;
            operations.push(GraphWrite::SetLabels { entity: self.column(var), labels });
        }
        Ok(())
    }

    fn created_node(&mut self, node: &ast::NodePattern, lone: bool, operations: &mut Vec<GraphWrite>) -> Result<VarId> {
        let labels = self.created_labels(node)?;
        if let Some(name) = &node.var
            && let Some(var) = self.scope.get(&name.text)
        {
            let ty = self.vars.ty(var).clone();
            if lone || node.labels.is_some() || node.properties.is_some() {
                return Err(self.already_bound(&name.text, name.span));
            }
            if !matches!(ty, DataType::Node | DataType::Any) {
                let message = format!("variable \"{}\" is a {}, not a NODE", name.text, type_name(&ty));
                return Err(self.syntax("VariableTypeConflict", message, name.span));
            }
            return Ok(var);
        }
        let properties = self.created_properties(node.properties.as_ref())?;
        let var = match &node.var {
            Some(name) => {
                let var = self.new_var(&name.text, DataType::Node);
                self.scope.insert(name.text.clone(), var);
                var
            }
            None => self.anonymous(DataType::Node),
        };
        self.create_node_operations(var, &labels, properties, operations)?;
        Ok(var)
    }

    fn created_properties(&mut self, properties: Option<&ast::Expr>) -> Result<Option<Expr>> {
        properties.map(|properties| self.with_hint(DataType::Any, properties)).transpose()
    }

    fn merge(&mut self, pattern: &PathPattern, on_create: &[SetItem], on_match: &[SetItem]) -> Result<MergeParts> {
        if pattern.shortest.is_some() {
            return Err(self.syntax("UnexpectedSyntax", "shortestPath cannot be merged", pattern.span));
        }
        let lone = pattern.steps.is_empty();
        let nodes = std::iter::once(&pattern.start).chain(pattern.steps.iter().map(|(_, node)| node));
        for node in nodes {
            self.created_labels(node)?;
            if let Some(name) = &node.var
                && self.scope.get(&name.text).is_some()
                && (lone || node.labels.is_some() || node.properties.is_some())
            {
                return Err(self.already_bound(&name.text, name.span));
            }
        }
        for (step, _) in &pattern.steps {
            let relationship = self.created_step(step)?;
            if let Some(name) = &relationship.var
                && self.scope.get(&name.text).is_some()
            {
                return Err(self.already_bound(&name.text, name.span));
            }
            self.created_type(relationship)?;
        }
        let bound = self.scope.vars();
        let path = self.resolve_path(pattern, &mut Declared::new(&self.scope.clone()), false, false)?;
        let matching = self.plan_paths(Plan::Unit, std::slice::from_ref(&path), bound.clone())?;
        let create = self.merge_creation(&path, bound)?;
        let on_create = self.set_items(on_create)?;
        let on_match = self.set_items(on_match)?;
        Ok(MergeParts { matching, create, on_create, on_match })
    }

    /// What MERGE creates when nothing matches; an undirected relationship points to the right.
    fn merge_creation(&mut self, path: &BoundPath, mut bound: FxHashSet<VarId>) -> Result<Vec<GraphWrite>> {
        let mut operations = Vec::new();
        for (index, node) in path.nodes.iter().enumerate() {
            if bound.insert(node.var) {
                self.merged_node(node, &mut operations)?;
            }
            if index > 0 {
                let (left, right) = (path.nodes[index - 1].var, node.var);
                let BoundStep::Relationship(relationship) = &path.steps[index - 1] else {
                    return Err(QueryError::internal("a quantified path pattern in MERGE"));
                };
                operations.push(self.merged_relationship(relationship, left, right)?);
            }
        }
        if let Some(var) = path.var {
            operations.push(GraphWrite::Bind { var, value: path_value(path) });
        }
        Ok(operations)
    }

    fn merged_node(&mut self, node: &BoundNode, operations: &mut Vec<GraphWrite>) -> Result<()> {
        let labels = node.labels.as_ref().and_then(LabelExpr::given).unwrap_or_default();
        let properties = self.merged_properties(&node.properties)?;
        self.create_node_operations(node.var, &labels, properties, operations)
    }

    fn merged_relationship(
        &mut self,
        relationship: &BoundRelationship,
        left: VarId,
        right: VarId,
    ) -> Result<GraphWrite> {
        let (source, target) = if relationship.arrow == Arrow::Left { (right, left) } else { (left, right) };
        let ty = match (&relationship.types[..], &relationship.type_filter) {
            ([ty], _) => text_literal(ty),
            (_, Some(LabelExpr::Dynamic { labels, .. })) => self.type_expr(&LabelName::Dynamic((**labels).clone()))?,
            _ => return Err(QueryError::internal("a merged relationship without its type")),
        };
        Ok(GraphWrite::CreateRelationship {
            var: relationship.var,
            ty,
            source,
            target,
            properties: self.merged_properties(&relationship.properties)?,
        })
    }

    /// A null would never match what it creates, so it is refused.
    fn merged_properties(&mut self, properties: &[(Arc<str>, ast::Expr)]) -> Result<Option<Expr>> {
        if properties.is_empty() {
            return Ok(None);
        }
        let mut entries = Vec::with_capacity(properties.len());
        for (key, value) in properties {
            let value = self.expr(value)?;
            let ty = value.ty();
            let checked = match value {
                literal @ Expr::Literal(Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_), _) => {
                    literal
                }
                value => operator_call("merge property", vec![value], ty, None),
            };
            entries.push((key.clone(), checked));
        }
        Ok(Some(Expr::Map(entries)))
    }

    fn set_items(&mut self, items: &[SetItem]) -> Result<Vec<GraphWrite>> {
        items.iter().map(|item| self.set_item(item)).collect()
    }

    fn entity(&mut self, target: &ast::Expr) -> Result<Expr> {
        let entity = self.expr(target)?;
        if matches!(entity.ty(), DataType::Node | DataType::Relationship | DataType::Any) {
            return Ok(entity);
        }
        let message =
            format!("only nodes and relationships have properties to change, not a {}", type_name(&entity.ty()));
        Err(self.syntax("InvalidArgumentType", message, target.span))
    }

    fn named_entity(&mut self, target: &ast::Name) -> Result<Expr> {
        let expr = ast::Expr { kind: ExprKind::Variable(target.text.clone()), span: target.span };
        self.entity(&expr)
    }

    /// A node whose labels change.
    fn labelled(&mut self, target: &ast::Name) -> Result<Expr> {
        let entity = self.named_entity(target)?;
        if entity.ty() == DataType::Relationship {
            let message = format!("variable \"{}\" is a RELATIONSHIP, it has no labels", target.text);
            return Err(self.syntax("InvalidArgumentType", message, target.span));
        }
        Ok(entity)
    }

    fn set_item(&mut self, item: &SetItem) -> Result<GraphWrite> {
        match item {
            SetItem::Property { target, key, value } => {
                let entity = self.entity(target)?;
                let property = Expr::Property { input: Box::new(entity.clone()), key: key.clone(), ty: DataType::Any };
                let hint = self.hint_of(&property);
                let value = self.with_hint(hint, value)?;
                Ok(GraphWrite::SetProperty { entity, key: key.clone(), value })
            }
            SetItem::Properties { target, value, replace } => {
                let entity = self.named_entity(target)?;
                let bound = self.with_hint(DataType::Any, value)?;
                let bound = match bound.ty() {
                    DataType::Map => bound,
                    DataType::Node | DataType::Relationship | DataType::Any => function_call("properties", vec![bound]),
                    ty => {
                        let message = format!("expected a map, node or relationship, got {}", type_name(&ty));
                        return Err(self.syntax("InvalidArgumentType", message, value.span));
                    }
                };
                Ok(GraphWrite::SetProperties { entity, value: bound, replace: *replace })
            }
            SetItem::DynamicProperty { target, key, value } => {
                let value = self.with_hint(DataType::Text, value)?;
                self.set_dynamic_property(target, key, value)
            }
            SetItem::Labels { target, labels } => {
                let entity = self.labelled(target)?;
                Ok(GraphWrite::SetLabels { entity, labels: self.labels_expr(labels)? })
            }
        }
    }

    /// `entity[key] = value` is `entity += {key: value}`.
    fn set_dynamic_property(&mut self, target: &ast::Expr, key: &ast::Expr, value: Expr) -> Result<GraphWrite> {
        let entity = self.entity(target)?;
        let name = self.with_hint(DataType::Text, key)?;
        let map = operator_call("map entry", vec![name, value], DataType::Map, self.position(key.span));
        Ok(GraphWrite::SetProperties { entity, value: map, replace: false })
    }

    fn remove_item(&mut self, item: &RemoveItem) -> Result<GraphWrite> {
        match item {
            RemoveItem::Property { target, key } => {
                Ok(GraphWrite::RemoveProperty { entity: self.entity(target)?, key: key.clone() })
            }
            RemoveItem::DynamicProperty { target, key } => {
                self.set_dynamic_property(target, key, Expr::null(DataType::Any))
            }
            RemoveItem::Labels { target, labels } => {
                let entity = self.labelled(target)?;
                Ok(GraphWrite::RemoveLabels { entity, labels: self.labels_expr(labels)? })
            }
        }
    }

    fn deleted(&mut self, value: &ast::Expr) -> Result<Expr> {
        if matches!(value.kind, ExprKind::HasLabels(..)) {
            let message = "DELETE removes whole nodes and relationships; REMOVE takes labels off";
            return Err(self.syntax("InvalidDelete", message, value.span));
        }
        if let ExprKind::Property(owner, key) = &value.kind
            && let ExprKind::Variable(name) = &owner.kind
            && let Some(var) = self.scope.get(name)
            && matches!(self.vars.ty(var), DataType::Node | DataType::Relationship)
        {
            let message = format!("DELETE removes nodes and relationships, not the property \"{}\"", key.text);
            let error = self.syntax("InvalidDelete", message, value.span);
            return Err(error.hint(format!("Write REMOVE {name}.{}.", key.text)));
        }
        let bound = self.expr(value)?;
        match bound.ty() {
            DataType::Node | DataType::Relationship | DataType::Path | DataType::Any => Ok(bound),
            ty => {
                let message = format!("DELETE expected a node, relationship or path, got {}", type_name(&ty));
                Err(self.syntax("InvalidArgumentType", message, value.span))
            }
        }
    }
}
