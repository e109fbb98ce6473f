//! The TCK's notation of values, and what results are compared as.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sinew_storage::value::MapValue;
use sinew_storage::{NodeId, PropertyKeyId, RelationshipRef, Transaction, Value};

/// A value without identities.
#[derive(Clone, Debug, PartialEq)]
pub enum TckValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<TckValue>),
    Map(BTreeMap<String, TckValue>),
    Node(TckNode),
    Relationship(TckRelationship),
    /// The first node, then (relationship, walked in its stored direction, node).
    Path(TckNode, Vec<(TckRelationship, bool, TckNode)>),
}

#[derive(Clone, Debug, PartialEq, Default)]
pub struct TckNode {
    pub labels: BTreeSet<String>,
    pub properties: BTreeMap<String, TckValue>,
}

#[derive(Clone, Debug, PartialEq, Default)]
pub struct TckRelationship {
    pub ty: String,
    pub properties: BTreeMap<String, TckValue>,
}

impl TckValue {
    /// A text that is equal for equal values; lists are bags when `ignore_list_order`.
    pub fn canonical(&self, ignore_list_order: bool) -> String {
        let entries = |map: &BTreeMap<String, TckValue>| {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}: {}", value.canonical(ignore_list_order))).collect();
            format!("{{{}}}", entries.join(", "))
        };
        let node = |node: &TckNode| {
            let labels: String = node.labels.iter().map(|label| format!(":{label}")).collect();
            format!("({labels} {})", entries(&node.properties))
        };
        let relationship = |r: &TckRelationship| format!("[:{} {}]", r.ty, entries(&r.properties));
        match self {
            TckValue::Null => "null".to_owned(),
            TckValue::Bool(value) => value.to_string(),
            TckValue::Int(value) => value.to_string(),
            TckValue::Float(value) if value.is_nan() => "NaN".to_owned(),
            TckValue::Float(value) => format!("{:?}", value + 0.0),
            TckValue::String(value) => format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
            TckValue::List(items) => {
                let mut items: Vec<String> = items.iter().map(|item| item.canonical(ignore_list_order)).collect();
                if ignore_list_order {
                    items.sort();
                }
                format!("[{}]", items.join(", "))
            }
            TckValue::Map(map) => entries(map),
            TckValue::Node(value) => node(value),
            TckValue::Relationship(value) => relationship(value),
            TckValue::Path(start, steps) => {
                let steps: String = steps
                    .iter()
                    .map(|(r, forward, to)| match forward {
                        true => format!("-{}->{}", relationship(r), node(to)),
                        false => format!("<-{}-{}", relationship(r), node(to)),
                    })
                    .collect();
                format!("<{}{steps}>", node(start))
            }
        }
    }

    /// As a parameter or a procedure's column; entities cannot be given.
    pub fn to_value(&self) -> Result<Value, String> {
        Ok(match self {
            TckValue::Null => Value::Null,
            TckValue::Bool(value) => Value::Bool(*value),
            TckValue::Int(value) => Value::Int(*value),
            TckValue::Float(value) => Value::Float(*value),
            TckValue::String(value) => Value::text(value.as_str()),
            TckValue::List(items) => Value::list(items.iter().map(TckValue::to_value).collect::<Result<_, _>>()?),
            TckValue::Map(map) => {
                let entries: Result<MapValue, String> =
                    map.iter().map(|(key, value)| Ok((Arc::from(key.as_str()), value.to_value()?))).collect();
                Value::Map(Arc::new(entries?))
            }
            _ => return Err("an entity cannot be a parameter".to_owned()),
        })
    }
}

