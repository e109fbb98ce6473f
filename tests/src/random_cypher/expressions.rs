//! Expressions of a wanted kind. They do not fail, so that nothing depends on what is evaluated first, and none depends on
//! the order in which a pattern is matched.

use super::generator::{Generator, Scope};
use super::graph::{Kind, LABELS, TYPES, value};
use super::pattern::{self, Path};
use crate::random_sql::generator::sql;
use crate::random_sql::tree::{Literal, Node as Part, text};

impl Generator {
    /// An expression of `kind`, at most `depth` operators deep.
    pub fn expression(&mut self, kind: Kind, depth: u32, scope: &Scope) -> Part {
        if depth == 0 || self.random.percent(25) {
            return self.leaf(kind, scope);
        }
        let depth = depth - 1;
        let part = match (self.random.below(8), kind) {
            (0, _) => return self.leaf(kind, scope),
            (1, _) => self.conditional(kind, depth, scope),
            (_, Kind::Int) => self.integer(depth, scope),
            (_, Kind::Float) => self.float(depth, scope),
            (_, Kind::Text) => self.text(depth, scope),
            (_, Kind::Bool) => self.condition(depth, scope),
            (_, Kind::Date) => self.date(depth, scope),
            (_, Kind::List) => self.list(depth, scope),
            (_, Kind::Mixed) => return self.leaf(kind, scope),
        };
        part.or_simpler(vec![text("null"), self.constant(kind), self.leaf(kind, scope)])
    }

    pub fn constant(&mut self, kind: Kind) -> Part {
        let written = value(&mut self.random, kind);
        let (type_oid, sent) = match kind {
            Kind::Int => (20, written.clone()),
            Kind::Float => (701, written.clone()),
            Kind::Bool => (16, written.clone()),
            Kind::Text => (25, written.trim_matches('\'').to_owned()),
            Kind::Date | Kind::List | Kind::Mixed => return text(written),
        };
        Part::Literal(Literal { type_oid, written, value: Some(sent) })
    }

    /// A property, a variable, or a constant.
    fn leaf(&mut self, kind: Kind, scope: &Scope) -> Part {
        let variables: Vec<&String> =
            scope.values.iter().filter(|(_, known)| *known == kind).map(|(name, _)| name).collect();
        if !variables.is_empty() && self.random.percent(50) {
            return text(self.random.pick(&variables).map(|name| (*name).clone()).unwrap_or_default());
        }
        let entities: Vec<&String> = scope.names.nodes.iter().chain(&scope.names.relationships).collect();
        if !entities.is_empty() && self.random.percent(75) {
            let entity = self.random.pick(&entities).map(|name| (*name).clone()).unwrap_or_default();
            if kind == Kind::Int && self.random.percent(25) {
                return text(format!("{entity}.uid"));
            }
            return text(format!("{entity}.{}", pattern::random_property(&mut self.random, kind)));
        }
        if self.random.percent(6) { text("null") } else { self.constant(kind) }
    }

    fn conditional(&mut self, kind: Kind, depth: u32, scope: &Scope) -> Part {
        let value = self.expression(kind, depth, scope);
        let other = self.expression(kind, depth, scope);
        match self.random.below(3) {
            0 => {
                let condition = self.expression(Kind::Bool, depth, scope);
                sql!["CASE WHEN ", condition, " THEN ", value, sql![" ELSE ", other].optional(), " END"]
            }
            1 => {
                let subject = Kind::random(&mut self.random);
                let (tested, with) = (self.expression(subject, depth, scope), self.expression(subject, depth, scope));
                sql!["CASE ", tested, " WHEN ", with, " THEN ", value, " ELSE ", other, " END"]
            }
            _ => sql!["coalesce(", value, ", ", other, ")"],
        }
    }

