//! Window functions: calls with OVER, the WINDOW clause, and the plan of both.
//!
//! A call becomes a variable of its query level. When the select list and ORDER BY are bound, calls are gathered by window,
//! and each window becomes an operator above grouping and HAVING, over rows that are sorted by its partition and order.

use sinew_storage::DataType;
use sqlparser::ast::{
    DuplicateTreatment, Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArgumentList, NamedWindowDefinition,
    NamedWindowExpr, OrderByExpr, WindowSpec, WindowType,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Span, Token, Tokenizer};

use super::Binder;
use super::names::fold;
use super::scope::Clause;
use super::window_frame::{exclusion_of, frame_shape};
use crate::algebra::*;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions;
use crate::sql::position::character_position;

/// A window as it was written, with what it takes from the one it extends.
#[derive(Clone, Debug)]
pub struct WindowDefinition {
    name: Option<String>,
    partition_by: Vec<Expr>,
    order_by: Vec<SortKey>,
    frame: WindowFrame,
    /// The frame was written, if only as the default.
    has_frame: bool,
}

/// A call over the definition at a position.
#[derive(Clone, Debug)]
pub struct PendingWindow {
    pub var: VarId,
    pub position: Option<usize>,
    call: WindowCall,
    definition: usize,
}

/// The window functions of a query level.
pub struct PendingWindows {
    definitions: Vec<WindowDefinition>,
    calls: Vec<PendingWindow>,
}

impl PendingWindows {
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// What is computed from the rows below.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let mut out = Vec::new();
        for pending in &mut self.calls {
            out.extend(&mut pending.call.args);
            out.extend(&mut pending.call.filter);
        }
        for definition in &mut self.definitions {
            out.extend(&mut definition.partition_by);
            out.extend(definition.order_by.iter_mut().map(|key| &mut key.expr));
        }
        out
    }
}