/// Reads a result's value; entities are looked up through the running statement's transaction.
pub fn materialize(transaction: &Transaction, value: &Value) -> Result<TckValue, String> {
    Ok(match value {
        Value::Null => TckValue::Null,
        Value::Bool(value) => TckValue::Bool(*value),
        Value::Int(value) => TckValue::Int(*value),
        Value::Float(value) => TckValue::Float(*value),
        Value::Text(value) => TckValue::String(value.to_string()),
        Value::List(items) => {
            TckValue::List(items.iter().map(|item| materialize(transaction, item)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| Ok((key.to_string(), materialize(transaction, value)?)));
            TckValue::Map(entries.collect::<Result<_, String>>()?)
        }
        Value::Json(json) => materialize(transaction, &sinew_query::cypher::functions::json_to_value(json))?,
        Value::Node(id) => TckValue::Node(node(transaction, *id)?),
        Value::Relationship(reference) => TckValue::Relationship(relationship(transaction, reference)?),
        Value::Path(path) => {
            let start = node(transaction, path.nodes[0])?;
            let mut steps = Vec::with_capacity(path.relationships.len());
            for (index, reference) in path.relationships.iter().enumerate() {
                let forward = reference.source == path.nodes[index] && reference.target == path.nodes[index + 1];
                steps.push((relationship(transaction, reference)?, forward, node(transaction, path.nodes[index + 1])?));
            }
            TckValue::Path(start, steps)
        }
        Value::Temporal(temporal) => TckValue::String(temporal.to_string()),
        other => return Err(format!("a value without TCK notation: {other:?}")),
    })
}

fn node(transaction: &Transaction, id: NodeId) -> Result<TckNode, String> {
    let Some(record) = transaction.node(id).map_err(|error| error.to_string())? else {
        return Ok(TckNode::default());
    };
    let labels = record.labels.iter().map(|label| transaction.label_name(*label).to_string()).collect();
    Ok(TckNode { labels, properties: properties(transaction, &record.properties)? })
}

fn relationship(transaction: &Transaction, reference: &RelationshipRef) -> Result<TckRelationship, String> {
    let ty = transaction.relationship_type_name(reference.ty).to_string();
    let properties = match transaction.relationship(reference.id).map_err(|error| error.to_string())? {
        Some(record) => properties(transaction, &record.properties)?,
        None => BTreeMap::new(),
    };
    Ok(TckRelationship { ty, properties })
}

fn properties(
    transaction: &Transaction,
    properties: &[(PropertyKeyId, Value)],
) -> Result<BTreeMap<String, TckValue>, String> {
    let entry = |(key, value): &(PropertyKeyId, Value)| {
        Ok((transaction.property_key_name(*key).to_string(), materialize(transaction, value)?))
    };
    properties.iter().map(entry).collect()
}

/// Parses one value of the notation.
pub fn parse(text: &str) -> Result<TckValue, String> {
    let mut parser = Parser { text, offset: 0 };
    let value = parser.value()?;
    parser.blanks();
    if parser.rest().is_empty() { Ok(value) } else { Err(format!("\"{text}\": unexpected \"{}\"", parser.rest())) }
}

struct Parser<'t> {
    text: &'t str,
    offset: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.offset..]
    }

    fn blanks(&mut self) {
        self.offset += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        self.blanks();
        if self.take(token) {
            return Ok(());
        }
        Err(format!("\"{}\": expected \"{token}\" at \"{}\"", self.text, self.rest()))
    }

    fn value(&mut self) -> Result<TckValue, String> {
        self.blanks();
        match self.rest().chars().next() {
            Some('\'') => self.string().map(TckValue::String),
            Some('[') if self.rest().starts_with("[:") => self.relationship().map(TckValue::Relationship),
            Some('[') => {
                self.take("[");
                let mut items = Vec::new();
                self.blanks();
                while !self.take("]") {
                    if !items.is_empty() {
                        self.expect(",")?;
                    }
                    items.push(self.value()?);
                    self.blanks();
                }
                Ok(TckValue::List(items))
            }
            Some('{') => self.map().map(TckValue::Map),
            Some('(') => self.node().map(TckValue::Node),
            Some('<') => self.path(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<TckValue, String> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "+-._".contains(c))).unwrap_or(rest.len());
        let word = &rest[..end];
        self.offset += end;
        match word {
            "null" => return Ok(TckValue::Null),
            "true" => return Ok(TckValue::Bool(true)),
            "false" => return Ok(TckValue::Bool(false)),
            "NaN" => return Ok(TckValue::Float(f64::NAN)),
            "Inf" => return Ok(TckValue::Float(f64::INFINITY)),
            "-Inf" => return Ok(TckValue::Float(f64::NEG_INFINITY)),
            _ => {}
        }
        if let Ok(integer) = word.parse::<i64>() {
            return Ok(TckValue::Int(integer));
        }
        if word.contains(|c: char| c.is_ascii_digit())
            && let Ok(float) = word.parse::<f64>()
        {
            return Ok(TckValue::Float(float));
        }
        Err(format!("\"{}\": expected a value at \"{rest}\"", self.text))
    }

    fn string(&mut self) -> Result<String, String> {
        self.take("'");
        let mut value = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.offset += at + 1;
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('\'' | '\\'))) => value.push(c),
                    Some((_, other)) => value.extend(['\\', other]),
                    None => break,
                },
                c => value.push(c),
            }
        }
        Err(format!("\"{}\": unterminated string", self.text))
    }

    fn name(&mut self) -> String {
        self.blanks();
        if self.take("`") {
            let end = self.rest().find('`').unwrap_or(self.rest().len());
            let name = self.rest()[..end].to_owned();
            self.offset += end;
            self.take("`");
            return name;
        }
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
        self.offset += end;
        rest[..end].to_owned()
    }

    fn map(&mut self) -> Result<BTreeMap<String, TckValue>, String> {
        self.expect("{")?;
        let mut entries = BTreeMap::new();
        self.blanks();
        while !self.take("}") {
            if !entries.is_empty() {
                self.expect(",")?;
            }
            let key = self.name();
            self.expect(":")?;
            let value = self.value()?;
            entries.insert(key, value);
            self.blanks();
        }
        Ok(entries)
    }

    fn optional_map(&mut self) -> Result<BTreeMap<String, TckValue>, String> {
        self.blanks();
        if self.rest().starts_with('{') { self.map() } else { Ok(BTreeMap::new()) }
    }

    fn node(&mut self) -> Result<TckNode, String> {
        self.expect("(")?;
        let mut labels = BTreeSet::new();
        self.blanks();
        while self.take(":") {
            labels.insert(self.name());
            self.blanks();
        }
        let properties = self.optional_map()?;
        self.expect(")")?;
        Ok(TckNode { labels, properties })
    }

    fn relationship(&mut self) -> Result<TckRelationship, String> {
        self.expect("[")?;
        self.expect(":")?;
        let ty = self.name();
        let properties = self.optional_map()?;
        self.expect("]")?;
        Ok(TckRelationship { ty, properties })
    }

    fn path(&mut self) -> Result<TckValue, String> {
        self.expect("<")?;
        let start = self.node()?;
        let mut steps = Vec::new();
        self.blanks();
        while !self.take(">") {
            let backward = self.take("<-");
            if !backward {
                self.expect("-")?;
            }
            let relationship = self.relationship()?;
            self.expect(if backward { "-" } else { "->" })?;
            steps.push((relationship, !backward, self.node()?));
            self.blanks();
        }
        Ok(TckValue::Path(start, steps))
    }
}