    fn integer(&mut self, depth: u32, scope: &Scope) -> Part {
        match self.random.below(10) {
            0..=1 => {
                let operator = self.one_of(&[" + ", " - "]);
                let (left, right) =
                    (self.expression(Kind::Int, depth, scope), self.expression(Kind::Int, depth, scope));
                sql!["(", left, operator, right, ")"]
            }
            2 => {
                let operator = self.one_of(&[" * ", " / ", " % "]);
                let by = self.random.between(1, 4).to_string();
                sql!["(", self.expression(Kind::Int, depth, scope), operator, by, ")"]
            }
            3 => sql!["size(", self.expression(Kind::List, depth, scope), ")"],
            4 => sql!["size(", self.expression(Kind::Text, depth, scope), ")"],
            5 => {
                let list = self.expression(Kind::List, depth, scope);
                sql!["reduce(acc = 0, e IN ", list, " | acc + e)"]
            }
            6 => sql!["COUNT { ", self.subquery(depth, scope), " }"],
            7 => {
                let (pattern, inner) = self.inner_pattern(scope);
                let condition = self.where_clause(depth.min(1), &inner, 50);
                sql!["size([", pattern, condition, " | 1])"]
            }
            8 if !scope.names.paths.is_empty() => {
                let path = self.random.pick(&scope.names.paths).cloned().unwrap_or_default();
                text(format!("length({path})"))
            }
            8 => sql!["abs(", self.expression(Kind::Int, depth, scope), ")"],
            _ => {
                let function = self.one_of(&["head", "last"]);
                sql![function, "(", self.expression(Kind::List, depth, scope), ")"]
            }
        }
    }

    fn float(&mut self, depth: u32, scope: &Scope) -> Part {
        match self.random.below(3) {
            0 => sql!["toFloat(", self.expression(Kind::Int, depth, scope), ")"],
            1 => sql!["-(", self.expression(Kind::Float, depth, scope), ")"],
            _ => {
                let (left, right) =
                    (self.expression(Kind::Float, depth, scope), self.expression(Kind::Int, depth, scope));
                sql!["(", left, " + ", right, ")"]
            }
        }
    }

    fn text(&mut self, depth: u32, scope: &Scope) -> Part {
        match self.random.below(7) {
            0 => {
                let function = self.one_of(&["toUpper", "toLower", "trim", "reverse"]);
                sql![function, "(", self.expression(Kind::Text, depth, scope), ")"]
            }
            1 => {
                let (left, right) =
                    (self.expression(Kind::Text, depth, scope), self.expression(Kind::Text, depth, scope));
                sql!["(", left, " + ", right, ")"]
            }
            2 => sql!["left(", self.expression(Kind::Text, depth, scope), ", 1)"],
            3 => {
                let kind = Kind::random(&mut self.random);
                if kind == Kind::List {
                    return text("'list'");
                }
                sql!["toString(", self.expression(kind, depth, scope), ")"]
            }
            4 => sql!["replace(", self.expression(Kind::Text, depth, scope), ", 'a', 'bb')"],
            5 => match self.random.pick(&scope.names.relationships) {
                Some(name) => text(format!("type({name})")),
                None => text("'none'"),
            },
            _ => sql!["toStringOrNull(", self.leaf(Kind::Mixed, scope), ")"],
        }
    }

    fn date(&mut self, depth: u32, scope: &Scope) -> Part {
        let date = self.expression(Kind::Date, depth, scope);
        match self.random.below(2) {
            0 => sql!["(", date, " + duration({days: 1}))"],
            _ => sql!["date.truncate('month', ", date, ")"],
        }
    }

    fn list(&mut self, depth: u32, scope: &Scope) -> Part {
        let list = self.expression(Kind::List, depth, scope);
        match self.random.below(5) {
            0 => {
                let mut inner = scope.clone();
                inner.values.push(("e".to_owned(), Kind::Int));
                let condition = sql![" WHERE ", self.expression(Kind::Bool, depth, &inner)].optional();
                let value = self.expression(Kind::Int, depth, &inner);
                sql!["[e IN ", list, condition, " | ", value, "]"]
            }
            1 => sql!["(", list, " + [1])"],
            2 => sql![list, "[0..2]"],
            3 => {
                let function = self.one_of(&["tail", "reverse"]);
                sql![function, "(", list, ")"]
            }
            _ => text("range(1, 3)"),
        }
    }