impl Binder<'_> {
    /// The windows of a WINDOW clause.
    pub fn bind_window_clause(&mut self, windows: &[NamedWindowDefinition]) -> Result<()> {
        for NamedWindowDefinition(name, window) in windows {
            let folded = fold(name);
            if self.frame().definitions.iter().any(|known| known.name.as_ref() == Some(&folded)) {
                return Err(QueryError::new(
                    sqlstate::WINDOWING_ERROR,
                    format!("window \"{folded}\" is already defined"),
                )
                .at(self.behind(name.span, &[("AS", 0)])));
            }
            let NamedWindowExpr::WindowSpec(spec) = window else {
                return Err(QueryError::syntax("a window is defined in parentheses", self.at(name.span)));
            };
            let definition = self.window_definition(spec, Some(folded), name.span)?;
            self.frame().definitions.push(definition);
        }
        Ok(())
    }

    fn named_window(&mut self, name: &str) -> Result<usize> {
        let found = self.frame().definitions.iter().position(|known| known.name.as_deref() == Some(name));
        found.ok_or_else(|| QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("window \"{name}\" does not exist")))
    }

    /// A window behind OVER, or, with a name, behind its name and AS; `span` is where to look for the keyword from.
    fn window_definition(&mut self, spec: &WindowSpec, name: Option<String>, span: Span) -> Result<WindowDefinition> {
        let (exclusion, refers_to) = match &spec.window_name {
            Some(ident) => exclusion_of(ident),
            None => (None, None),
        };
        let keyword = if name.is_some() { "AS" } else { "OVER" };
        let refuse = |binder: &Self, what: &str| {
            QueryError::new(sqlstate::WINDOWING_ERROR, what).at(binder.behind(span, &[(keyword, 0)]))
        };
        let base = match &refers_to {
            Some(refers_to) => {
                let found = self.named_window(refers_to);
                let index = found.map_err(|error| error.at(self.behind(span, &[(keyword, 0)])))?;
                Some(self.frame().definitions[index].clone())
            }
            None => None,
        };
        let (mut partition_by, mut order_by) = self.in_clause(Clause::Window, |binder| {
            let order_by = spec.order_by.iter().map(|key| binder.bind_sort_key(key)).collect::<Result<Vec<_>>>()?;
            let partition_by =
                spec.partition_by.iter().map(|expr| binder.bind_settled(expr)).collect::<Result<Vec<_>>>()?;
            Ok((partition_by, order_by))
        })?;
        if let (Some(base), Some(refers_to)) = (base, refers_to) {
            if !partition_by.is_empty() {
                return Err(refuse(self, &format!("cannot override PARTITION BY clause of window \"{refers_to}\"")));
            }
            if !order_by.is_empty() && !base.order_by.is_empty() {
                return Err(refuse(self, &format!("cannot override ORDER BY clause of window \"{refers_to}\"")));
            }
            if base.has_frame {
                let error = refuse(self, &format!("cannot copy window \"{refers_to}\" because it has a frame clause"));
                let is_bare = name.is_none() && order_by.is_empty() && spec.window_frame.is_none();
                return Err(if is_bare { error.hint("Omit the parentheses in this OVER clause.") } else { error });
            }
            partition_by = base.partition_by;
            if order_by.is_empty() {
                order_by = base.order_by;
            }
        }
        let mut frame = WindowFrame::default();
        if let Some(ast) = &spec.window_frame {
            let shape = frame_shape(ast).map_err(|(message, is_end)| {
                let units = ast.units.to_string();
                let mut path = vec![(keyword, 0), (units.as_str(), 1)];
                if ast.end_bound.is_some() {
                    path.push((if is_end { "AND" } else { "BETWEEN" }, 1));
                }
                QueryError::new(sqlstate::WINDOWING_ERROR, message).at(self.behind(span, &path))
            })?;
            let has_offset = shape.start_offset.is_some() || shape.end_offset.is_some();
            if shape.frame.units == FrameUnits::Range && has_offset && order_by.len() != 1 {
                return Err(refuse(self, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column"));
            }
            if shape.frame.units == FrameUnits::Groups && order_by.is_empty() {
                return Err(refuse(self, "GROUPS mode requires an ORDER BY clause"));
            }
            frame = shape.frame;
            for (offset, bound) in [(shape.start_offset, &mut frame.start), (shape.end_offset, &mut frame.end)] {
                if let (Some(ast), Some(slot)) = (offset, bound.offset_mut()) {
                    *slot = self.frame_offset(ast, frame.units, &order_by)?;
                }
            }
        }
        frame.exclusion = exclusion.unwrap_or_default();
        Ok(WindowDefinition { name, partition_by, order_by, frame, has_frame: spec.window_frame.is_some() })
    }

    /// The position of what stands behind the last of some keywords, which follow each other from `span` on, each at its
    /// depth of parentheses. The tree has no places for windows and their bounds.
    fn behind(&self, span: Span, path: &[(&str, usize)]) -> Option<usize> {
        let start = self.at(span)?;
        let text = self.source?;
        let (offset, _) = text.char_indices().nth(start - 1)?;
        let rest = &text[offset..];
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, rest).tokenize_with_location().ok()?;
        let mut path = path.iter();
        let mut next = path.next();
        let mut depth = 0_usize;
        for token in tokens {
            match (&token.token, next) {
                (Token::Whitespace(_), _) => {}
                (_, None) => return Some(start - 1 + character_position(rest, token.span.start)?),
                (Token::LParen, _) => depth += 1,
                (Token::RParen, _) => depth = depth.saturating_sub(1),
                (Token::Word(word), Some((keyword, at)))
                    if depth == *at && word.value.eq_ignore_ascii_case(keyword) =>
                {
                    next = path.next();
                }
                _ => {}
            }
        }
        None
    }

    /// A call with OVER.
    pub fn bind_window_call(
        &mut self,
        name: &str,
        list: &FunctionArgumentList,
        filter: Option<&Ast>,
        order_by: &[OrderByExpr],
        over: &WindowType,
        span: Span,
    ) -> Result<Expr> {
        let position = self.at(span);
        let star = matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
        let args = if star { Vec::new() } else { self.plain_args(list, name, span)? };
        let args = self.records_as_json(name, args);
        let Some(clause) = self.frames.last().map(|frame| frame.clause) else {
            return Err(windows_not_allowed(Clause::Values, position));
        };
        let types: Vec<DataType> = args.iter().map(Expr::ty).collect();
        if let Some(error) = self.needs_within_group(name, args.len(), position) {
            return Err(error);
        }
        let window = functions::resolve_window(name, &types).map_err(|error| error.at(position))?;
        let (function, params, returns) = match window {
            Some(window) => (WindowCallee::Function(window.function), window.args, window.returns),
            None => {
                let resolved = if star && name != "count" {
                    None
                } else {
                    functions::resolve_aggregate(name, &types).map_err(|error| error.at(position))?
                };
                let Some(resolved) = resolved else {
                    if !self.is_set_function(name) {
                        functions::resolve_function(name, &types).map_err(|error| error.at(position))?;
                    }
                    return Err(self.no_window_function(name, span));
                };
                if args.is_empty() && !star {
                    return Err(QueryError::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("{name}(*) must be used to call a parameterless aggregate function"),
                    )
                    .at(position));
                }
                (WindowCallee::Aggregate(resolved.function), resolved.args, resolved.returns)
            }
        };
        if matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)) {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "DISTINCT is not implemented for window functions",
            )
            .at(position));
        }
        if !order_by.is_empty() {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "aggregate ORDER BY is not implemented for window functions",
            )
            .at(position));
        }
        if filter.is_some() && matches!(function, WindowCallee::Function(_)) {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "FILTER is not implemented for non-aggregate window functions",
            )
            .at(position));
        }
        if clause == Clause::AggregateArguments {
            return Err(QueryError::new(
                sqlstate::GROUPING_ERROR,
                "aggregate function calls cannot contain window function calls",
            )
            .at(position));
        }
        if let Some(position) = self.window_inside(&args) {
            return Err(
                QueryError::new(sqlstate::WINDOWING_ERROR, "window function calls cannot be nested").at(position)
            );
        }
        self.check_no_sets_in(self.frames.len() - 1, &args, "window")?;
        if !clause.allows_windows() {
            return Err(windows_not_allowed(clause, position));
        }
        let mut cast = Vec::with_capacity(args.len());
        for (arg, to) in args.into_iter().zip(&params) {
            cast.push(self.coerce_argument(arg, to, position)?);
        }
        let filter = match filter {
            Some(ast) => Some(self.in_clause(Clause::Filter, |binder| binder.bind_condition(ast, "FILTER"))?),
            None => None,
        };
        let definition = self.window_of(over, span)?;
        let var = self.vars.add(name, returns.clone());
        let call = WindowCall { function, args: cast, filter, ty: returns.clone() };
        self.frame().windows.push(PendingWindow { var, position, call, definition });
        Ok(Expr::Column(var, returns))
    }

    /// The position of the window that an OVER clause means; equal ones are one.
    fn window_of(&mut self, over: &WindowType, span: Span) -> Result<usize> {
        let spec = match over {
            WindowType::NamedWindow(name) => {
                return self.named_window(&fold(name)).map_err(|error| error.at(self.at(name.span)));
            }
            WindowType::WindowSpec(spec) => spec,
        };
        let definition = self.window_definition(spec, None, span)?;
        let definitions = &mut self.frame().definitions;
        let known = definitions.iter().position(|known| known.name.is_none() && same_window(known, &definition));
        Ok(known.unwrap_or_else(|| {
            definitions.push(definition);
            definitions.len() - 1
        }))
    }

    /// The position of a window function of this query level whose result one of the expressions reads.
    pub fn window_inside(&mut self, exprs: &[Expr]) -> Option<Option<usize>> {
        let windows = &self.frame().windows;
        let inside = |pending: &&PendingWindow| exprs.iter().any(|expr| super::walk::reads_any(expr, &[pending.var]));
        windows.iter().find(inside).map(|pending| pending.position)
    }

    pub fn no_window_function(&self, name: &str, span: Span) -> QueryError {
        QueryError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("OVER specified, but {name} is not a window function nor an aggregate function"),
        )
        .at(self.at(span))
    }

    pub fn take_windows(&mut self) -> PendingWindows {
        let frame = self.frame();
        PendingWindows {
            definitions: std::mem::take(&mut frame.definitions),
            calls: std::mem::take(&mut frame.windows),
        }
    }

    /// The operators of all windows, in PostgreSQL's order: it decides in which order rows come that nothing else sorts.
    /// `sorted_by` are expressions that the query sorts and groups by itself.
    pub fn plan_windows(&mut self, mut plan: Plan, windows: PendingWindows, mut sorted_by: Vec<Expr>) -> Plan {
        let PendingWindows { mut definitions, calls } = windows;
        let mut used: Vec<(WindowDefinition, Vec<(VarId, WindowCall)>)> = Vec::new();
        let mut computed: Vec<(VarId, Expr)> = Vec::new();
        let mut position_of: Vec<Option<usize>> = vec![None; definitions.len()];
        for (index, definition) in definitions.iter_mut().enumerate() {
            if !calls.iter().any(|pending| pending.definition == index) {
                continue;
            }
            // References are numbered in the order of the clauses: ORDER BY of a window before its PARTITION BY.
            let keys = definition.order_by.iter().map(|key| &key.expr).chain(&definition.partition_by);
            for expr in keys {
                if !sorted_by.iter().any(|known| super::group::same(known, expr)) {
                    sorted_by.push(expr.clone());
                }
            }
            let known = used.iter().position(|(known, _)| same_window(known, definition));
            position_of[index] = Some(known.unwrap_or_else(|| {
                used.push((definition.clone(), Vec::new()));
                used.len() - 1
            }));
        }
        for pending in calls {
            if let Some(position) = position_of[pending.definition] {
                used[position].1.push((pending.var, pending.call));
            }
        }
        let reference = |expr: &Expr| sorted_by.iter().position(|known| super::group::same(known, expr)).unwrap_or(0);
        let mut ordered: Vec<(Vec<Key>, usize)> = used
            .iter()
            .enumerate()
            .map(|(index, (definition, _))| (sort_keys(definition, &reference), index))
            .collect();
        ordered.sort_by(|(a, _), (b, _)| windows_order(a, b));
        // Keys are computed once, so that sorting and finding the borders of groups agree.
        let mut as_column = |binder: &mut Binder<'_>, expr: &mut Expr| {
            if matches!(expr, Expr::Column(..)) {
                return;
            }
            let known = computed.iter().find(|(_, known)| super::group::same(known, expr)).map(|(var, _)| *var);
            let ty = expr.ty();
            let var = known.unwrap_or_else(|| {
                let var = binder.vars.add("key", ty.clone());
                computed.push((var, expr.clone()));
                var
            });
            *expr = Expr::Column(var, ty);
        };
        for (definition, _) in &mut used {
            definition.partition_by.iter_mut().for_each(|expr| as_column(self, expr));
            definition.order_by.iter_mut().for_each(|key| as_column(self, &mut key.expr));
        }
        if !computed.is_empty() {
            plan = Plan::Extend { input: Box::new(plan), items: computed };
        }
        let mut sorted: Vec<Key> = Vec::new();
        let mut used: Vec<Option<(WindowDefinition, Vec<(VarId, WindowCall)>)>> = used.into_iter().map(Some).collect();
        for (keys, index) in ordered {
            let Some((definition, calls)) = used[index].take() else { continue };
            if !sorted.starts_with(&keys) {
                plan = Plan::Sort { input: Box::new(plan), keys: merged_keys(&definition) };
                sorted = keys;
            }
            plan = Plan::Window(Box::new(Window {
                input: plan,
                partition_by: definition.partition_by,
                order_by: definition.order_by,
                frame: definition.frame,
                calls,
            }));
        }
        plan
    }
}

