//! SELECT in all its clauses, and the subqueries of expressions.

use super::generator::{Generator, Scope, sql};
use super::tree::{Node, listed, text};
use super::values::Type;

/// A query and the types of its columns, which are called `c1…`.
pub struct Query {
    pub node: Node,
    pub types: Vec<Type>,
    /// ORDER BY decides about the place of every row.
    pub is_ordered: bool,
}

const EXPRESSION_DEPTH: u32 = 3;

impl Generator<'_> {
    /// A whole statement.
    pub fn query(&mut self) -> Query {
        let mut with = Vec::new();
        if self.random.percent(20) {
            for _ in 0..self.random.between(1, 2) {
                with.push(self.common_table());
            }
        }
        let recursive = with.iter().any(|(_, recursive)| *recursive);
        let query = self.set_operation(2, &Scope::default(), None);
        let mut parts = Vec::new();
        if !with.is_empty() {
            let with: Vec<Node> = with.into_iter().map(|(node, _)| node).collect();
            parts.push(listed(if recursive { "WITH RECURSIVE " } else { "WITH " }, with, ", ", " "));
        }
        parts.push(query.node);
        // Rows in an order of all columns are the same list everywhere, also under LIMIT.
        let is_ordered = self.random.percent(50);
        if is_ordered {
            parts.push(self.total_order(query.types.len()));
            if self.random.percent(40) {
                let limit = self.random.between(0, 8);
                parts.push(text(format!(" LIMIT {limit}")).optional());
                if self.random.percent(40) {
                    parts.push(text(format!(" OFFSET {}", self.random.between(0, 5))).optional());
                }
            }
        }
        self.common.clear();
        Query { node: Node::Sequence(parts), types: query.types, is_ordered }
    }

    /// ORDER BY all of so many columns, each in a direction of its own.
    fn total_order(&mut self, count: usize) -> Node {
        let keys = (1..=count)
            .map(|column| {
                let direction = self.one_of(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC"]);
                text(format!("{column}{direction}"))
            })
            .collect();
        listed(" ORDER BY ", keys, ", ", "")
    }

    /// `name (c1, …) AS (…)`, and whether it is recursive.
    fn common_table(&mut self) -> (Node, bool) {
        let name = self.alias();
        if self.random.percent(25) {
            let body = self.one_of(&[
                "SELECT 1, 'a'::text UNION ALL SELECT c1 + 1, c2 || 'b' FROM {} WHERE c1 < 5",
                "VALUES (0, ''::text) UNION SELECT (c1 + 2) % 5, 'x' FROM {}",
                "SELECT id, c2 FROM t1 WHERE id < 3 UNION ALL SELECT r.c1 + 2, t.c2 FROM {} r JOIN t1 t ON t.id = r.c1 + 2",
            ]);
            let prefix = self.tables[0].name.clone();
            let body = body.replace("{}", &name).replace("t1", &prefix);
            self.common.push(super::schema::Table {
                name: name.clone(),
                columns: vec![("c1".to_owned(), Type::Int4), ("c2".to_owned(), Type::Text)],
            });
            return (text(format!("{name} (c1, c2) AS ({body})")), true);
        }
        let materialized = self.one_of(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        let query = self.set_operation(1, &Scope::default(), None);
        let columns = column_names(&query.types);
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let node = sql![format!("{name} ({}) AS {materialized}(", names.join(", ")), query.node, ")"];
        self.common.push(super::schema::Table { name, columns });
        (node, false)
    }

    /// SELECTs put together by UNION and its kin; `wanted` are the types of the columns.
    fn set_operation(&mut self, depth: u32, outer: &Scope, wanted: Option<&[Type]>) -> Query {
        let first = self.select(depth, outer, wanted);
        if depth == 0 || !self.random.percent(15) {
            return first;
        }
        let types = first.types.clone();
        let second = self.set_operation(depth - 1, outer, Some(&types));
        let operator =
            self.one_of(&[" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT ", " INTERSECT ALL ", " EXCEPT ALL "]);
        let alone = vec![first.node.clone(), second.node.clone()];
        let node = sql!["(", first.node, ")", operator, "(", second.node, ")"].or_simpler(alone);
        Query { node, types, is_ordered: false }
    }

    /// One SELECT without ORDER BY.
    fn select(&mut self, depth: u32, outer: &Scope, wanted: Option<&[Type]>) -> Query {
        let types: Vec<Type> = match wanted {
            Some(types) => types.to_vec(),
            None => (0..self.random.between(1, 4)).map(|_| Type::random(&mut self.random)).collect(),
        };
        let mut scope = outer.for_subquery();
        let outer_count = scope.columns.len();
        let from = self.from(depth, &mut scope);
        let mut parts = Vec::new();
        if self.random.percent(70) {
            let condition = self.expression(Type::Bool, EXPRESSION_DEPTH, &scope);
            parts.push(sql![" WHERE ", condition].optional());
        }
        let (list, distinct) = if self.random.percent(30) {
            (self.grouped(&types, scope, outer_count, &mut parts), false)
        } else {
            if self.features.windows && self.random.percent(20) {
                self.add_windows(&mut scope);
            }
            let list = types.iter().map(|ty| self.expression(*ty, EXPRESSION_DEPTH, &scope)).collect();
            (list, self.random.percent(12))
        };
        let items: Vec<Node> =
            list.into_iter().enumerate().map(|(index, item)| sql![item, format!(" AS c{}", index + 1)]).collect();
        let mut nodes = vec![text("SELECT ")];
        if distinct {
            nodes.push(text("DISTINCT ").optional());
        }
        nodes.push(listed("", items, ", ", ""));
        nodes.push(from);
        nodes.extend(parts);
        Query { node: Node::Sequence(nodes), types, is_ordered: false }
    }

    /// GROUP BY, HAVING, and a select list of group columns and aggregates.
    fn grouped(&mut self, types: &[Type], scope: Scope, outer_count: usize, parts: &mut Vec<Node>) -> Vec<Node> {
        let mut grouped = Scope { columns: scope.columns[..outer_count].to_vec(), results: Vec::new() };
        let own = &scope.columns[outer_count..];
        let mut keys = Vec::new();
        for _ in 0..self.random.below(3) {
            if let Some((column, ty)) = self.random.pick(own).cloned()
                && !keys.contains(&column)
            {
                keys.push(column.clone());
                grouped.columns.push((column, ty));
            }
        }
        for _ in 0..self.random.between(1, 3) {
            let (aggregate, ty) = self.aggregate(&scope);
            grouped.results.push((aggregate, ty));
        }
        if !keys.is_empty() {
            let sets = self.features.grouping_sets && self.random.percent(20);
            let before =
                if sets { self.one_of(&[" GROUP BY ROLLUP (", " GROUP BY CUBE ("]) } else { " GROUP BY ".to_owned() };
            parts.push(listed(&before, keys, ", ", if sets { ")" } else { "" }));
        }
        if self.random.percent(30) {
            let condition = self.expression(Type::Bool, 2, &grouped);
            parts.push(sql![" HAVING ", condition].optional());
        }
        types.iter().map(|ty| self.expression(*ty, 2, &grouped)).collect()
    }

    /// An aggregate over columns of `scope`, and its type.
    fn aggregate(&mut self, scope: &Scope) -> (Node, Type) {
        let (function, argument, result) = match self.random.below(12) {
            0 => return (text("count(*)"), Type::Int8),
            1 => ("count", Type::random(&mut self.random), Type::Int8),
            2 => ("sum", Type::Int4, Type::Int8),
            3 => ("sum", Type::Numeric, Type::Numeric),
            4 => ("avg", Type::Int4, Type::Numeric),
            5 => ("sum", Type::Float8, Type::Float8),
            6 | 7 => {
                let ty = self.plain_type();
                (if self.random.percent(50) { "min" } else { "max" }, ty, ty)
            }
            8 => (if self.random.percent(50) { "bool_and" } else { "bool_or" }, Type::Bool, Type::Bool),
            9 => {
                let value = self.expression(Type::Text, 2, scope);
                return (sql!["string_agg(", value.clone(), ", ',' ORDER BY ", value, ")"], Type::Text);
            }
            10 => {
                let value = self.expression(Type::Int4, 2, scope);
                return (sql!["array_agg(", value.clone(), " ORDER BY ", value, ")"], Type::IntArray);
            }
            _ => ("avg", Type::Numeric, Type::Numeric),
        };
        let distinct = if self.random.percent(20) { "DISTINCT " } else { "" };
        let argument = self.expression(argument, 2, scope);
        let mut node = sql![function, "(", distinct, argument, ")"];
        if self.random.percent(20) {
            let condition = self.expression(Type::Bool, 2, scope);
            node = sql![node, sql![" FILTER (WHERE ", condition, ")"].optional()];
        }
        (node, result)
    }

    /// Window functions with an order of all rows, as results that the select list can use.
    fn add_windows(&mut self, scope: &mut Scope) {
        let columns: Vec<(Node, Type)> = scope.columns.clone();
        if columns.is_empty() {
            return;
        }
        // Ties are made of equal rows, as far as the query can tell.
        let order: Vec<Node> = columns
            .iter()
            .map(|(column, _)| sql![column.clone(), self.one_of(&["", " DESC", " NULLS FIRST"])])
            .collect();
        let (column, column_type) = self.random.pick(&columns).cloned().unwrap_or_else(|| columns[0].clone());
        let number = self.column_of(scope, Type::Int4);
        let (function, result) = match self.random.below(10) {
            0 => (text("row_number()"), Type::Int8),
            1 => (text("rank()"), Type::Int8),
            2 => (text("dense_rank()"), Type::Int8),
            3 => (text("ntile(3)"), Type::Int4),
            4 => (sql![self.one_of(&["lag(", "lead("]), column, self.one_of(&[")", ", 2)", ", 0)"])], column_type),
            5 => (sql![self.one_of(&["first_value(", "last_value("]), column, ")"], column_type),
            6 => (sql!["count(", column, ")"], Type::Int8),
            7 => (sql![self.one_of(&["min(", "max("]), number, ")"], Type::Int4),
            _ => (sql!["sum(", number, ")"], Type::Int8),
        };
        let partition = match self.random.pick(&columns).cloned() {
            Some((column, _)) if self.random.percent(50) => sql!["PARTITION BY ", column, " "].optional(),
            _ => text(""),
        };
        let frame = self.one_of(&[
            "",
            "",
            " ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING",
            " ROWS UNBOUNDED PRECEDING",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW",
        ]);
        let order = listed("ORDER BY ", order, ", ", "");
        let window = sql![function, " OVER (", partition, order, text(frame).optional(), ")"];
        scope.results.push((window, result));
    }

    /// ` FROM …`, whose columns are added to the scope.
    fn from(&mut self, depth: u32, scope: &mut Scope) -> Node {
        let mut parts = vec![text(" FROM "), self.relation(depth, scope)];
        let mut chance = 45;
        while self.random.percent(chance) {
            chance /= 2;
            let item = self.join(depth, scope);
            parts.push(item.optional());
        }
        Node::Sequence(parts)
    }

    fn join(&mut self, depth: u32, scope: &mut Scope) -> Node {
        let kind = self.random.below(7);
        if kind == 0 {
            let item = self.relation(0, scope);
            return sql![" CROSS JOIN ", item];
        }
        if kind == 1 && depth > 0 {
            let alias = self.alias();
            let query = self.select(depth - 1, scope, None);
            let columns = column_names(&query.types);
            scope.add_table(&alias, &columns);
            let join = self.one_of(&[" CROSS JOIN LATERAL (", " LEFT JOIN LATERAL ("]);
            let on = if join.starts_with(" LEFT") { " ON true" } else { "" };
            return sql![join, query.node, format!(") {alias}{on}")];
        }
        let before = scope.clone();
        let mut right = Scope::default();
        let item = self.relation(depth.saturating_sub(1), &mut right);
        scope.columns.extend(right.columns.clone());
        if kind == 2 {
            // PostgreSQL has FULL JOIN over equality only.
            let (left, right) = (self.column_of(&before, Type::Int4), self.column_of(&right, Type::Int4));
            return sql![" FULL JOIN ", item, " ON ", left, " = ", right];
        }
        let join = self.one_of(&[" JOIN ", " LEFT JOIN ", " RIGHT JOIN "]);
        let condition = if self.random.percent(70) {
            let ty = self.plain_type();
            let (left, right) = (self.column_of(&before, ty), self.column_of(&right, ty));
            let equal = sql![left, " = ", right];
            if self.random.percent(30) {
                let more = self.expression(Type::Bool, 2, scope);
                sql![equal, sql![" AND ", more].optional()]
            } else {
                equal
            }
        } else {
            self.expression(Type::Bool, 2, scope)
        };
        sql![join, item, " ON ", condition]
    }

    fn own_column(&mut self, scope: &Scope, ty: Type) -> Option<Node> {
        let known: Vec<&Node> =
            scope.columns.iter().filter(|(_, known)| *known == ty).map(|(column, _)| column).collect();
        self.random.pick(&known).map(|column| (*column).clone())
    }

    /// A column of the type, else a constant of it.
    pub(super) fn column_of(&mut self, scope: &Scope, ty: Type) -> Node {
        self.own_column(scope, ty).unwrap_or_else(|| ty.plain())
    }

    fn relation(&mut self, depth: u32, scope: &mut Scope) -> Node {
        let alias = self.alias();
        match self.random.below(10) {
            0 if depth > 0 => {
                let query = self.set_operation(depth - 1, &Scope::default(), None);
                scope.add_table(&alias, &column_names(&query.types));
                sql!["(", query.node, format!(") {alias}")]
            }
            1 => {
                scope.add_table(&alias, &[("c1".to_owned(), Type::Int4)]);
                text(format!(
                    "generate_series({}, {}) {alias} (c1)",
                    self.random.between(-1, 2),
                    self.random.between(0, 6)
                ))
            }
            2 => {
                let types = [Type::Int4, Type::random(&mut self.random)];
                let rows = (0..self.random.between(1, 4))
                    .map(|_| {
                        listed(
                            "(",
                            types.iter().map(|ty| self.expression(*ty, 0, &Scope::default())).collect(),
                            ", ",
                            ")",
                        )
                    })
                    .collect();
                scope.add_table(&alias, &column_names(&types));
                sql!["(VALUES ", listed("", rows, ", ", ""), format!(") {alias} (c1, c2)")]
            }
            _ => {
                let table = self.pick_table();
                scope.add_table(&alias, &table.columns);
                text(format!("{} {alias}", table.name))
            }
        }
    }

    pub(super) fn scalar_subquery(&mut self, ty: Type, depth: u32, scope: &Scope) -> Node {
        let mut inner = scope.for_subquery();
        let outer_count = inner.columns.len();
        let from = self.from(0, &mut inner);
        let filter = sql![" WHERE ", self.expression(Type::Bool, depth, &inner)].optional();
        // An aggregate of outer columns only would be the outer query's.
        let own = Scope { columns: inner.columns[outer_count..].to_vec(), results: Vec::new() };
        let aggregate = match (ty, self.own_column(&own, ty)) {
            (Type::Int8, _) => Some(text("count(*)")),
            (Type::Int4 | Type::Numeric | Type::Text | Type::Date | Type::Timestamp, Some(column)) => {
                Some(sql![self.one_of(&["min(", "max("]), column, ")"])
            }
            _ => None,
        };
        match aggregate {
            Some(aggregate) => sql!["(SELECT ", aggregate, from, filter, ")"],
            None => {
                let value = self.expression(ty, depth, &inner);
                sql!["(SELECT ", value, from, filter, " ORDER BY 1 LIMIT 1)"]
            }
        }
    }

    pub(super) fn subquery_condition(&mut self, depth: u32, scope: &Scope) -> Node {
        let mut inner = scope.for_subquery();
        let from = self.from(0, &mut inner);
        let condition = self.expression(Type::Bool, depth, &inner);
        let filter = sql![" WHERE ", condition].optional();
        match self.random.below(3) {
            0 => {
                let not = self.one_of(&["", "NOT "]);
                sql!["(", not, "EXISTS (SELECT 1", from, filter, "))"]
            }
            1 => {
                let ty = self.plain_type();
                let not = self.one_of(&["", "NOT "]);
                let value = self.expression(ty, depth, scope);
                let column = self.expression(ty, 1, &inner);
                sql!["(", value, " ", not, "IN (SELECT ", column, from, filter, "))"]
            }
            _ => {
                let ty = self.plain_type();
                let (operator, quantifier) =
                    (self.one_of(&[" = ", " <> ", " < ", " >= "]), self.one_of(&["ANY", "ALL"]));
                let value = self.expression(ty, depth, scope);
                let column = self.expression(ty, 1, &inner);
                sql!["(", value, operator, quantifier, " (SELECT ", column, from, filter, "))"]
            }
        }
    }
}

fn column_names(types: &[Type]) -> Vec<(String, Type)> {
    types.iter().enumerate().map(|(index, ty)| (format!("c{}", index + 1), *ty)).collect()
}
