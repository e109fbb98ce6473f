//! INSERT, UPDATE and DELETE, whose effects do not depend on the order of rows.

use super::generator::{Generator, Scope, sql};
use super::schema::Table;
use super::tree::{Node, listed, text};
use super::values::Type;

/// A statement that writes, and the table that it writes.
pub struct Write {
    pub node: Node,
    pub table: Table,
}

impl Generator<'_> {
    pub fn write(&mut self) -> Write {
        let table = self.random.pick(self.tables).cloned().unwrap_or_else(|| self.tables[0].clone());
        let node = match self.random.below(3) {
            0 => self.insert(&table),
            1 => self.update(&table),
            _ => self.delete(&table),
        };
        let returning =
            if self.random.percent(50) { text(format!(" RETURNING {}.*", table.name)).optional() } else { text("") };
        Write { node: sql![node, returning], table }
    }

    fn insert(&mut self, table: &Table) -> Node {
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
        let target = format!("INSERT INTO {} ({})", table.name, names.join(", "));
        let source = if self.random.percent(60) {
            let mut values = vec![text(self.random.between(1, 60).to_string())];
            for (_, ty) in table.columns.iter().skip(1) {
                values.push(self.expression(*ty, 2, &Scope::default()));
            }
            listed(" VALUES (", values, ", ", ")")
        } else {
            let other = self.pick_table();
            let alias = self.alias();
            let mut scope = Scope::default();
            scope.add_table(&alias, &other.columns);
            let mut values = vec![text(format!("{alias}.id + {}", 100 + self.random.below(20)))];
            for (_, ty) in table.columns.iter().skip(1) {
                values.push(self.expression(*ty, 2, &scope));
            }
            let condition = self.expression(Type::Bool, 2, &scope);
            let from = format!(" FROM {} {alias}", other.name);
            sql![listed(" SELECT ", values, ", ", ""), from, sql![" WHERE ", condition].optional()]
        };
        let conflict = match self.random.below(4) {
            0 => text(""),
            1 => text(" ON CONFLICT DO NOTHING"),
            2 => text(" ON CONFLICT (id) DO NOTHING"),
            _ => {
                let mut scope = Scope::default();
                scope.add_table(&table.name, &table.columns);
                scope.add_table("excluded", &table.columns);
                let set = self.assignments(table, &scope);
                let condition = self.expression(Type::Bool, 2, &scope);
                sql![" ON CONFLICT (id) DO UPDATE SET ", set, sql![" WHERE ", condition].optional()]
            }
        };
        sql![target, source, conflict.optional()]
    }

    fn update(&mut self, table: &Table) -> Node {
        let mut scope = Scope::default();
        scope.add_table(&table.name, &table.columns);
        let (from, joined) = self.second_table(table, &mut scope, " FROM ");
        let set = self.assignments(table, &scope);
        let condition = self.expression(Type::Bool, 3, &scope);
        sql![format!("UPDATE {} SET ", table.name), set, from, " WHERE ", joined, condition]
    }

    fn delete(&mut self, table: &Table) -> Node {
        let mut scope = Scope::default();
        scope.add_table(&table.name, &table.columns);
        let (from, joined) = self.second_table(table, &mut scope, " USING ");
        let condition = self.expression(Type::Bool, 3, &scope);
        sql![format!("DELETE FROM {}", table.name), from, " WHERE ", joined, condition]
    }

    /// At times another table of which each row meets at most one: the clause, and the start of the condition.
    fn second_table(&mut self, table: &Table, scope: &mut Scope, clause: &str) -> (Node, Node) {
        if !self.random.percent(30) {
            return (text(""), text(""));
        }
        let other = self.random.pick(self.tables).cloned().unwrap_or_else(|| table.clone());
        let alias = self.alias();
        scope.add_table(&alias, &other.columns);
        (text(format!("{clause}{} {alias}", other.name)), text(format!("{}.id = {alias}.id AND ", table.name)))
    }

    fn assignments(&mut self, table: &Table, scope: &Scope) -> Node {
        let mut columns: Vec<(String, Type)> = table.columns.iter().skip(1).cloned().collect();
        let mut items = Vec::new();
        for _ in 0..self.random.between(1, 2) {
            if columns.is_empty() {
                break;
            }
            let (column, ty) = columns.swap_remove(self.random.below(columns.len() as u64) as usize);
            let value = self.expression(ty, 2, scope);
            items.push(sql![format!("{column} = "), value]);
        }
        listed("", items, ", ", "")
    }
}