/// A sort key: number of its expression, descending, NULLs first.
type Key = (usize, bool, bool);

/// PARTITION BY, then ORDER BY, each expression once.
fn sort_keys(definition: &WindowDefinition, reference: &dyn Fn(&Expr) -> usize) -> Vec<Key> {
    merged_keys(definition).iter().map(|key| (reference(&key.expr), key.descending, key.nulls_first)).collect()
}

fn merged_keys(definition: &WindowDefinition) -> Vec<SortKey> {
    let partition = definition.partition_by.iter();
    let partition = partition.map(|expr| SortKey { expr: expr.clone(), descending: false, nulls_first: false });
    let mut keys: Vec<SortKey> = Vec::new();
    for key in partition.chain(definition.order_by.iter().cloned()) {
        if !keys.iter().any(|known| super::group::same(&known.expr, &key.expr)) {
            keys.push(key);
        }
    }
    keys
}

/// PostgreSQL's order of windows: those that share a beginning stand together, the longest first, so that one sort serves
/// several. After `common_prefix_cmp` in its planner.c.
fn windows_order(a: &[Key], b: &[Key]) -> std::cmp::Ordering {
    for (a, b) in a.iter().zip(b) {
        let ordering = b.0.cmp(&a.0).then(b.1.cmp(&a.1)).then(b.2.cmp(&a.2));
        if ordering.is_ne() {
            return ordering;
        }
    }
    b.len().cmp(&a.len())
}

fn same_window(a: &WindowDefinition, b: &WindowDefinition) -> bool {
    let same = super::group::same;
    let same_offset = |a: &FrameBound, b: &FrameBound| {
        std::mem::discriminant(a) == std::mem::discriminant(b)
            && match (a.offset(), b.offset()) {
                (Some(a), Some(b)) => !a.is_volatile() && same(a, b),
                _ => true,
            }
    };
    a.partition_by.len() == b.partition_by.len()
        && a.order_by.len() == b.order_by.len()
        && a.partition_by.iter().zip(&b.partition_by).all(|(a, b)| same(a, b))
        && a.order_by
            .iter()
            .zip(&b.order_by)
            .all(|(a, b)| same(&a.expr, &b.expr) && a.descending == b.descending && a.nulls_first == b.nulls_first)
        && a.frame.units == b.frame.units
        && a.frame.exclusion == b.frame.exclusion
        && same_offset(&a.frame.start, &b.frame.start)
        && same_offset(&a.frame.end, &b.frame.end)
}

fn windows_not_allowed(clause: Clause, position: Option<usize>) -> QueryError {
    QueryError::new(sqlstate::WINDOWING_ERROR, format!("window functions are not allowed in {}", clause.window_place()))
        .at(position)
}
