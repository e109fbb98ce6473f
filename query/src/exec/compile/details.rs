//! Conditions, keys and bounds of operators as EXPLAIN prints them, in a notation between SQL and Cypher.

use sinew_storage::{DataType, LockWait, Value};

use crate::algebra::*;

/// Longest text of one expression, in characters.
const TEXT_LIMIT: usize = 400;

/// Lines below an operator's name.
pub(super) fn of_plan(plan: &Plan, vars: &VarTable) -> Vec<String> {
    let printer = Printer { vars };
    let mut lines = Vec::new();
    match plan {
        Plan::Filter { predicate, .. } => lines.push(format!("Filter: {}", printer.cut(predicate))),
        Plan::TableScan(scan) => {
            if let Some(access) = &scan.access {
                let text = printer.access(scan, access);
                if !text.is_empty() {
                    lines.push(format!("Index Cond: {text}"));
                }
            }
        }
        Plan::SearchScan(scan) => lines.push(format!("Query: {}", printer.cut(&scan.query))),
        Plan::PropertyIndexSeek { key, lookup, .. } => {
            let condition = |operator: &str, value: &Expr| format!("{key} {operator} {}", printer.cut(value));
            let text = match lookup {
                PropertyLookup::Equal(value) => condition("=", value),
                PropertyLookup::AnyOf(list) => condition("IN", list),
                PropertyLookup::Prefix(prefix) => condition("STARTS WITH", prefix),
                PropertyLookup::Range { lower, upper } => {
                    let bounds = lower.iter().map(|lower| condition(">=", lower));
                    bounds.chain(upper.iter().map(|upper| condition("<=", upper))).collect::<Vec<_>>().join(" AND ")
                }
            };
            lines.push(format!("Index Cond: {text}"));
        }
        Plan::NodeByIdSeek { value, .. } => lines.push(format!("Id: {}", printer.cut(value))),
        Plan::Expand(expand) => {
            lines.push(format!("From: {} To: {}", printer.name(expand.from), printer.name(expand.to)));
        }
        Plan::VarLengthExpand(expand) => {
            lines.push(format!("From: {} To: {}", printer.name(expand.from), printer.name(expand.to)));
            if let Some((_, filter)) = &expand.step_filter {
                lines.push(format!("Step Filter: {}", printer.cut(filter)));
            }
        }
        Plan::ShortestPath(path) => {
            lines.push(format!("From: {} To: {}", printer.name(path.from), printer.name(path.to)));
            if let Some((_, filter)) = &path.step_filter {
                lines.push(format!("Step Filter: {}", printer.cut(filter)));
            }
            if let Some((_, filter)) = &path.path_filter {
                lines.push(format!("Path Filter: {}", printer.cut(filter)));
            }
            lines.extend(path.length_bounds.iter().map(|bound| {
                let op = if bound.exclusive { "<" } else { "<=" };
                format!("Length: {op} {}", printer.cut(&bound.value))
            }));
        }
        Plan::RepeatPath(repeat) => {
            lines.push(format!("From: {} To: {}", printer.name(repeat.from), printer.name(repeat.to)));
        }
        Plan::Aggregate { groups, .. } if !groups.is_empty() => {
            let keys: Vec<String> = groups.iter().map(|(_, key)| printer.cut(key)).collect();
            lines.push(format!("Group Key: {}", keys.join(", ")));
        }
        Plan::LockRows { locks, .. } => lines.extend(locks.iter().map(|lock| {
            let wait = match lock.wait {
                LockWait::Block => "",
                LockWait::NoWait => " NOWAIT",
                LockWait::SkipLocked => " SKIP LOCKED",
            };
            format!("Lock: {} {}{wait}", lock.table.name, lock_clause(lock.mode))
        })),
        Plan::Sort { keys, .. } => {
            let keys: Vec<String> = keys
                .iter()
                .map(|key| format!("{}{}", printer.cut(&key.expr), if key.descending { " DESC" } else { "" }))
                .collect();
            lines.push(format!("Sort Key: {}", keys.join(", ")));
        }
        _ => {}
    }
    lines
}

/// Lines below a join's name: the conditions that are keys, and the others.
pub(super) fn of_join(keys: &[&Expr], others: &[&Expr], vars: &VarTable) -> Vec<String> {
    let printer = Printer { vars };
    let conjunction = |conditions: &[&Expr]| match conditions {
        [condition] => printer.cut(condition),
        conditions => {
            let texts: Vec<String> = conditions.iter().map(|condition| printer.cut(condition)).collect();
            format!("({})", texts.join(" AND "))
        }
    };
    let mut lines = Vec::new();
    if !keys.is_empty() {
        lines.push(format!("Hash Cond: {}", conjunction(keys)));
    }
    if !others.is_empty() {
        lines.push(format!("Join Filter: {}", conjunction(others)));
    }
    lines
}

struct Printer<'a> {
    vars: &'a VarTable,
}

