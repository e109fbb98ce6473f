//! What the parts of the generator share: the choices, the tables, the names that can be seen.

use super::schema::Table;
use super::tree::{Node, text};
use super::values::Type;
use crate::crash::random::Random;

/// Makes statements. Equal seeds, tables and features give equal statements.
pub struct Generator<'a> {
    pub random: Random,
    pub tables: &'a [Table],
    pub features: Features,
    /// Common table expressions that can be read.
    pub common: Vec<Table>,
    alias_count: usize,
}

/// What both engines are known to have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    pub windows: bool,
    pub grouping_sets: bool,
}

/// What an expression can be made of.
#[derive(Clone, Default)]
pub struct Scope {
    /// Columns, those of outer queries among them.
    pub columns: Vec<(Node, Type)>,
    /// Aggregates and window functions of this query; subqueries cannot read them.
    pub results: Vec<(Node, Type)>,
}

impl Scope {
    /// What a subquery sees of this query.
    pub fn for_subquery(&self) -> Scope {
        Scope { columns: self.columns.clone(), results: Vec::new() }
    }

    pub fn add_table(&mut self, alias: &str, columns: &[(String, Type)]) {
        self.columns.extend(columns.iter().map(|(column, ty)| (text(format!("{alias}.{column}")), *ty)));
    }
}

impl<'a> Generator<'a> {
    pub fn new(random: Random, tables: &'a [Table], features: Features) -> Generator<'a> {
        Generator { random, tables, features, common: Vec::new(), alias_count: 0 }
    }

    /// A name that the statement does not have yet.
    pub fn alias(&mut self) -> String {
        self.alias_count += 1;
        format!("r{}", self.alias_count)
    }

    /// A table or common table expression.
    pub fn pick_table(&mut self) -> Table {
        if !self.common.is_empty() && self.random.percent(40) {
            let common = self.random.pick(&self.common);
            return common.cloned().unwrap_or_else(|| self.tables[0].clone());
        }
        self.random.pick(self.tables).cloned().unwrap_or_else(|| self.tables[0].clone())
    }

    /// One of `items`, which are not empty.
    pub fn one_of(&mut self, items: &[&str]) -> String {
        self.random.pick(items).map(|item| (*item).to_owned()).unwrap_or_default()
    }
}

/// Anything that a statement can be put together from.
pub trait Part {
    fn node(self) -> Node;
}

impl Part for Node {
    fn node(self) -> Node {
        self
    }
}

impl Part for &str {
    fn node(self) -> Node {
        text(self)
    }
}

impl Part for String {
    fn node(self) -> Node {
        text(self)
    }
}

/// The parts one after the other.
macro_rules! sql {
    ($($part:expr),* $(,)?) => {
        $crate::random_sql::tree::Node::Sequence(vec![$($crate::random_sql::generator::Part::node($part)),*])
    };
}
pub(crate) use sql;
