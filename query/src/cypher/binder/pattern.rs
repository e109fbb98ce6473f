//! Patterns of MATCH and MERGE: names to variables, with the checks that belong to them.

use super::types::type_name;
use super::*;
use ast::{Arrow, LabelExpr, Length, PathPattern, PathStep, Shortest};

#[derive(Clone, Debug)]
pub(super) struct BoundNode {
    pub var: VarId,
    pub labels: Option<LabelExpr>,
    pub properties: Vec<(Arc<str>, ast::Expr)>,
    pub filter: Option<ast::Expr>,
}

#[derive(Clone, Debug)]
pub(super) struct BoundRelationship {
    pub var: VarId,
    pub name: Option<ast::Name>,
    pub arrow: Arrow,
    /// Plain alternatives; empty: any.
    pub types: Vec<Arc<str>>,
    /// What else the type must satisfy.
    pub type_filter: Option<LabelExpr>,
    pub length: Option<Length>,
    pub properties: Vec<(Arc<str>, ast::Expr)>,
    pub filter: Option<ast::Expr>,
}

/// A quantified path pattern.
#[derive(Clone, Debug)]
pub(super) struct BoundQuantified {
    /// One repetition.
    pub path: BoundPath,
    pub filter: Option<ast::Expr>,
    /// Names that are visible inside.
    pub scope: Scope,
    /// The variables of the clauses before.
    pub bound: FxHashSet<VarId>,
    /// Gets the relationships of all repetitions.
    pub relationships: VarId,
    /// (variable inside, the list of its values outside)
    pub groups: Vec<(VarId, VarId)>,
    pub min: u32,
    pub max: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) enum BoundStep {
    Relationship(BoundRelationship),
    Quantified(Box<BoundQuantified>),
}

impl BoundStep {
    /// Of the relationship, or of the list of relationships.
    pub fn var(&self) -> VarId {
        match self {
            BoundStep::Relationship(relationship) => relationship.var,
            BoundStep::Quantified(quantified) => quantified.relationships,
        }
    }

    /// Types of its relationships; empty: any.
    pub fn types(&self) -> Vec<Arc<str>> {
        match self {
            BoundStep::Relationship(relationship) => relationship.types.clone(),
            BoundStep::Quantified(quantified) => {
                let steps: Vec<Vec<Arc<str>>> = quantified.path.steps.iter().map(BoundStep::types).collect();
                if steps.iter().any(Vec::is_empty) { Vec::new() } else { steps.concat() }
            }
        }
    }
}

/// `nodes.len() == steps.len() + 1`.
#[derive(Clone, Debug)]
pub(super) struct BoundPath {
    pub var: Option<VarId>,
    pub shortest: Option<Shortest>,
    /// What a WHERE demands of a shortest path.
    pub conditions: shortest::Conditions,
    pub nodes: Vec<BoundNode>,
    pub steps: Vec<BoundStep>,
}

/// What is new in the clause that is being resolved.
#[derive(Debug)]
pub(super) struct Declared {
    pub vars: FxHashSet<VarId>,
    relationships: FxHashSet<VarId>,
    /// The names of the clauses before.
    before: Scope,
}

impl Declared {
    pub fn new(before: &Scope) -> Declared {
        Declared { vars: FxHashSet::default(), relationships: FxHashSet::default(), before: before.clone() }
    }
}

