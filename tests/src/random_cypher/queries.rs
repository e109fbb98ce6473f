//! Random queries. Their columns are values, never entities, and LIMIT stands over an order of all columns.

use super::generator::{Generator, Scope};
use super::graph::Kind;
use super::pattern::{Path, written};
use crate::random_sql::generator::sql;
use crate::random_sql::tree::{Node as Part, listed, text};

pub struct Query {
    pub part: Part,
    pub is_ordered: bool,
}

/// The kinds of a query's columns.
type Columns = Vec<Kind>;

impl Generator {
    pub fn query(&mut self) -> Query {
        let columns: Columns = (0..self.random.between(1, 3)).map(|_| self.column_kind()).collect();
        if self.random.percent(10) {
            let all = self.one_of(&[" UNION ", " UNION ALL "]);
            let (left, right) = (self.single_query(&columns, false), self.single_query(&columns, false));
            return Query { part: sql![left.part, sql![all, right.part].optional()], is_ordered: false };
        }
        self.single_query(&columns, true)
    }

    fn column_kind(&mut self) -> Kind {
        if self.random.percent(8) { Kind::Mixed } else { Kind::random(&mut self.random) }
    }

    fn single_query(&mut self, columns: &[Kind], may_order: bool) -> Query {
        let mut scope = Scope::default();
        let mut clauses = vec![self.match_clause(&mut scope, 12)];
        for _ in 0..self.random.below(4) {
            let clause = self.reading_clause(&mut scope);
            clauses.push(clause.optional());
        }
        let (end, is_ordered) = self.return_clause(columns, &scope, may_order);
        clauses.push(end);
        Query { part: listed("", clauses, " ", ""), is_ordered }
    }

    /// Any clause that does not write.
    pub fn reading_clause(&mut self, scope: &mut Scope) -> Part {
        match self.random.below(11) {
            0..=2 => self.match_clause(scope, 0),
            3..=4 => self.match_clause(scope, 100),
            10 => self.shortest(scope),
            5 => self.unwind(scope),
            6..=8 => self.with(scope),
            _ => self.call(scope),
        }
    }

    /// MATCH, or OPTIONAL MATCH with a chance of `optional` percent.
    pub fn match_clause(&mut self, scope: &mut Scope, optional: u64) -> Part {
        let word = if self.random.percent(optional) { "OPTIONAL MATCH " } else { "MATCH " };
        let mut paths = Vec::new();
        for _ in 0..1 + self.random.below(2) {
            let steps = self.elements_left.saturating_sub(1).min(2);
            let path = Path::random(&mut self.random, &mut scope.names, steps, true);
            self.elements_left = self.elements_left.saturating_sub(path.nodes.len() as u64);
            paths.push(path);
            if self.elements_left == 0 {
                break;
            }
        }
        let mut name = String::new();
        if let [path] = &paths[..]
            && !path.relationships.is_empty()
            && self.random.percent(25)
        {
            let path = scope.names.fresh("p");
            name = format!("{path} = ");
            scope.names.paths.push(path);
        }
        let condition = self.where_clause(2, scope, 60);
        sql![word, name, written(&paths), condition]
    }

    /// The length of a shortest path is promised, which of them is found is not.
    fn shortest(&mut self, scope: &mut Scope) -> Part {
        let from = self.random.pick(&scope.names.nodes).cloned();
        let to = self.random.pick(&scope.names.nodes).cloned();
        let (Some(from), Some(to)) = (from, to) else { return self.unwind(scope) };
        let word = self.one_of(&["MATCH ", "OPTIONAL MATCH "]);
        let function = self.one_of(&["shortestPath", "allShortestPaths"]);
        let relationship = self.one_of(&["-[*..4]-", "-[:R*..5]->", "<-[:R|S*..3]-", "-[*]->"]);
        let path = scope.names.fresh("p");
        let clause = text(format!("{word}{path} = {function}(({from}){relationship}({to}))"));
        scope.names.paths.push(path);
        clause
    }

    fn unwind(&mut self, scope: &mut Scope) -> Part {
        let list = self.expression(Kind::List, 2, scope);
        let name = self.value_name();
        scope.values.push((name.clone(), Kind::Int));
        sql!["UNWIND ", list, " AS ", name]
    }

