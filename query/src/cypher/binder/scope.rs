//! Names in scope, and how scopes nest.

use std::collections::BTreeMap;

use super::*;

/// Named columns of a projection, in order.
pub(super) type Columns = Vec<(Arc<str>, VarId)>;

/// Visible names, sorted as `RETURN *` gives them.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope(BTreeMap<Arc<str>, VarId>);

impl Scope {
    pub fn get(&self, name: &str) -> Option<VarId> {
        self.0.get(name).copied()
    }

    pub fn insert(&mut self, name: Arc<str>, var: VarId) {
        self.0.insert(name, var);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, VarId)> {
        self.0.iter().map(|(name, var)| (name, *var))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn vars(&self) -> FxHashSet<VarId> {
        self.0.values().copied().collect()
    }

    pub fn from_columns(columns: &Columns) -> Scope {
        Scope(columns.iter().cloned().collect())
    }
}

impl Binder<'_> {
    pub(super) fn new_var(&mut self, name: &Arc<str>, ty: DataType) -> VarId {
        self.vars.add(name.clone(), ty)
    }

    pub(super) fn anonymous(&mut self, ty: DataType) -> VarId {
        let name = format!("  {}", self.vars.len());
        self.vars.add(name, ty)
    }

    pub(super) fn column(&self, var: VarId) -> Expr {
        Expr::Column(var, self.vars.ty(var).clone())
    }

    /// The variable of that name, or UndefinedVariable with the nearest name.
    pub(super) fn lookup(&self, name: &str, span: Span) -> Result<VarId> {
        if let Some(var) = self.scope.get(name) {
            return Ok(var);
        }
        if let Some((hidden, detail)) = &self.hidden
            && hidden.get(name).is_some()
        {
            let message = if *detail == "AmbiguousAggregationExpression" {
                format!("variable \"{name}\" is neither a grouping key nor inside an aggregate")
            } else {
                format!("variable \"{name}\" is not visible after aggregation or DISTINCT")
            };
            return Err(self.syntax(detail, message, span));
        }
        let error = errors::syntax("UndefinedVariable", format!("variable \"{name}\" is not defined"));
        if self.left_behind.contains(name) {
            return Err(self.at(error.hint(format!("WITH passes on only what it names: add {name} to it.")), span));
        }
        let error = match errors::near_miss(name, self.scope.iter().map(|(name, _)| &**name)) {
            Some(near) => error.hint(format!("Perhaps you meant the variable \"{near}\".")),
            None => error,
        };
        Err(self.at(error, span))
    }

    pub(super) fn already_bound(&self, name: &str, span: Span) -> QueryError {
        self.syntax("VariableAlreadyBound", format!("variable \"{name}\" is already bound"), span)
    }

    /// Runs `bind` with a variable that exists only there (list comprehensions and the like).
    pub(super) fn with_local<T>(
        &mut self,
        name: &ast::Name,
        ty: DataType,
        bind: impl FnOnce(&mut Self, VarId) -> Result<T>,
    ) -> Result<T> {
        let var = self.new_var(&name.text, ty);
        let scope = self.scope.clone();
        let replacements = self.replacements.clone();
        self.scope.insert(name.text.clone(), var);
        // What was computed under the outer variable of that name means something else here.
        self.replacements.retain(|replacement| !mentions(&replacement.expr, &name.text));
        let result = bind(self, var);
        self.scope = scope;
        self.replacements = replacements;
        result
    }

    /// Runs `bind` as the inside of a subquery: names of outside are visible, everything else starts afresh.
    pub(super) fn nested_query<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let scope = self.scope.clone();
        let replacements = std::mem::take(&mut self.replacements);
        let aggregation = std::mem::replace(&mut self.aggregation, Aggregation::Forbidden("InvalidAggregation"));
        let patterns_allowed = std::mem::replace(&mut self.patterns_allowed, false);
        let plan_writes = std::mem::replace(&mut self.plan_writes, false);
        let hidden = self.hidden.clone();
        let facts = self.facts.clone();
        let inner_first = self.vars.len() as u32;
        let first_local = std::mem::replace(&mut self.first_local, inner_first);
        let result = bind(self);
        self.scope = scope;
        self.replacements = replacements;
        self.aggregation = aggregation;
        self.patterns_allowed = patterns_allowed;
        self.plan_writes = plan_writes;
        self.hidden = hidden;
        // What a subquery requires of outer variables says nothing about them outside; its own are new.
        let inner_facts = std::mem::replace(&mut self.facts, facts);
        for (var, inner) in inner_facts {
            if var.0 >= inner_first {
                self.facts.insert(var, inner);
            }
        }
        self.first_local = first_local;
        result
    }

    pub(super) fn is_local(&self, var: VarId) -> bool {
        var.0 >= self.first_local
    }

    /// A new variable for what `var` holds, with what is known about it.
    pub(super) fn renamed(&mut self, name: &Arc<str>, expr: &Expr) -> VarId {
        let var = self.new_var(name, expr.ty());
        if let Expr::Column(source, _) = expr
            && let Some(facts) = self.facts.get(source).cloned()
        {
            self.facts.insert(var, facts);
        }
        self.note_same(var, expr);
        var
    }
}

/// Whether a free (or shadowed) variable of that name occurs.
pub(super) fn mentions(expr: &ast::Expr, name: &str) -> bool {
    expr.any(&|part| match &part.kind {
        ast::ExprKind::Variable(variable) => **variable == *name,
        ast::ExprKind::MapProjection { var, items } => {
            *var.text == *name
                || items.iter().any(|item| matches!(item, ast::MapProjectionItem::Variable(v) if *v.text == *name))
        }
        ast::ExprKind::Exists(_) | ast::ExprKind::Count(_) | ast::ExprKind::Collect(_) => true,
        ast::ExprKind::Pattern(pattern) | ast::ExprKind::PatternComprehension { pattern, .. } => {
            pattern.names().iter().any(|variable| *variable.text == *name)
        }
        _ => false,
    })
}
