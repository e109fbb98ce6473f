//! Random patterns of MATCH.

use super::graph::{Kind, LABELS, PROPERTIES, TYPES, value};
use crate::crash::random::Random;
use crate::random_sql::generator::sql;
use crate::random_sql::tree::{Node as Part, listed, text};

/// A label expression.
#[derive(Clone, Debug)]
pub enum Labels {
    One(&'static str),
    Any,
    Not(Box<Labels>),
    And(Box<Labels>, Box<Labels>),
    Or(Box<Labels>, Box<Labels>),
}

impl Labels {
    fn random(random: &mut Random, depth: u32) -> Labels {
        let one = |random: &mut Random| Labels::One(random.pick(&LABELS).unwrap_or(&"A"));
        if depth == 0 {
            return one(random);
        }
        let inner = |random: &mut Random| Box::new(Labels::random(random, depth - 1));
        match random.below(8) {
            0 => Labels::Any,
            1 => Labels::Not(inner(random)),
            2 => Labels::And(inner(random), inner(random)),
            3 => Labels::Or(inner(random), inner(random)),
            _ => one(random),
        }
    }

    pub fn written(&self) -> String {
        match self {
            Labels::One(label) => (*label).to_owned(),
            Labels::Any => "%".to_owned(),
            Labels::Not(inner) => format!("!({})", inner.written()),
            Labels::And(left, right) => format!("({}&{})", left.written(), right.written()),
            Labels::Or(left, right) => format!("({}|{})", left.written(), right.written()),
        }
    }

    pub fn holds(&self, labels: &[&str]) -> bool {
        match self {
            Labels::One(label) => labels.contains(label),
            Labels::Any => !labels.is_empty(),
            Labels::Not(inner) => !inner.holds(labels),
            Labels::And(left, right) => left.holds(labels) && right.holds(labels),
            Labels::Or(left, right) => left.holds(labels) || right.holds(labels),
        }
    }
}

#[derive(Clone, Debug)]
pub struct NodePattern {
    pub name: Option<String>,
    pub labels: Option<Labels>,
    /// A property and the value that it must equal.
    pub property: Option<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrow {
    Right,
    Left,
    Either,
}

#[derive(Clone, Debug)]
pub struct RelationshipPattern {
    pub name: Option<String>,
    /// Of any type when empty.
    pub types: Vec<&'static str>,
    pub arrow: Arrow,
    /// The least and the largest length, when it is variable.
    pub length: Option<(usize, usize)>,
    pub property: Option<(&'static str, String)>,
}

/// One path; there is one node more than relationships.
#[derive(Clone, Debug)]
pub struct Path {
    pub nodes: Vec<NodePattern>,
    pub relationships: Vec<RelationshipPattern>,
}

fn property(random: &mut Random) -> Option<(&'static str, String)> {
    let (key, kind) = random.percent(25).then(|| random.pick(&PROPERTIES).copied()).flatten()?;
    // Lists equal lists by element, which the reference leaves to texts.
    Some((key, value(random, kind)))
}

/// Names that patterns give, and what exists of them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub nodes: Vec<String>,
    pub relationships: Vec<String>,
    /// Lists of relationships.
    pub lists: Vec<String>,
    pub paths: Vec<String>,
    next: usize,
}

impl Names {
    /// No names, but none that was there is given again.
    pub fn emptied(&self) -> Names {
        Names { next: self.next, ..Names::default() }
    }

    /// Names given in `other` are not given again.
    pub fn skip_to(&mut self, other: &Names) {
        self.next = self.next.max(other.next);
    }

    pub fn fresh(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}{}", self.next)
    }
}

impl NodePattern {
    pub fn random(random: &mut Random, names: &mut Names) -> NodePattern {
        let labels = random.percent(45).then(|| Labels::random(random, 2));
        let property = property(random);
        match random.below(10) {
            0..=1 => NodePattern { name: None, labels, property },
            2..=4 if !names.nodes.is_empty() => {
                NodePattern { name: random.pick(&names.nodes).cloned(), labels, property }
            }
            _ => {
                let name = names.fresh("n");
                names.nodes.push(name.clone());
                NodePattern { name: Some(name), labels, property }
            }
        }
    }