    /// What passes through, values that are computed, at times aggregates; then perhaps a condition, an order and a limit.
    fn with(&mut self, scope: &mut Scope) -> Part {
        let mut next = Scope { names: scope.names.emptied(), values: Vec::new() };
        let mut items: Vec<Part> = Vec::new();
        let keeps_entities = self.random.percent(75);
        let mut keep = |generator: &mut Generator, from: &[String], to: &mut Vec<String>| {
            for name in from {
                if keeps_entities && generator.random.percent(70) {
                    to.push(name.clone());
                    items.push(text(name.clone()));
                }
            }
        };
        keep(self, &scope.names.nodes, &mut next.names.nodes);
        keep(self, &scope.names.relationships, &mut next.names.relationships);
        for (name, kind) in &scope.values {
            if self.random.percent(60) {
                next.values.push((name.clone(), *kind));
                items.push(text(name.clone()));
            }
        }
        let has_entities = !next.names.nodes.is_empty() || !next.names.relationships.is_empty();
        let aggregates = self.random.percent(35);
        for _ in 0..1 + self.random.below(2) {
            let kind = Kind::random(&mut self.random);
            let (value, kind) =
                if aggregates { self.aggregate(kind, scope) } else { (self.expression(kind, 2, scope), kind) };
            let name = self.value_name();
            items.push(sql![value, " AS ", name.clone()]);
            next.values.push((name, kind));
        }
        let distinct = if !aggregates && self.random.percent(20) { "DISTINCT " } else { "" };
        let mut tail = vec![text("")];
        if !has_entities && self.random.percent(30) {
            let keys: Vec<Part> = next.values.iter().map(|(name, _)| text(name.clone())).collect();
            tail.push(listed(" ORDER BY ", keys, ", ", ""));
            tail.push(sql![" LIMIT ", self.random.below(6).to_string()]);
        }
        let order = listed("", tail, "", "").optional();
        let condition = self.where_clause(1, &next, 30);
        *scope = next;
        sql!["WITH ", text(distinct).optional(), listed("", items, ", ", ""), order, condition]
    }

    /// A subquery that imports some of the nodes.
    fn call(&mut self, scope: &mut Scope) -> Part {
        let imported: Vec<String> = scope.names.nodes.iter().filter(|_| self.random.percent(60)).cloned().collect();
        let mut inner = Scope { names: scope.names.emptied(), values: Vec::new() };
        inner.names.nodes.clone_from(&imported);
        let outer_left = std::mem::replace(&mut self.elements_left, 2);
        let body = self.match_clause(&mut inner, 20);
        self.elements_left = outer_left.saturating_sub(1);
        let kind = Kind::random(&mut self.random);
        let (value, kind) = if self.random.percent(60) {
            self.aggregate(kind, &inner)
        } else {
            (self.expression(kind, 1, &inner), kind)
        };
        let name = self.value_name();
        let by_scope_clause = self.random.percent(50);
        let (head, first) = match imported.is_empty() {
            true => ("CALL { ".to_owned(), String::new()),
            false if by_scope_clause => (format!("CALL ({}) {{ ", imported.join(", ")), String::new()),
            false => ("CALL { ".to_owned(), format!("WITH {} ", imported.join(", "))),
        };
        // Names given inside are none outside, and stay unused there.
        scope.names.skip_to(&inner.names);
        scope.values.push((name.clone(), kind));
        sql![head, first, body, " RETURN ", value, " AS ", name, " }"]
    }

    /// An aggregate that gives the same whatever the order of its rows.
    fn aggregate(&mut self, kind: Kind, scope: &Scope) -> (Part, Kind) {
        let distinct = if self.random.percent(30) { "DISTINCT " } else { "" };
        match self.random.below(7) {
            0 => (text("count(*)"), Kind::Int),
            1 => (sql!["count(", distinct, self.expression(kind, 1, scope), ")"], Kind::Int),
            2 => (sql!["sum(", distinct, self.expression(Kind::Int, 1, scope), ")"], Kind::Int),
            3 => (sql!["size(collect(", distinct, self.expression(kind, 1, scope), "))"], Kind::Int),
            4 => (sql!["(count(*) + ", self.random.below(3).to_string(), ")"], Kind::Int),
            _ => {
                let function = self.one_of(&["min", "max"]);
                (sql![function, "(", self.expression(kind, 1, scope), ")"], kind)
            }
        }
    }

    fn return_clause(&mut self, columns: &[Kind], scope: &Scope, may_order: bool) -> (Part, bool) {
        let aggregated = self.random.percent(25).then(|| self.random.below(columns.len() as u64) as usize);
        let mut items = Vec::new();
        for (index, kind) in columns.iter().enumerate() {
            let value = match aggregated {
                Some(place) if place == index => self.aggregate(*kind, scope).0,
                _ => self.expression(*kind, 2, scope),
            };
            items.push(sql![value, format!(" AS c{}", index + 1)]);
        }
        let distinct = if self.random.percent(15) { "DISTINCT " } else { "" };
        let mut tail = Vec::new();
        let is_ordered = may_order && self.random.percent(40);
        if is_ordered {
            let mut keys = Vec::new();
            for index in 1..=columns.len() {
                keys.push(text(format!("c{index}{}", self.one_of(&["", " DESC", " ASC"]))));
            }
            tail.push(listed(" ORDER BY ", keys, ", ", ""));
            if self.random.percent(40) {
                tail.push(sql![" SKIP ", self.count_constant(3)].optional());
                tail.push(sql![" LIMIT ", self.count_constant(6)].optional());
            }
        }
        (sql!["RETURN ", text(distinct).optional(), listed("", items, ", ", ""), Part::Sequence(tail)], is_ordered)
    }

    fn count_constant(&mut self, below: u64) -> Part {
        let count = self.random.below(below).to_string();
        Part::Literal(crate::random_sql::tree::Literal { type_oid: 20, written: count.clone(), value: Some(count) })
    }
}
