//! Queries and clauses.

use super::*;

/// A property that SET or REMOVE names.
enum PropertyTarget {
    Static(Expr, Arc<str>),
    Dynamic(Expr, Expr),
}

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Result<Statement> {
        self.query_options()?;
        if let Some(command) = self.schema_command()? {
            return Ok(Statement::Schema(command));
        }
        let explain = if self.take_keyword("EXPLAIN") {
            Some(ExplainMode::Explain)
        } else if self.take_keyword("PROFILE") {
            Some(ExplainMode::Profile)
        } else {
            None
        };
        let query = self.query()?;
        Ok(Statement::Query { query, explain })
    }

    /// `CYPHER 5` before a statement names this language; other versions and options are another's.
    fn query_options(&mut self) -> Result<()> {
        let start = self.span();
        if !self.take_keyword("CYPHER") {
            return Ok(());
        }
        if !matches!(self.peek(), TokenKind::Int(5)) {
            return Err(self.unsupported_at(start, "CYPHER with another version than 5 or with options"));
        }
        self.advance();
        if matches!(self.peek(), TokenKind::Ident(..)) && self.is_symbol_at(1, "=") {
            return Err(self.unsupported_at(self.span(), "an option behind CYPHER 5"));
        }
        Ok(())
    }

    pub(super) fn query(&mut self) -> Result<Query> {
        let first = self.single_query()?;
        let mut rest = Vec::new();
        let mut first_all = None;
        while self.is_keyword("UNION") {
            let union = self.span();
            self.advance();
            let all = self.take_keyword("ALL");
            if !all {
                self.take_keyword("DISTINCT");
            }
            if *first_all.get_or_insert(all) != all {
                let message = "UNION and UNION ALL cannot be mixed in one query".to_owned();
                return Err(self.error_at(union, "InvalidClauseComposition", message));
            }
            rest.push((all, self.single_query()?));
        }
        Ok(Query { first, rest })
    }

    fn single_query(&mut self) -> Result<SingleQuery> {
        let start = self.span();
        let mut clauses = Vec::new();
        while let Some(clause) = self.clause()? {
            clauses.push(clause);
            self.clause_count += 1;
            self.check_length(self.clause_count, MAX_CLAUSES, "clauses")?;
        }
        if clauses.is_empty() {
            return Err(self.expected("a clause (MATCH, CREATE, MERGE, UNWIND, WITH, RETURN, CALL, …)"));
        }
        let at_end = matches!(self.peek(), TokenKind::End)
            || self.is_symbol("}")
            || self.is_symbol(";")
            || self.is_keyword("UNION");
        if !at_end {
            return Err(self.expected("a clause or the end of the statement"));
        }
        Ok(SingleQuery { clauses, span: self.span_from(start) })
    }

    fn clause(&mut self) -> Result<Option<Clause>> {
        let start = self.span();
        let kind = if self.take_keywords(&["OPTIONAL", "MATCH"]) {
            self.match_clause(true)?
        } else if self.take_keywords(&["OPTIONAL", "CALL"]) {
            self.call_clause(true)?
        } else if self.take_keyword("MATCH") {
            self.match_clause(false)?
        } else if self.take_keyword("UNWIND") {
            let list = self.expr()?;
            self.expect_keyword("AS")?;
            ClauseKind::Unwind { list, var: self.name("a variable")? }
        } else if self.take_keyword("WITH") {
            let mut projection = self.projection()?;
            if self.take_keyword("WHERE") {
                projection.filter = Some(self.expr()?);
            }
            ClauseKind::With(projection)
        } else if self.take_keyword("RETURN") {
            let projection = self.projection()?;
            if self.is_at_rows() {
                return Err(self.expected("UNION or the end of the statement"));
            }
            ClauseKind::Return(projection)
        } else if self.is_at_rows() {
            // As behind WITH *.
            ClauseKind::With(self.rows_of(self.everything())?)
        } else if self.take_keyword("FILTER") {
            self.take_keyword("WHERE");
            ClauseKind::With(Projection { filter: Some(self.expr()?), ..self.everything() })
        } else if self.take_keyword("LET") {
            self.let_clause()?
        } else if self.take_keyword("FINISH") {
            ClauseKind::Finish
        } else if self.take_keyword("CREATE") || self.take_keyword("INSERT") {
            ClauseKind::Create { patterns: self.created_patterns()? }
        } else if self.take_keyword("MERGE") {
            self.merge_clause()?
        } else if self.take_keyword("SET") {
            ClauseKind::Set(self.set_items()?)
        } else if self.take_keyword("REMOVE") {
            ClauseKind::Remove(self.remove_items()?)
        } else if self.take_keywords(&["DETACH", "DELETE"]) {
            ClauseKind::Delete { detach: true, values: self.expr_list()? }
        } else if self.take_keywords(&["NODETACH", "DELETE"]) || self.take_keyword("DELETE") {
            ClauseKind::Delete { detach: false, values: self.expr_list()? }
        } else if self.take_keyword("FOREACH") {
            self.nested(Self::foreach_clause)?
        } else if self.take_keyword("CALL") {
            self.call_clause(false)?
        } else if let Some((what, hint)) = self.unsupported_clause() {
            return Err(self.unsupported_at(start, what).hint(hint));
        } else {
            return Ok(None);
        };
        Ok(Some(Clause { kind, span: self.span_from(start) }))
    }

    /// The name of a clause that is Cypher's and not carried out here, and what to do instead.
    fn unsupported_clause(&self) -> Option<(&'static str, &'static str)> {
        let follows = |words: &[&str]| words.iter().enumerate().all(|(ahead, word)| self.is_keyword_at(ahead, word));
        let import = "Load files by COPY or `sinew import`, or send their rows as a parameter to UNWIND.";
        if follows(&["LOAD", "CSV"]) {
            Some(("LOAD CSV", import))
        } else if follows(&["USE"]) && matches!(self.peek_at(1), TokenKind::Ident(..)) {
            Some(("USE of another graph", "A database has one graph."))
        } else if follows(&["USING", "PERIODIC", "COMMIT"]) {
            Some(("USING PERIODIC COMMIT", import))
        } else if follows(&["NEXT"]) {
            Some(("NEXT", "Go on with WITH and further clauses."))
        } else {
            None
        }
    }

    /// CALL { … } IN TRANSACTIONS.
    fn check_subquery_end(&self) -> Result<()> {
        if self.is_keyword("IN") {
            let error = self.unsupported_at(self.span(), "CALL { … } IN TRANSACTIONS");
            return Err(error.hint("Leave it out: a transaction may be of any size."));
        }
        Ok(())
    }

    fn match_clause(&mut self, optional: bool) -> Result<ClauseKind> {
        let patterns = self.patterns()?;
        if self.is_keyword("USING") {
            let hint = match self.peek_at(1) {
                TokenKind::Ident(word, _) => word.to_uppercase(),
                _ => String::new(),
            };
            let what = if hint.is_empty() { "USING".to_owned() } else { format!("USING {hint}") };
            return Err(self.unsupported_at(self.span(), what).hint("The optimizer chooses indexes by itself."));
        }
        let filter = if self.take_keyword("WHERE") { Some(self.expr()?) } else { None };
        Ok(ClauseKind::Match { optional, patterns, filter })
    }

    /// Patterns to match.
    pub(super) fn patterns(&mut self) -> Result<Vec<PathPattern>> {
        let mut patterns = Vec::new();
        loop {
            let pattern = self.path_pattern()?;
            patterns.push(self.matched(pattern)?);
            if !self.take_symbol(",") {
                return Ok(patterns);
            }
        }
    }

    fn created_patterns(&mut self) -> Result<Vec<PathPattern>> {
        let mut patterns = Vec::new();
        loop {
            let pattern = self.path_pattern()?;
            self.created_part_count += 1 + pattern.steps.len();
            self.check_length(self.created_part_count, MAX_CREATED_PARTS, "paths and relationships to create")?;
            patterns.push(pattern);
            if !self.take_symbol(",") {
                return Ok(patterns);
            }
        }
    }

    fn merge_clause(&mut self) -> Result<ClauseKind> {
        let pattern = self.path_pattern()?;
        let pattern = self.matched(pattern)?;
        let (mut on_create, mut on_match) = (Vec::new(), Vec::new());
        while self.take_keyword("ON") {
            let target = if self.take_keyword("CREATE") {
                &mut on_create
            } else if self.take_keyword("MATCH") {
                &mut on_match
            } else {
                return Err(self.expected("CREATE or MATCH"));
            };
            self.expect_keyword("SET")?;
            target.extend(self.set_items()?);
        }
        Ok(ClauseKind::Merge { pattern, on_create, on_match })
    }

    fn foreach_clause(&mut self) -> Result<ClauseKind> {
        self.expect_symbol("(")?;
        let var = self.name("a variable")?;
        self.expect_keyword("IN")?;
        let list = self.expr_before_bar()?;
        self.expect_symbol("|")?;
        let mut body = Vec::new();
        while let Some(clause) = self.clause()? {
            if !matches!(
                clause.kind,
                ClauseKind::Create { .. }
                    | ClauseKind::Merge { .. }
                    | ClauseKind::Set(_)
                    | ClauseKind::Remove(_)
                    | ClauseKind::Delete { .. }
                    | ClauseKind::Foreach { .. }
            ) {
                let message = "FOREACH may only contain CREATE, MERGE, SET, REMOVE, DELETE and FOREACH".to_owned();
                return Err(self.error_at(clause.span, "InvalidClauseComposition", message));
            }
            body.push(clause);
        }
        if body.is_empty() {
            return Err(self.expected("an updating clause"));
        }
        self.expect_symbol(")")?;
        Ok(ClauseKind::Foreach { var, list, body })
    }

    fn call_clause(&mut self, optional: bool) -> Result<ClauseKind> {
        if self.is_symbol("{") || self.is_symbol("(") {
            let imports = self.imports()?;
            let query = Box::new(self.braced_query()?);
            self.check_subquery_end()?;
            return Ok(ClauseKind::Subquery { optional, imports, query });
        }
        let start = self.span();
        let mut name = self.name("a procedure name")?.text.to_string();
        while self.take_symbol(".") {
            name.push('.');
            name.push_str(&self.name("a procedure name")?.text);
        }
        let name_span = self.span_from(start);
        let args = if self.take_symbol("(") {
            let args = if self.is_symbol(")") { Vec::new() } else { self.expr_list()? };
            self.expect_symbol(")")?;
            Some(args)
        } else {
            None
        };
        let mut outputs = Yield::Nothing;
        let mut filter = None;
        if self.take_keyword("YIELD") {
            let span = self.span();
            if self.take_symbol("*") {
                outputs = Yield::Star(span);
            } else {
                let mut items = Vec::new();
                loop {
                    let column = self.name("an output column")?;
                    let alias = if self.take_keyword("AS") { Some(self.name("a variable")?) } else { None };
                    items.push((column, alias));
                    if !self.take_symbol(",") {
                        break;
                    }
                }
                outputs = Yield::Items(items);
            }
            if self.take_keyword("WHERE") {
                filter = Some(self.expr()?);
            }
        }
        Ok(ClauseKind::Call(ProcedureCall { optional, name: name.into(), name_span, args, outputs, filter }))
    }

    /// What stands between CALL and the brace.
    fn imports(&mut self) -> Result<Imports> {
        if !self.take_symbol("(") {
            return Ok(Imports::LeadingWith);
        }
        if self.take_symbol("*") {
            self.expect_symbol(")")?;
            return Ok(Imports::All);
        }
        let mut names = Vec::new();
        while !self.take_symbol(")") {
            if !names.is_empty() {
                self.expect_symbol(",")?;
            }
            names.push(self.name("a variable")?);
        }
        Ok(Imports::Names(names))
    }

    /// `LET x = 1, y = 2`: what was in scope, and these.
    fn let_clause(&mut self) -> Result<ClauseKind> {
        let mut projection = self.everything();
        loop {
            let alias = self.name("a variable")?;
            self.expect_symbol("=")?;
            let expr = self.expr()?;
            let text = self.text_of(expr.span);
            projection.items.push(ProjectionItem { expr, alias: Some(alias), text });
            if !self.take_symbol(",") {
                return Ok(ClauseKind::With(projection));
            }
        }
    }

    /// `*`
    fn everything(&self) -> Projection {
        Projection {
            distinct: false,
            star: Some(self.span()),
            items: Vec::new(),
            order_by: Vec::new(),
            skip: None,
            limit: None,
            filter: None,
        }
    }

    pub(super) fn braced_query(&mut self) -> Result<Query> {
        self.expect_symbol("{")?;
        let query = self.nested(Self::query)?;
        self.expect_symbol("}")?;
        Ok(query)
    }

    pub(super) fn projection(&mut self) -> Result<Projection> {
        let distinct = self.take_keyword("DISTINCT");
        let mut projection = Projection { distinct, ..self.everything() };
        if !self.take_symbol("*") {
            projection.star = None;
            projection.items.push(self.projection_item()?);
        }
        while self.take_symbol(",") {
            projection.items.push(self.projection_item()?);
        }
        self.rows_of(projection)
    }

    /// At what orders or cuts rows.
    fn is_at_rows(&self) -> bool {
        ["ORDER", "SKIP", "OFFSET", "LIMIT"].iter().any(|word| self.is_keyword(word))
    }

    /// ORDER BY, SKIP and LIMIT of a projection.
    pub(super) fn rows_of(&mut self, mut projection: Projection) -> Result<Projection> {
        if self.is_keyword("ORDER") {
            self.advance();
            self.expect_keyword("BY")?;
            loop {
                let expr = self.expr()?;
                let descending = if self.take_keyword("DESC") || self.take_keyword("DESCENDING") {
                    true
                } else {
                    let _ = self.take_keyword("ASC") || self.take_keyword("ASCENDING");
                    false
                };
                projection.order_by.push(OrderItem { expr, descending });
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        if self.take_keyword("SKIP") || self.take_keyword("OFFSET") {
            projection.skip = Some(self.expr()?);
        }
        if self.take_keyword("LIMIT") {
            projection.limit = Some(self.expr()?);
        }
        Ok(projection)
    }

    fn projection_item(&mut self) -> Result<ProjectionItem> {
        let expr = self.expr()?;
        let text = self.text_of(expr.span);
        let alias = if self.take_keyword("AS") { Some(self.name("an alias")?) } else { None };
        Ok(ProjectionItem { expr, alias, text })
    }

    pub(super) fn expr_list(&mut self) -> Result<Vec<Expr>> {
        let mut items = vec![self.expr()?];
        while self.take_symbol(",") {
            items.push(self.expr()?);
        }
        Ok(items)
    }

    fn set_items(&mut self) -> Result<Vec<SetItem>> {
        let mut items = Vec::new();
        loop {
            items.push(self.set_item()?);
            if !self.take_symbol(",") {
                return Ok(items);
            }
        }
    }

    fn set_item(&mut self) -> Result<SetItem> {
        let is_variable = matches!(self.peek(), TokenKind::Ident(..));
        if is_variable && (self.is_symbol_at(1, "=") || self.is_symbol_at(1, "+=")) {
            let target = self.name("a variable")?;
            let replace = self.is_symbol("=");
            self.advance();
            return Ok(SetItem::Properties { target, value: self.expr()?, replace });
        }
        if is_variable && (self.is_symbol_at(1, ":") || self.is_keyword_at(1, "IS")) {
            let target = self.name("a variable")?;
            return Ok(SetItem::Labels { target, labels: self.label_list()? });
        }
        let target = self.property_target()?;
        self.expect_symbol("=")?;
        let value = self.expr()?;
        Ok(match target {
            PropertyTarget::Static(target, key) => SetItem::Property { target, key, value },
            PropertyTarget::Dynamic(target, key) => SetItem::DynamicProperty { target, key, value },
        })
    }

    fn remove_items(&mut self) -> Result<Vec<RemoveItem>> {
        let mut items = Vec::new();
        loop {
            let is_variable = matches!(self.peek(), TokenKind::Ident(..));
            if is_variable && (self.is_symbol_at(1, ":") || self.is_keyword_at(1, "IS")) {
                let target = self.name("a variable")?;
                items.push(RemoveItem::Labels { target, labels: self.label_list()? });
            } else {
                items.push(match self.property_target()? {
                    PropertyTarget::Static(target, key) => RemoveItem::Property { target, key },
                    PropertyTarget::Dynamic(target, key) => RemoveItem::DynamicProperty { target, key },
                });
            }
            if !self.take_symbol(",") {
                return Ok(items);
            }
        }
    }

    /// `:A:B`, or `IS A`.
    fn label_list(&mut self) -> Result<Vec<LabelName>> {
        if self.take_keyword("IS") {
            return Ok(vec![self.label_name()?]);
        }
        let mut labels = Vec::new();
        while self.take_symbol(":") {
            labels.push(self.label_name()?);
        }
        Ok(labels)
    }

    /// `expression.key`, split at the last dot, or `expression[key]`.
    fn property_target(&mut self) -> Result<PropertyTarget> {
        let target = self.postfix_expr()?;
        match target.kind {
            ExprKind::Property(entity, key) => Ok(PropertyTarget::Static(*entity, key.text)),
            ExprKind::Index(entity, key) => Ok(PropertyTarget::Dynamic(*entity, *key)),
            _ => Err(self.expected("a property (variable.key)")),
        }
    }
}
