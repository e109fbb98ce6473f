//! From query text to a tantivy query.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, EmptyQuery, FuzzyTermQuery, Occur, PhraseQuery, Query, RangeQuery, RegexQuery,
    TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TextAnalyzer;

use super::analyzer::{analyzer, fold, terms};
use super::lucene::{self, Clause, Matcher, Occurrence, PatternPart};
use super::schema::TextSchema;
use crate::catalog::IndexDef;
use crate::error::{Result, StorageError};
use crate::search::TextQueryMode;

/// Longer queries are cut (words) or refused (syntax), in bytes.
const MAX_QUERY_BYTES: usize = 8 * 1_024;
/// Further distinct words of a query are ignored.
const MAX_WORDS: usize = 256;

/// `field_names` are those of the indexed columns or properties, in order. None when nothing can match.
pub(crate) fn build_query(
    text: &str,
    mode: TextQueryMode,
    index: &IndexDef,
    field_names: &[String],
) -> Result<Option<Box<dyn Query>>> {
    let schema = &TextSchema::new(index, field_names.len())?;
    let analyzer = analyzer(&schema.analyzer)
        .ok_or_else(|| StorageError::Internal(format!("analyzer \"{}\" is not known", schema.analyzer)))?;
    match mode {
        TextQueryMode::Words => Ok(words(text, schema, analyzer)),
        TextQueryMode::Syntax => {
            if text.len() > MAX_QUERY_BYTES {
                return Err(StorageError::InvalidSearchQuery(format!(
                    "search query has {} bytes, the limit is {MAX_QUERY_BYTES}",
                    text.len()
                )));
            }
            Builder { schema, field_names, analyzer }.group(&lucene::parse(text)?)
        }
    }
}

fn words(text: &str, schema: &TextSchema, mut analyzer: TextAnalyzer) -> Option<Box<dyn Query>> {
    let cut = (0..=MAX_QUERY_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let text = &text[..cut];
    let mut words = terms(&mut analyzer, text);
    let mut seen = rustc_hash::FxHashSet::default();
    words.retain(|word| seen.insert(word.clone()));
    words.truncate(MAX_WORDS);
    let queries = words.iter().flat_map(|word| schema.fields.iter().map(|field| term_query(*field, word)));
    let queries: Vec<_> = queries.collect();
    (!queries.is_empty()).then(|| any_of(queries))
}

fn term_query(field: Field, term: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::WithFreqs))
}

fn any_of(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    if queries.len() == 1 { queries.swap_remove(0) } else { Box::new(BooleanQuery::union(queries)) }
}

struct Builder<'a> {
    schema: &'a TextSchema,
    field_names: &'a [String],
    analyzer: TextAnalyzer,
}

impl Builder<'_> {
    /// None when no clause says anything (all of it was punctuation): such a group neither requires nor matches.
    fn group(&mut self, clauses: &[Clause]) -> Result<Option<Box<dyn Query>>> {
        let mut parts = Vec::new();
        let mut has_positive = false;
        for clause in clauses {
            let Some(query) = self.clause(clause)? else { continue };
            let occur = match clause.occurrence {
                Occurrence::Should => Occur::Should,
                Occurrence::Must => Occur::Must,
                Occurrence::MustNot => Occur::MustNot,
            };
            has_positive |= occur != Occur::MustNot;
            parts.push((occur, query));
        }
        if parts.is_empty() {
            return Ok(None);
        }
        // As in Lucene, exclusions alone match nothing.
        if !has_positive {
            return Ok(Some(Box::new(EmptyQuery)));
        }
        if let [(Occur::Should | Occur::Must, _)] = &parts[..] {
            return Ok(parts.pop().map(|part| part.1));
        }
        Ok(Some(Box::new(BooleanQuery::new(parts))))
    }

    fn clause(&mut self, clause: &Clause) -> Result<Option<Box<dyn Query>>> {
        let fields = match &clause.field {
            None => self.schema.fields.clone(),
            Some(name) => vec![self.field(name)?],
        };
        let query = match &clause.matcher {
            Matcher::Group(clauses) => self.group(clauses)?,
            Matcher::All => Some(Box::new(AllQuery) as Box<dyn Query>),
            matcher => {
                let queries = fields.iter().map(|field| self.matcher(*field, matcher)).collect::<Result<Vec<_>>>()?;
                let queries: Vec<_> = queries.into_iter().flatten().collect();
                (!queries.is_empty()).then(|| any_of(queries))
            }
        };
        Ok(query.map(|query| if clause.boost == 1.0 { query } else { Box::new(BoostQuery::new(query, clause.boost)) }))
    }

    fn field(&self, name: &str) -> Result<Field> {
        match self.field_names.iter().position(|field| field == name) {
            Some(position) => Ok(self.schema.fields[position]),
            None => Err(StorageError::InvalidSearchQuery(format!(
                "search query: the index has no field \"{name}\"; its fields are: {}",
                self.field_names.join(", ")
            ))),
        }
    }

    fn matcher(&mut self, field: Field, matcher: &Matcher) -> Result<Option<Box<dyn Query>>> {
        Ok(match matcher {
            Matcher::Term(text) => {
                let terms = terms(&mut self.analyzer, text);
                (!terms.is_empty()).then(|| any_of(terms.iter().map(|term| term_query(field, term)).collect()))
            }
            Matcher::Phrase { text, slop } => {
                let terms = terms(&mut self.analyzer, text);
                match &terms[..] {
                    [] => None,
                    [term] => Some(term_query(field, term)),
                    terms => {
                        let terms = terms.iter().map(|term| Term::from_field_text(field, term)).collect();
                        let mut query = PhraseQuery::new(terms);
                        query.set_slop(*slop);
                        Some(Box::new(query))
                    }
                }
            }
            Matcher::Fuzzy { text, edits } => {
                Some(Box::new(FuzzyTermQuery::new(Term::from_field_text(field, &fold(text)), *edits, true)))
            }
            Matcher::Pattern(parts) => {
                let pattern = parts.iter().map(|part| match part {
                    PatternPart::Literal(text) => escape_regex(&fold(text)),
                    PatternPart::AnyCharacter => ".".to_owned(),
                    PatternPart::AnyText => ".*".to_owned(),
                });
                Some(regex(&pattern.collect::<String>(), field)?)
            }
            Matcher::Regex(pattern) => Some(regex(pattern, field)?),
            Matcher::Range { lower, upper, includes_lower, includes_upper } => {
                let bound = |text: &Option<String>, included: bool| match text {
                    None => Bound::Unbounded,
                    Some(text) if included => Bound::Included(Term::from_field_text(field, &fold(text))),
                    Some(text) => Bound::Excluded(Term::from_field_text(field, &fold(text))),
                };
                let (lower, upper) = (bound(lower, *includes_lower), bound(upper, *includes_upper));
                if matches!((&lower, &upper), (Bound::Unbounded, Bound::Unbounded)) {
                    // The range needs a term to know its field.
                    return Ok(Some(regex(".*", field)?));
                }
                Some(Box::new(RangeQuery::new(lower, upper)))
            }
            Matcher::All | Matcher::Group(_) => {
                return Err(StorageError::Internal("a group of clauses has no field".to_owned()));
            }
        })
    }
}

fn regex(pattern: &str, field: Field) -> Result<Box<dyn Query>> {
    let query = RegexQuery::from_pattern(pattern, field).map_err(|error| {
        StorageError::InvalidSearchQuery(format!("search query: regular expression \"{pattern}\": {error}"))
    })?;
    Ok(Box::new(query))
}

fn escape_regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