impl Printer<'_> {
    fn name(&self, var: VarId) -> String {
        self.vars.info(var).name.to_string()
    }

    fn cut(&self, expr: &Expr) -> String {
        let text = self.expr(expr);
        match text.char_indices().nth(TEXT_LIMIT) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    fn access(&self, scan: &TableScan, access: &IndexAccess) -> String {
        use sinew_storage::catalog::IndexTarget;
        let IndexTarget::Table { columns, .. } = &access.index.target else { return String::new() };
        let name = |position: usize| {
            let column = columns.get(position);
            if let Some(expression) = column.and_then(|column| column.expression.as_ref()) {
                return expression.text.clone();
            }
            column
                .and_then(|column| scan.table.position_of(column.column))
                .map_or_else(|| "?".to_owned(), |position| scan.table.columns[position].name.clone())
        };
        let mut conditions: Vec<String> = access
            .equal
            .iter()
            .enumerate()
            .map(|(position, value)| format!("({} = {})", name(position), self.cut(value)))
            .collect();
        let ranged = name(access.equal.len());
        match &access.any {
            Some(AnyOf::Items(items)) => conditions.push(format!("({ranged} IN ({}))", self.list(items, ", "))),
            Some(AnyOf::Array(array)) => conditions.push(format!("({ranged} = ANY ({}))", self.cut(array))),
            None => {}
        }
        if let Some((bound, inclusive)) = &access.lower {
            conditions.push(format!("({ranged} {} {})", if *inclusive { ">=" } else { ">" }, self.cut(bound)));
        }
        if let Some((bound, inclusive)) = &access.upper {
            conditions.push(format!("({ranged} {} {})", if *inclusive { "<=" } else { "<" }, self.cut(bound)));
        }
        match conditions.as_slice() {
            [condition] => condition.clone(),
            [] => String::new(),
            conditions => format!("({})", conditions.join(" AND ")),
        }
    }

    fn list(&self, items: &[Expr], separator: &str) -> String {
        items.iter().map(|item| self.expr(item)).collect::<Vec<_>>().join(separator)
    }

    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Literal(value, ty) => literal(value, ty),
            Expr::Column(var, _) => self.name(*var),
            Expr::Parameter(index, _) => format!("${}", index + 1),
            Expr::Call { function, args, .. } => {
                let is_operator = !function.name.starts_with(|c: char| c.is_alphabetic() || c == '_');
                match args.as_slice() {
                    [left, right] if is_operator => {
                        format!("({} {} {})", self.expr(left), function.name, self.expr(right))
                    }
                    [operand] if is_operator => format!("({}{})", function.name, self.expr(operand)),
                    _ => format!("{}({})", function.name, self.list(args, ", ")),
                }
            }
            Expr::Cast { input, to, .. } => format!("{}::{}", self.expr(input), crate::types::type_name(to)),
            Expr::And(items) => format!("({})", self.list(items, " AND ")),
            Expr::Or(items) => format!("({})", self.list(items, " OR ")),
            Expr::Not(input) => format!("NOT {}", self.expr(input)),
            Expr::Xor(a, b) => format!("({} XOR {})", self.expr(a), self.expr(b)),
            Expr::IsNull(input) => format!("({} IS NULL)", self.expr(input)),
            Expr::IsNotDistinct(a, b) => format!("({} IS NOT DISTINCT FROM {})", self.expr(a), self.expr(b)),
            Expr::Case { branches, otherwise, .. } => {
                let mut text = "CASE".to_owned();
                for (condition, value) in branches {
                    text.push_str(&format!(" WHEN {} THEN {}", self.expr(condition), self.expr(value)));
                }
                if let Some(otherwise) = otherwise {
                    text.push_str(&format!(" ELSE {}", self.expr(otherwise)));
                }
                text + " END"
            }
            Expr::Coalesce(items, _) => format!("COALESCE({})", self.list(items, ", ")),
            Expr::InList { input, items, negated, .. } => {
                let not = if *negated { "NOT " } else { "" };
                format!("({} {not}IN ({}))", self.expr(input), self.list(items, ", "))
            }
            Expr::Quantified { operator, input, array, all } => {
                let which = if *all { "ALL" } else { "ANY" };
                format!("({} {} {which} ({}))", self.expr(input), operator.name, self.expr(array))
            }
            Expr::List(items, _) => format!("[{}]", self.list(items, ", ")),
            Expr::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {}", self.expr(value))).collect();
                format!("{{{}}}", entries.join(", "))
            }
            Expr::Property { input, key, .. } => format!("{}.{key}", self.expr(input)),
            Expr::HasLabels { input, labels } => format!("{}:{}", self.expr(input), labels.join(":")),
            Expr::ListComprehension { var, list, .. } => {
                format!("[{} IN {} …]", self.name(*var), self.expr(list))
            }
            Expr::ListPredicate { kind, var, list, predicate } => {
                let name = format!("{kind:?}").to_lowercase();
                format!("{name}({} IN {} WHERE {})", self.name(*var), self.expr(list), self.expr(predicate))
            }
            Expr::Reduce { list, .. } => format!("reduce(… IN {})", self.expr(list)),
            Expr::Path(_) => "path".to_owned(),
            Expr::Subquery(subquery) => match &subquery.kind {
                SubqueryKind::Exists => "EXISTS (subquery)".to_owned(),
                SubqueryKind::Any { operator, input } => {
                    format!("({} {} ANY (subquery))", self.expr(input), operator.name)
                }
                SubqueryKind::All { operator, input } => {
                    format!("({} {} ALL (subquery))", self.expr(input), operator.name)
                }
                _ => "(subquery)".to_owned(),
            },
        }
    }
}

fn literal(value: &Value, ty: &DataType) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => f.to_string(),
        Value::Text(text) => format!("'{}'::{}", text.replace('\'', "''"), crate::types::type_name(ty)),
        Value::List(items) => {
            let element = match ty {
                DataType::Array(element) => (**element).clone(),
                _ => DataType::Any,
            };
            let items: Vec<String> = items.iter().take(16).map(|item| literal(item, &element)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Vector(vector) => format!("vector of {}", vector.len()),
        _ => format!("{} literal", crate::types::type_name(ty)),
    }
}