    pub fn written(&self) -> Part {
        let labels = self.labels.as_ref().map_or_else(String::new, |labels| format!(":{}", labels.written()));
        sql!["(", self.name.clone().unwrap_or_default(), text(labels).optional(), property_map(&self.property), ")"]
    }
}

fn property_map(property: &Option<(&'static str, String)>) -> Part {
    match property {
        Some((key, value)) => text(format!(" {{{key}: {value}}}")).optional(),
        None => text(""),
    }
}

impl RelationshipPattern {
    fn random(random: &mut Random, names: &mut Names, variable_length: bool) -> RelationshipPattern {
        let types: Vec<&'static str> = match random.below(4) {
            0 => Vec::new(),
            1 => TYPES.into_iter().filter(|_| random.percent(60)).collect(),
            _ => random.pick(&TYPES).copied().into_iter().collect(),
        };
        let arrow = match random.below(4) {
            0 => Arrow::Left,
            1 => Arrow::Either,
            _ => Arrow::Right,
        };
        let length = (variable_length && random.percent(30)).then(|| {
            let least = random.below(3) as usize;
            (least, least + random.below(3) as usize)
        });
        let name = random.percent(50).then(|| names.fresh("r"));
        if let Some(name) = &name {
            if length.is_some() { &mut names.lists } else { &mut names.relationships }.push(name.clone());
        }
        RelationshipPattern { name, types, arrow, length, property: property(random) }
    }

    fn written(&self) -> Part {
        let types = if self.types.is_empty() { String::new() } else { format!(":{}", self.types.join("|")) };
        let length = match self.length {
            None => String::new(),
            Some((least, most)) if least == most => format!("*{least}"),
            Some((1, most)) => format!("*..{most}"),
            Some((least, most)) => format!("*{least}..{most}"),
        };
        let (left, right) = match self.arrow {
            Arrow::Right => ("-[", "]->"),
            Arrow::Left => ("<-[", "]-"),
            Arrow::Either => ("-[", "]-"),
        };
        let name = self.name.clone().unwrap_or_default();
        sql![left, name, text(types).optional(), length, property_map(&self.property), right]
    }
}

impl Path {
    /// At most `steps` relationships.
    pub fn random(random: &mut Random, names: &mut Names, steps: u64, variable_length: bool) -> Path {
        let mut nodes = vec![NodePattern::random(random, names)];
        let mut relationships = Vec::new();
        for _ in 0..random.below(steps + 1) {
            relationships.push(RelationshipPattern::random(random, names, variable_length));
            nodes.push(NodePattern::random(random, names));
        }
        Path { nodes, relationships }
    }

    /// One relationship of fixed length.
    pub fn one_step(random: &mut Random, names: &mut Names) -> Path {
        let start = NodePattern::random(random, names);
        let relationship = RelationshipPattern::random(random, names, false);
        Path { nodes: vec![start, NodePattern::random(random, names)], relationships: vec![relationship] }
    }

    pub fn written(&self) -> Part {
        let mut parts = vec![self.nodes[0].written()];
        for (relationship, node) in self.relationships.iter().zip(&self.nodes[1..]) {
            parts.push(sql![relationship.written(), node.written()]);
        }
        listed("", parts, "", "")
    }
}

/// `MATCH` without the word: the paths with commas between them.
pub fn written(paths: &[Path]) -> Part {
    let mut parts = paths.iter().map(Path::written);
    let first = parts.next().unwrap_or_else(|| text("()"));
    let rest = parts.map(|path| sql![", ", path].optional()).collect();
    sql![first, Part::Sequence(rest)]
}

/// A kind of property, for conditions about it.
pub fn random_property(random: &mut Random, kind: Kind) -> &'static str {
    PROPERTIES.into_iter().find(|(_, known)| *known == kind).map_or("i", |(key, _)| {
        // Names that no entity has are worth a try.
        if random.percent(3) { "nothing" } else { key }
    })
}
