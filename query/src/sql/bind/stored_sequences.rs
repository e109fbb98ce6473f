//! Sequences that text in the catalog names: `nextval('public.t_a_seq'::regclass)` in a default. Names there carry their
//! schema, so that they mean the same whatever the reader's search path is.

use sinew_storage::catalog::Catalog;
use sinew_storage::ids::RelationId;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::Binder;
use super::names::{QualifiedName, Relation, quote_name};
use crate::types::reg::split_name;

/// Functions whose first argument is a sequence.
const TAKERS: [&str; 3] = ["nextval", "currval", "setval"];

fn tokens(text: &str) -> Vec<Token> {
    Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().unwrap_or_default()
}

/// Positions of the literals that name a sequence.
fn sequence_literals(tokens: &[Token]) -> Vec<usize> {
    let significant: Vec<usize> = (0..tokens.len()).filter(|at| !matches!(tokens[*at], Token::Whitespace(_))).collect();
    significant
        .windows(3)
        .filter(|window| {
            matches!(&tokens[window[0]], Token::Word(word) if TAKERS.contains(&word.value.to_lowercase().as_str()))
                && tokens[window[1]] == Token::LParen
                && matches!(tokens[window[2]], Token::SingleQuotedString(_))
        })
        .map(|window| window[2])
        .collect()
}

/// Sequences by their qualified names in `text`.
pub fn sequences_named(text: &str, catalog: &Catalog) -> Vec<RelationId> {
    // Most texts name none.
    if !text.contains("val") {
        return Vec::new();
    }
    let tokens = tokens(text);
    sequence_literals(&tokens)
        .into_iter()
        .filter_map(|at| match &tokens[at] {
            Token::SingleQuotedString(name) => match split_name(name)?.as_slice() {
                [schema, name] => catalog.relation_id(schema, name),
                _ => None,
            },
            _ => None,
        })
        .filter(|id| catalog.sequences.contains_key(id))
        .collect()
}

/// `text` with the names of sequences put through `rename`, which leaves alone what it gives None for.
pub fn with_sequence_names(text: &str, rename: impl Fn(&[String]) -> Option<String>) -> String {
    if !text.contains("val") {
        return text.to_owned();
    }
    let mut tokens = tokens(text);
    for at in sequence_literals(&tokens) {
        if let Token::SingleQuotedString(name) = &mut tokens[at]
            && let Some(parts) = split_name(name)
            && let Some(new) = rename(&parts)
        {
            *name = new;
        }
    }
    tokens.iter().map(token_text).collect()
}

impl Binder<'_> {
    /// `text` with the names of sequences as they are found along the search path, written with their schema.
    pub fn with_qualified_sequences(&self, text: &str) -> String {
        with_sequence_names(text, |parts| {
            let name = match parts {
                [name] => QualifiedName { schema: None, name: name.clone() },
                [schema, name] => {
                    QualifiedName { schema: Some(self.context.session.schema_meant(schema)), name: name.clone() }
                }
                _ => return None,
            };
            match self.find_relation(&name)? {
                Relation::Sequence(sequence) => Some(qualified_text(&sequence.schema, &sequence.name)),
                _ => None,
            }
        })
    }
}

/// As the token is written; the tokenizer prints a literal without doubling its quotes.
fn token_text(token: &Token) -> String {
    match token {
        Token::SingleQuotedString(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// `schema.name`, quoted where it has to be.
pub fn qualified_text(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_name(schema), quote_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_sequences_change() {
        let rename = |parts: &[String]| (parts == ["public", "s"]).then(|| "x.\"T s\"".to_owned());
        let check = |text: &str, expected: &str| assert_eq!(with_sequence_names(text, rename), expected);
        check("nextval('public.s'::regclass)", "nextval('x.\"T s\"'::regclass)");
        check("nextval( 'PUBLIC.S' ) + 1", "nextval( 'x.\"T s\"' ) + 1");
        check("nextval('public.other')", "nextval('public.other')");
        check("'public.s' || 'it''s nextval'", "'public.s' || 'it''s nextval'");
    }
}