impl Binder<'_> {
    /// `input` extended by the matches of `patterns`; new names come into scope. With `notices`, labels and types that
    /// exist nowhere are reported.
    pub(super) fn match_patterns(
        &mut self,
        input: Plan,
        patterns: &[PathPattern],
        filter: Option<&ast::Expr>,
        notices: bool,
    ) -> Result<Plan> {
        let bound = self.scope.vars();
        let mut paths = self.resolve_patterns(patterns, notices, false)?;
        shortest::add_conditions(&mut paths, patterns, filter);
        let plan = self.plan_paths(input, &paths, bound)?;
        let conjuncts = match filter {
            Some(filter) => self.conjuncts(filter)?,
            None => Vec::new(),
        };
        Ok(filtered(plan, conjuncts))
    }

    pub(super) fn resolve_patterns(
        &mut self,
        patterns: &[PathPattern],
        notices: bool,
        optional: bool,
    ) -> Result<Vec<BoundPath>> {
        let mut declared = Declared::new(&self.scope);
        patterns.iter().map(|pattern| self.resolve_path(pattern, &mut declared, notices, optional)).collect()
    }

    pub(super) fn resolve_path(
        &mut self,
        pattern: &PathPattern,
        declared: &mut Declared,
        notices: bool,
        optional: bool,
    ) -> Result<BoundPath> {
        let mut nodes = vec![self.resolve_node(&pattern.start, declared, notices, optional)?];
        let mut steps = Vec::with_capacity(pattern.steps.len());
        for (step, node) in &pattern.steps {
            steps.push(match step {
                PathStep::Relationship(relationship) => {
                    let shortest = pattern.shortest.is_some();
                    let relationship =
                        self.resolve_relationship(relationship, declared, notices, optional, shortest)?;
                    BoundStep::Relationship(relationship)
                }
                PathStep::Quantified(quantified) => {
                    BoundStep::Quantified(Box::new(self.resolve_quantified(quantified, declared, notices)?))
                }
            });
            nodes.push(self.resolve_node(node, declared, notices, optional)?);
        }
        let var = match &pattern.var {
            None => None,
            Some(name) => {
                if self.scope.get(&name.text).is_some() {
                    return Err(self.already_bound(&name.text, name.span));
                }
                let var = self.new_var(&name.text, DataType::Path);
                self.scope.insert(name.text.clone(), var);
                Some(var)
            }
        };
        Ok(BoundPath { var, shortest: pattern.shortest, conditions: shortest::Conditions::default(), nodes, steps })
    }

    /// Variables inside are new; outside, their names are lists of what they are bound to in each repetition.
    fn resolve_quantified(
        &mut self,
        quantified: &ast::QuantifiedPath,
        declared: &mut Declared,
        notices: bool,
    ) -> Result<BoundQuantified> {
        for name in quantified.pattern.names() {
            if declared.before.get(&name.text).is_some() {
                return Err(self.already_bound(&name.text, name.span));
            }
            if self.scope.get(&name.text).is_some() {
                let message = format!(
                    "variable \"{}\" occurs both inside and outside of a quantified path pattern; rename one of them",
                    name.text
                );
                return Err(self.syntax("VariableAlreadyBound", message, name.span));
            }
        }
        let outside = std::mem::replace(&mut self.scope, declared.before.clone());
        let path = self.resolve_path(&quantified.pattern, &mut Declared::new(&declared.before), notices, false);
        let scope = std::mem::replace(&mut self.scope, outside);
        let path = path?;
        let mut groups = Vec::new();
        for name in quantified.pattern.names() {
            if self.scope.get(&name.text).is_some() {
                continue;
            }
            let Some(inner) = scope.get(&name.text) else { continue };
            let ty = DataType::array_of(self.vars.ty(inner).clone());
            let list = self.new_var(&name.text, ty.clone());
            self.scope.insert(name.text.clone(), list);
            if ty == DataType::array_of(DataType::Relationship) {
                // As a relationship of the pattern its name cannot be used again.
                declared.relationships.insert(list);
            }
            declared.vars.insert(list);
            groups.push((inner, list));
        }
        Ok(BoundQuantified {
            path,
            filter: quantified.filter.clone(),
            scope,
            bound: declared.before.vars(),
            relationships: self.anonymous(DataType::array_of(DataType::Relationship)),
            groups,
            min: quantified.quantifier.min.unwrap_or(0),
            max: quantified.quantifier.max,
        })
    }

    /// The variable of a pattern element: the one in scope when its type fits, else a new one.
    fn element(&mut self, name: Option<&ast::Name>, ty: DataType, declared: &mut Declared) -> Result<VarId> {
        let Some(name) = name else {
            let var = self.anonymous(ty);
            declared.vars.insert(var);
            return Ok(var);
        };
        let Some(var) = self.scope.get(&name.text) else {
            let var = self.new_var(&name.text, ty);
            self.scope.insert(name.text.clone(), var);
            declared.vars.insert(var);
            return Ok(var);
        };
        let known = self.vars.ty(var);
        let fits = match (&ty, known) {
            (_, DataType::Any) => true,
            (DataType::Array(_), DataType::Array(element)) => {
                matches!(**element, DataType::Any | DataType::Relationship)
            }
            (wanted, known) => wanted == known,
        };
        if fits {
            return Ok(var);
        }
        let message =
            format!("variable \"{}\" is a {}, it cannot be used as a {}", name.text, type_name(known), type_name(&ty));
        Err(self.syntax("VariableTypeConflict", message, name.span))
    }

    /// The entries of a property map; a parameter cannot stand for it where something is matched.
    pub(super) fn pattern_properties(&self, properties: Option<&ast::Expr>) -> Result<Vec<(Arc<str>, ast::Expr)>> {
        match properties {
            None => Ok(Vec::new()),
            Some(ast::Expr { kind: ast::ExprKind::Map(entries), .. }) => Ok(entries.clone()),
            Some(other) => {
                let message = "a parameter cannot be the property map of a matched pattern; name its properties";
                Err(self.syntax("InvalidParameterUse", message, other.span))
            }
        }
    }

    fn resolve_node(
        &mut self,
        node: &ast::NodePattern,
        declared: &mut Declared,
        notices: bool,
        optional: bool,
    ) -> Result<BoundNode> {
        let properties = self.pattern_properties(node.properties.as_ref())?;
        let var = self.element(node.var.as_ref(), DataType::Node, declared)?;
        if let Some(names) = node.labels.as_ref().and_then(LabelExpr::conjunction) {
            for name in names {
                if notices {
                    self.check_label(&name.text);
                }
                // A node that was there before an OPTIONAL MATCH need not carry the label after it.
                if !optional || declared.vars.contains(&var) {
                    self.facts.entry(var).or_default().labels.push(name.text.clone());
                }
            }
        }
        Ok(BoundNode { var, labels: node.labels.clone(), properties, filter: node.filter.clone() })
    }

    fn resolve_relationship(
        &mut self,
        relationship: &ast::RelationshipPattern,
        declared: &mut Declared,
        notices: bool,
        optional: bool,
        shortest: bool,
    ) -> Result<BoundRelationship> {
        let properties = self.pattern_properties(relationship.properties.as_ref())?;
        if shortest && relationship.length.and_then(|length| length.min).is_some_and(|min| min > 1) {
            let error = QueryError::unsupported("a minimum length above 1 in shortestPath");
            return Err(self.at(error, relationship.span));
        }
        let is_list = relationship.length.is_some() || shortest;
        let ty = if is_list { DataType::array_of(DataType::Relationship) } else { DataType::Relationship };
        let var = self.element(relationship.var.as_ref(), ty, declared)?;
        if let Some(name) = &relationship.var
            && !declared.relationships.insert(var)
        {
            let message = format!("relationship variable \"{}\" is used twice in one pattern", name.text);
            return Err(self.syntax("RelationshipUniquenessViolation", message, name.span));
        }
        let alternatives = relationship.types.as_ref().and_then(LabelExpr::alternatives);
        let type_filter = if alternatives.is_none() { relationship.types.clone() } else { None };
        let types: Vec<Arc<str>> = alternatives.iter().flatten().map(|ty| ty.text.clone()).collect();
        if notices {
            types.iter().for_each(|ty| self.check_relationship_type(ty));
        }
        if !is_list && !types.is_empty() && (!optional || declared.vars.contains(&var)) {
            self.facts.entry(var).or_default().types = types.clone();
        }
        Ok(BoundRelationship {
            var,
            name: relationship.var.clone(),
            arrow: relationship.arrow,
            types,
            type_filter,
            length: relationship.length,
            properties,
            filter: relationship.filter.clone(),
        })
    }
}