    pub fn condition(&mut self, depth: u32, scope: &Scope) -> Part {
        match self.random.below(16) {
            0..=3 => {
                let kind = Kind::random(&mut self.random);
                let operator = self.one_of(&[" = ", " <> ", " < ", " <= ", " > ", " >= "]);
                let (left, right) = (self.expression(kind, depth, scope), self.expression(kind, depth, scope));
                sql!["(", left, operator, right, ")"]
            }
            4 => {
                let kind = Kind::random(&mut self.random);
                let test = self.one_of(&[" IS NULL", " IS NOT NULL"]);
                sql!["(", self.expression(kind, depth, scope), test, ")"]
            }
            5..=6 => {
                let operator = self.one_of(&[" AND ", " OR ", " XOR "]);
                let (left, right) =
                    (self.expression(Kind::Bool, depth, scope), self.expression(Kind::Bool, depth, scope));
                sql!["(", left, operator, right, ")"]
            }
            7 => sql!["NOT ", "(", self.expression(Kind::Bool, depth, scope), ")"],
            8 => {
                let list = self.expression(Kind::List, depth, scope);
                sql!["(", self.expression(Kind::Int, depth, scope), " IN ", list, ")"]
            }
            9 => {
                let operator = self.one_of(&[" STARTS WITH ", " ENDS WITH ", " CONTAINS "]);
                let (left, right) =
                    (self.expression(Kind::Text, depth, scope), self.expression(Kind::Text, depth, scope));
                sql!["(", left, operator, right, ")"]
            }
            10 => match self.random.pick(&scope.names.nodes).cloned() {
                Some(name) => {
                    let label = self.one_of(&LABELS);
                    let test = self.one_of(&[":", ":!"]);
                    text(format!("({name}{test}{label})"))
                }
                None => text("true"),
            },
            11 => match self.random.pick(&scope.names.nodes).cloned() {
                Some(name) => {
                    let ty = self.one_of(&TYPES);
                    let other = self.random.pick(&scope.names.nodes).cloned().unwrap_or_default();
                    let end = if self.random.percent(50) { String::new() } else { other };
                    text(format!("({name})-[:{ty}]->({end})"))
                }
                None => text("false"),
            },
            12 => sql!["EXISTS { ", self.subquery(depth, scope), " }"],
            13 => {
                let quantifier = self.one_of(&["any", "all", "none", "single"]);
                let mut inner = scope.clone();
                inner.values.push(("e".to_owned(), Kind::Int));
                let list = self.expression(Kind::List, depth, scope);
                sql![quantifier, "(e IN ", list, " WHERE ", self.expression(Kind::Bool, depth, &inner), ")"]
            }
            14 => {
                let (left, right) = (self.leaf(Kind::Mixed, scope), self.leaf(Kind::Mixed, scope));
                let operator = self.one_of(&[" = ", " <> ", " < ", " >= "]);
                sql!["(", left, operator, right, ")"]
            }
            _ => {
                let ty = self.one_of(&["INTEGER", "STRING NOT NULL", "BOOLEAN | FLOAT", "LIST<INTEGER>", "DATE"]);
                sql!["(", self.leaf(Kind::Mixed, scope), " IS :: ", ty, ")"]
            }
        }
    }

    /// One path that goes out from what is known, and what is known inside.
    fn inner_pattern(&mut self, scope: &Scope) -> (Part, Scope) {
        let mut inner = scope.clone();
        let mut path = Path::random(&mut self.random, &mut inner.names, 2, true);
        if path.relationships.is_empty() {
            path = Path::one_step(&mut self.random, &mut inner.names);
        }
        (path.written(), inner)
    }

    /// What stands in the braces of EXISTS and COUNT.
    fn subquery(&mut self, depth: u32, scope: &Scope) -> Part {
        let (pattern, inner) = self.inner_pattern(scope);
        let condition = self.where_clause(depth.min(1), &inner, 50);
        if self.random.percent(50) {
            sql![pattern, condition]
        } else {
            sql!["MATCH ", pattern, condition, " RETURN 1 AS one"]
        }
    }

    /// ` WHERE …` at times.
    pub fn where_clause(&mut self, depth: u32, scope: &Scope, chance: u64) -> Part {
        if !self.random.percent(chance) {
            return text("");
        }
        sql![" WHERE ", self.expression(Kind::Bool, depth, scope)].optional()
    }
}
