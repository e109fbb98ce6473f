//! The types that are tried, and random values of them.

use super::tree::{Literal, Node};
use crate::crash::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Bool,
    Int4,
    Int8,
    Numeric,
    Float8,
    Text,
    Date,
    Timestamp,
    Timestamptz,
    Interval,
    Jsonb,
    IntArray,
    TextArray,
}

impl Type {
    pub const ALL: [Type; 13] = [
        Type::Bool,
        Type::Int4,
        Type::Int8,
        Type::Numeric,
        Type::Float8,
        Type::Text,
        Type::Date,
        Type::Timestamp,
        Type::Timestamptz,
        Type::Interval,
        Type::Jsonb,
        Type::IntArray,
        Type::TextArray,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Int4 => "int4",
            Type::Int8 => "int8",
            Type::Numeric => "numeric",
            Type::Float8 => "float8",
            Type::Text => "text",
            Type::Date => "date",
            Type::Timestamp => "timestamp",
            Type::Timestamptz => "timestamptz",
            Type::Interval => "interval",
            Type::Jsonb => "jsonb",
            Type::IntArray => "int4[]",
            Type::TextArray => "text[]",
        }
    }

    fn oid(self) -> u32 {
        match self {
            Type::Bool => 16,
            Type::Int4 => 23,
            Type::Int8 => 20,
            Type::Numeric => 1700,
            Type::Float8 => 701,
            Type::Text => 25,
            Type::Date => 1082,
            Type::Timestamp => 1114,
            Type::Timestamptz => 1184,
            Type::Interval => 1186,
            Type::Jsonb => 3802,
            Type::IntArray => 1007,
            Type::TextArray => 1009,
        }
    }

    pub fn literal(self, value: Option<String>) -> Node {
        Node::Literal(Literal::sql(self.oid(), self.name(), value))
    }

    pub fn null(self) -> Node {
        self.literal(None)
    }

    /// A value that is the same every time, for smaller statements.
    pub fn plain(self) -> Node {
        let value = match self {
            Type::Bool => "t",
            Type::Int4 | Type::Int8 | Type::Numeric | Type::Float8 | Type::Jsonb => "1",
            Type::Text => "a",
            Type::Date => "2024-01-31",
            Type::Timestamp => "2024-01-31 10:00:00",
            Type::Timestamptz => "2024-01-31 10:00:00+00",
            Type::Interval => "1 day",
            Type::IntArray => "{1,2}",
            Type::TextArray => "{a}",
        };
        self.literal(Some(value.to_owned()))
    }

    pub fn random(random: &mut Random) -> Type {
        // Numbers, texts and truth values are what most statements are about.
        const COMMON: [Type; 4] = [Type::Int4, Type::Text, Type::Bool, Type::Numeric];
        let from: &[Type] = if random.percent(50) { &COMMON } else { &Type::ALL };
        random.pick(from).copied().unwrap_or(Type::Int4)
    }
}

/// A random constant, at times NULL.
pub fn constant(random: &mut Random, ty: Type) -> Node {
    if random.percent(8) { ty.null() } else { ty.literal(Some(value(random, ty))) }
}

/// A random value in text format. Numbers are small, so that a few operations on them do not overflow; floats are
/// quarters, whose sums are exact in any order.
pub fn value(random: &mut Random, ty: Type) -> String {
    match ty {
        Type::Bool => if random.percent(50) { "t" } else { "f" }.to_owned(),
        Type::Int4 => random.between(-5, 20).to_string(),
        Type::Int8 => match random.below(4) {
            0 => random.between(-4_000_000_000, 4_000_000_000).to_string(),
            _ => random.between(-5, 20).to_string(),
        },
        Type::Numeric => match random.below(4) {
            0 => random.between(-5, 20).to_string(),
            1 => format!("{}.{:02}", random.between(0, 99), random.below(100)),
            2 => format!("-{}.{}", random.between(0, 9), random.below(10)),
            _ => format!("0.{:04}", random.below(10_000)),
        },
        Type::Float8 => format!("{}", random.between(-40, 40) as f64 / 4.0),
        Type::Text => word(random),
        Type::Date => {
            format!("20{:02}-{:02}-{:02}", random.between(20, 25), random.between(1, 12), random.between(1, 28))
        }
        Type::Timestamp => format!(
            "20{:02}-{:02}-{:02} {:02}:{:02}:{:02}",
            random.between(20, 25),
            random.between(1, 12),
            random.between(1, 28),
            random.between(0, 23),
            random.between(0, 59),
            random.between(0, 59)
        ),
        Type::Timestamptz => format!(
            "20{:02}-{:02}-{:02} {:02}:{:02}:00{:+03}",
            random.between(20, 25),
            random.between(1, 12),
            random.between(1, 28),
            random.between(0, 23),
            random.between(0, 59),
            random.between(-8, 9)
        ),
        Type::Interval => match random.below(4) {
            0 => format!("{} days", random.between(-3, 40)),
            1 => format!("{} months", random.between(0, 14)),
            2 => format!("{:02}:{:02}:00", random.between(0, 30), random.between(0, 59)),
            _ => format!("{} mons {} days", random.between(0, 3), random.between(0, 9)),
        },
        Type::Jsonb => json(random, 2),
        Type::IntArray => {
            let items: Vec<String> = (0..random.below(4))
                .map(|_| if random.percent(10) { "NULL".to_owned() } else { random.between(0, 9).to_string() })
                .collect();
            format!("{{{}}}", items.join(","))
        }
        Type::TextArray => {
            let items: Vec<String> = (0..random.below(4)).map(|_| format!("\"{}\"", word(random))).collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

fn word(random: &mut Random) -> String {
    const WORDS: [&str; 16] =
        ["", "a", "b", "ab", "Ann", "bob", "x y", " pad ", "42", "-7", "a%b", "a_b", "ünï", "ZZ", "it's", "true"];
    (*random.pick(&WORDS).unwrap_or(&"a")).to_owned()
}

fn json(random: &mut Random, depth: u32) -> String {
    match random.below(if depth == 0 { 4 } else { 6 }) {
        0 => random.between(-5, 20).to_string(),
        1 => format!("\"{}\"", word(random)),
        2 => if random.percent(50) { "true" } else { "null" }.to_owned(),
        3 => format!("{}.5", random.between(0, 9)),
        4 => {
            let items: Vec<String> = (0..random.below(4)).map(|_| json(random, depth - 1)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => {
            let keys = ["a", "b", "c", "ab"];
            let items: Vec<String> = (0..random.below(4))
                .map(|_| format!("\"{}\": {}", random.pick(&keys).unwrap_or(&"a"), json(random, depth - 1)))
                .collect();
            format!("{{{}}}", items.join(", "))
        }
    }
}
