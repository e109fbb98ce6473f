//! Path patterns and label expressions.

use super::{Expr, Name, Span};

/// A label or type that is given: by name, or by an expression, `$(expr)`, for a string or a list of strings.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelName {
    Static(Name),
    Dynamic(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct PathPattern {
    pub var: Option<Name>,
    pub shortest: Option<Shortest>,
    pub start: NodePattern,
    pub steps: Vec<(PathStep, NodePattern)>,
    pub span: Span,
}

/// What leads from one node of a path to the next.
#[derive(Clone, Debug, PartialEq)]
pub enum PathStep {
    Relationship(RelationshipPattern),
    Quantified(QuantifiedPath),
}

/// `((a)-[r]->(b) WHERE …){1,3}`: the pattern, once behind the other.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantifiedPath {
    /// Has a relationship; each is one step.
    pub pattern: Box<PathPattern>,
    pub filter: Option<Expr>,
    pub quantifier: Length,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortest {
    One,
    All,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NodePattern {
    pub var: Option<Name>,
    pub labels: Option<LabelExpr>,
    /// A map literal, or a parameter (only where something is created).
    pub properties: Option<Expr>,
    pub filter: Option<Expr>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrow {
    /// `-->`
    Right,
    /// `<--`
    Left,
    /// `--`
    None,
    /// `<-->`
    Both,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RelationshipPattern {
    pub var: Option<Name>,
    pub types: Option<LabelExpr>,
    pub length: Option<Length>,
    pub properties: Option<Expr>,
    pub filter: Option<Expr>,
    pub arrow: Arrow,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    pub min: Option<u32>,
    pub max: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LabelExpr {
    Label(Name),
    And(Vec<LabelExpr>),
    Or(Vec<LabelExpr>),
    Not(Box<LabelExpr>),
    /// `%`: any label.
    Wildcard(Span),
    /// `$(expr)`, `$all(expr)`: all of the labels that the expression names; `$any(expr)`: one of them.
    Dynamic {
        labels: Box<Expr>,
        any: bool,
    },
}

impl LabelExpr {
    /// The labels when this is a plain conjunction.
    pub fn conjunction(&self) -> Option<Vec<&Name>> {
        match self {
            LabelExpr::Label(name) => Some(vec![name]),
            LabelExpr::And(parts) => {
                let mut names = Vec::new();
                for part in parts {
                    names.extend(part.conjunction()?);
                }
                Some(names)
            }
            _ => None,
        }
    }

    /// The labels when these are plain alternatives.
    pub fn alternatives(&self) -> Option<Vec<&Name>> {
        match self {
            LabelExpr::Label(name) => Some(vec![name]),
            LabelExpr::Or(parts) => {
                let mut names = Vec::new();
                for part in parts {
                    names.extend(part.alternatives()?);
                }
                Some(names)
            }
            _ => None,
        }
    }

    /// The labels when these are a conjunction of names and `$(expr)`, as where something is created.
    pub fn given(&self) -> Option<Vec<LabelName>> {
        match self {
            LabelExpr::Label(name) => Some(vec![LabelName::Static(name.clone())]),
            LabelExpr::Dynamic { labels, any: false } => Some(vec![LabelName::Dynamic((**labels).clone())]),
            LabelExpr::And(parts) => {
                let mut labels = Vec::new();
                for part in parts {
                    labels.extend(part.given()?);
                }
                Some(labels)
            }
            _ => None,
        }
    }

    pub fn for_each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        match self {
            LabelExpr::Label(_) | LabelExpr::Wildcard(_) => {}
            LabelExpr::And(parts) | LabelExpr::Or(parts) => parts.iter().for_each(|part| part.for_each_expr(visit)),
            LabelExpr::Not(part) => part.for_each_expr(visit),
            LabelExpr::Dynamic { labels, .. } => visit(labels),
        }
    }
}

impl PathPattern {
    /// Variables of its elements, those in quantified parts included, and of the path itself.
    pub fn names(&self) -> Vec<&Name> {
        let mut names: Vec<&Name> = self.var.iter().chain(&self.start.var).collect();
        for (step, node) in &self.steps {
            match step {
                PathStep::Relationship(relationship) => names.extend(&relationship.var),
                PathStep::Quantified(quantified) => names.extend(quantified.pattern.names()),
            }
            names.extend(&node.var);
        }
        names
    }

    pub fn for_each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        self.start.for_each_expr(visit);
        for (step, node) in &self.steps {
            match step {
                PathStep::Relationship(relationship) => {
                    relationship.types.iter().for_each(|types| types.for_each_expr(visit));
                    relationship.properties.iter().chain(&relationship.filter).for_each(&mut *visit);
                }
                PathStep::Quantified(quantified) => {
                    quantified.pattern.for_each_expr(visit);
                    quantified.filter.iter().for_each(&mut *visit);
                }
            }
            node.for_each_expr(visit);
        }
    }
}

impl NodePattern {
    fn for_each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        self.labels.iter().for_each(|labels| labels.for_each_expr(visit));
        self.properties.iter().chain(&self.filter).for_each(visit);
    }
}
