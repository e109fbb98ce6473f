//! Random statements that write. What they leave behind does not depend on the order of the rows they write for.

use super::generator::{Generator, Scope};
use super::graph::{Kind, LABELS, TYPES};
use crate::random_sql::generator::sql;
use crate::random_sql::tree::{Node as Part, listed, text};

impl Generator {
    pub fn write(&mut self) -> Part {
        let mut scope = Scope::default();
        self.elements_left = 3;
        let mut clauses = vec![self.match_clause(&mut scope, 10)];
        if self.random.percent(25) {
            let clause = self.reading_clause(&mut scope);
            clauses.push(clause.optional());
        }
        if scope.names.nodes.is_empty() {
            clauses.push(text("MATCH (m)"));
            scope.names.nodes.push("m".to_owned());
        }
        clauses.push(self.updating_clause(&scope));
        if self.random.percent(25) {
            let clause = self.updating_clause(&scope);
            clauses.push(clause.optional());
        }
        if self.random.percent(40) {
            clauses.push(text("RETURN count(*) AS c1").optional());
        }
        listed("", clauses, " ", "")
    }

    fn entity(&mut self, scope: &Scope) -> String {
        let entities: Vec<&String> = scope.names.nodes.iter().chain(&scope.names.relationships).collect();
        self.random.pick(&entities).map(|name| (*name).clone()).unwrap_or_default()
    }

    fn updating_clause(&mut self, scope: &Scope) -> Part {
        let node = self.random.pick(&scope.names.nodes).cloned().unwrap_or_default();
        let other = self.random.pick(&scope.names.nodes).cloned().unwrap_or_default();
        let entity = self.entity(scope);
        let label = self.one_of(&LABELS);
        let ty = self.one_of(&TYPES);
        match self.random.below(14) {
            // Each row adds the same, or sets what does not depend on the row.
            0 => text(format!("SET {entity}.i = {entity}.i + 1")),
            1 => {
                let kind = Kind::random(&mut self.random);
                let key = super::pattern::random_property(&mut self.random, kind);
                sql!["SET ", entity, ".", key, " = ", self.constant(kind)]
            }
            2 => text(format!("SET {node}:{label}")),
            3 => text(format!("REMOVE {node}:{label}")),
            4 => text(format!("REMOVE {entity}.{}", self.one_of(&["i", "s", "m"]))),
            5 => sql!["SET ", entity, " += {i: ", self.constant(Kind::Int), ", s: null}"],
            6 => text(format!("SET {entity} = {{uid: {entity}.uid, i: {entity}.uid % 3}}")),
            7 => match self.random.pick(&scope.names.relationships) {
                Some(relationship) => text(format!("DELETE {relationship}")),
                None => text(format!("DETACH DELETE {node}")),
            },
            8 => text(format!("CREATE (:{label} {{uid: 1000, i: {node}.i}})")),
            9 => text(format!("CREATE ({node})-[:{ty} {{uid: 1000}}]->({other})")),
            10 => {
                let end = self.one_of(&["", " ON CREATE SET x.s = 'new'", " ON MATCH SET x.b = true"]);
                let value = if self.random.percent(50) {
                    text(format!("coalesce({node}.i, 0)"))
                } else {
                    self.constant(Kind::Int)
                };
                sql!["MERGE (x:", label, " {i: ", value, "})", text(end).optional()]
            }
            11 => text(format!("MERGE ({node})-[:{ty}]->({other})")),
            12 => {
                let list = if self.random.percent(50) { text(format!("{node}.l")) } else { self.constant(Kind::List) };
                sql!["FOREACH (e IN ", list, " | CREATE (:", label, " {i: e}))"]
            }
            _ => text(format!("DETACH DELETE {node}")),
        }
    }
}
