//! Statements as trees that can be written with literals or with parameters, and made smaller while they still show
//! what is wrong.

/// A constant of a known type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Of the parameter that stands for it.
    pub type_oid: u32,
    /// As the statement's language writes it.
    pub written: String,
    /// In the type's text format; None is NULL.
    pub value: Option<String>,
}

/// A part of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Text(String),
    Literal(Literal),
    Sequence(Vec<Node>),
    /// May be left out.
    Optional(Box<Node>),
    /// May be replaced by one of the simpler ones.
    Replaceable {
        node: Box<Node>,
        simpler: Vec<Node>,
    },
}

/// How the statement is sent.
pub type Parameters = Vec<(u32, Option<String>)>;

pub fn text(text: impl Into<String>) -> Node {
    Node::Text(text.into())
}

/// `before`, the parts with `between` between them, `after`.
pub fn listed(before: &str, parts: Vec<Node>, between: &str, after: &str) -> Node {
    let mut nodes = vec![text(before)];
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            nodes.push(text(between));
        }
        nodes.push(part);
    }
    nodes.push(text(after));
    Node::Sequence(nodes)
}

impl Node {
    pub fn optional(self) -> Node {
        Node::Optional(Box::new(self))
    }

    pub fn or_simpler(self, simpler: Vec<Node>) -> Node {
        Node::Replaceable { node: Box::new(self), simpler }
    }

    /// The statement with its constants in the text.
    pub fn with_literals(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, &mut None);
        out
    }

    /// The statement with `$1…` for its constants.
    pub fn with_parameters(&self) -> (String, Parameters) {
        let (mut out, mut parameters) = (String::new(), Some(Vec::new()));
        self.write(&mut out, &mut parameters);
        (out, parameters.unwrap_or_default())
    }

    fn write(&self, out: &mut String, parameters: &mut Option<Parameters>) {
        match self {
            Node::Text(text) => out.push_str(text),
            Node::Literal(literal) => match parameters {
                Some(parameters) => {
                    parameters.push((literal.type_oid, literal.value.clone()));
                    out.push_str(&format!("${}", parameters.len()));
                }
                None => out.push_str(&literal.written),
            },
            Node::Sequence(nodes) => nodes.iter().for_each(|node| node.write(out, parameters)),
            Node::Optional(node) | Node::Replaceable { node, .. } => node.write(out, parameters),
        }
    }

    /// The smallest form found for which `shows` still holds, within `tries` calls of it.
    pub fn shrunk(self, tries: usize, shows: &mut dyn FnMut(&Node) -> bool) -> Node {
        let mut best = self;
        let (mut place, mut left) = (0, tries);
        while left > 0 {
            let candidates = best.smaller_at(place);
            if candidates.is_none() {
                break;
            }
            let found = candidates.unwrap_or_default().into_iter().find(|candidate| {
                left = left.saturating_sub(1);
                left > 0 && shows(candidate)
            });
            match found {
                // What replaced it may be made smaller in turn, at the same place.
                Some(candidate) => best = candidate,
                None => place += 1,
            }
        }
        best
    }

    /// The tree with the `place`-th part that can be smaller made so, once for each way; None behind the last place.
    fn smaller_at(&self, place: usize) -> Option<Vec<Node>> {
        let mut next = 0;
        self.smaller(place, &mut next)
    }

    fn smaller(&self, place: usize, next: &mut usize) -> Option<Vec<Node>> {
        let is_place = matches!(self, Node::Optional(_) | Node::Replaceable { .. });
        if is_place {
            if *next == place {
                return Some(match self {
                    Node::Optional(_) => vec![Node::Sequence(Vec::new())],
                    Node::Replaceable { simpler, .. } => simpler.clone(),
                    _ => Vec::new(),
                });
            }
            *next += 1;
        }
        match self {
            Node::Text(_) | Node::Literal(_) => None,
            Node::Optional(node) => {
                let inner = node.smaller(place, next)?;
                Some(inner.into_iter().map(Node::optional).collect())
            }
            Node::Replaceable { node, simpler } => {
                let inner = node.smaller(place, next)?;
                Some(inner.into_iter().map(|node| node.or_simpler(simpler.clone())).collect())
            }
            Node::Sequence(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    let Some(inner) = node.smaller(place, next) else { continue };
                    let with = |smaller: Node| {
                        let mut nodes = nodes.clone();
                        nodes[index] = smaller;
                        Node::Sequence(nodes)
                    };
                    return Some(inner.into_iter().map(with).collect());
                }
                None
            }
        }
    }
}

impl Literal {
    /// A constant as SQL text of exactly this type.
    pub fn sql(type_oid: u32, type_name: &str, value: Option<String>) -> Literal {
        let written = match &value {
            None => format!("NULL::{type_name}"),
            Some(value) if matches!(type_name, "int4" | "bool") && !value.starts_with('-') => match value.as_str() {
                "t" => "true".to_owned(),
                "f" => "false".to_owned(),
                number => number.to_owned(),
            },
            Some(value) => format!("'{}'::{type_name}", value.replace('\'', "''")),
        };
        Literal { type_oid, written, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: &str) -> Node {
        Node::Literal(Literal::sql(23, "int4", Some(value.to_owned())))
    }

    #[test]
    fn constants_are_text_or_parameters() {
        let node = listed("SELECT ", vec![number("1"), number("-2")], ", ", " WHERE true");
        assert_eq!(node.with_literals(), "SELECT 1, '-2'::int4 WHERE true");
        let (text, parameters) = node.with_parameters();
        assert_eq!(text, "SELECT $1, $2 WHERE true");
        assert_eq!(parameters, [(23, Some("1".to_owned())), (23, Some("-2".to_owned()))]);
    }

    #[test]
    fn shrinking_keeps_what_shows_the_fault() {
        let sum = listed("(", vec![number("1"), number("7")], " + ", ")").or_simpler(vec![number("1"), number("7")]);
        let node = Node::Sequence(vec![text("SELECT "), sum, text(" WHERE true").optional()]);
        let shrunk = node.shrunk(100, &mut |node| node.with_literals().contains('7'));
        assert_eq!(shrunk.with_literals(), "SELECT 7");
    }
}
