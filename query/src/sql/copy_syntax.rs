//! The grammar of COPY, in both of its option syntaxes, over the parser's tokens: the parser's own knows a part of it.

use sqlparser::ast::{Expr, Ident, ObjectName, Query};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{IsOptional, Parser, ParserError};
use sqlparser::tokenizer::{Location, Token};

/// A COPY statement as it is written.
pub(crate) struct CopySyntax {
    pub source: CopySource,
    /// TO; otherwise FROM.
    pub to: bool,
    pub place: CopyPlace,
    pub options: Vec<CopyOption>,
    /// WHERE with its place.
    pub filter: Option<(Expr, Location)>,
}

pub(crate) enum CopySource {
    Table { name: ObjectName, columns: Vec<Ident> },
    Query(Box<Query>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyPlace {
    Client,
    File,
    Program,
}

/// An option under its name in the newer syntax.
pub(crate) struct CopyOption {
    pub name: String,
    pub value: OptionValue,
    pub location: Location,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OptionValue {
    None,
    /// A word, a string or a number.
    Text(String),
    Star,
    List(Vec<Ident>),
}

/// Parses from the word COPY to the end of the statement.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<CopySyntax, ParserError> {
    parser.expect_keyword(Keyword::COPY)?;
    let mut options = Vec::new();
    let location = parser.peek_token().span.start;
    let source = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        CopySource::Query(query)
    } else {
        if parser.parse_keyword(Keyword::BINARY) {
            options.push(option("format", OptionValue::Text("binary".to_owned()), location));
        }
        let name = parser.parse_object_name(false)?;
        CopySource::Table { name, columns: parser.parse_parenthesized_column_list(IsOptional::Optional, false)? }
    };
    let to = match parser.parse_one_of_keywords(&[Keyword::FROM, Keyword::TO]) {
        Some(Keyword::TO) => true,
        Some(_) if matches!(source, CopySource::Table { .. }) => false,
        Some(_) => {
            parser.prev_token();
            return parser.expected_ref("TO", parser.peek_token_ref());
        }
        None => return parser.expected_ref("FROM or TO", parser.peek_token_ref()),
    };
    let place = place(parser)?;
    let location = parser.peek_token().span.start;
    if parser.parse_keyword(Keyword::USING) {
        if !take(parser, "DELIMITERS") {
            return parser.expected_ref("DELIMITERS", parser.peek_token_ref());
        }
        options.push(option("delimiter", OptionValue::Text(string(parser)?), location));
    } else if take(parser, "DELIMITERS") {
        options.push(option("delimiter", OptionValue::Text(string(parser)?), location));
    }
    take(parser, "WITH");
    if parser.consume_token(&Token::LParen) {
        loop {
            options.push(generic_option(parser)?);
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
    } else {
        while let Some(option) = legacy_option(parser)? {
            options.push(option);
        }
    }
    let location = parser.peek_token().span.start;
    let filter = match parser.parse_keyword(Keyword::WHERE) {
        true => Some((parser.parse_expr()?, location)),
        false => None,
    };
    while parser.consume_token(&Token::SemiColon) {}
    Ok(CopySyntax { source, to, place, options, filter })
}

fn option(name: &str, value: OptionValue, location: Location) -> CopyOption {
    CopyOption { name: name.to_owned(), value, location }
}

fn place(parser: &mut Parser<'_>) -> Result<CopyPlace, ParserError> {
    if take(parser, "STDIN") || take(parser, "STDOUT") {
        return Ok(CopyPlace::Client);
    }
    if take(parser, "PROGRAM") {
        string(parser)?;
        return Ok(CopyPlace::Program);
    }
    string(parser)?;
    Ok(CopyPlace::File)
}

/// Takes a word that need not be a keyword of the parser's.
fn take(parser: &mut Parser<'_>, word: &str) -> bool {
    let found = is_word(&parser.peek_token_ref().token, word);
    if found {
        parser.next_token();
    }
    found
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn string(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    parser.parse_literal_string()
}

/// `name [value]` between parentheses.
fn generic_option(parser: &mut Parser<'_>) -> Result<CopyOption, ParserError> {
    let location = parser.peek_token().span.start;
    let name = match parser.next_token().token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
        Token::Word(word) => word.value,
        _ => {
            parser.prev_token();
            return parser.expected_ref("an option", parser.peek_token_ref());
        }
    };
    let value = match &parser.peek_token_ref().token {
        Token::Comma | Token::RParen => OptionValue::None,
        Token::Mul => {
            parser.next_token();
            OptionValue::Star
        }
        Token::LParen => OptionValue::List(parser.parse_parenthesized_column_list(IsOptional::Mandatory, false)?),
        Token::Word(word) => {
            let value = if word.quote_style.is_none() { word.value.to_lowercase() } else { word.value.clone() };
            parser.next_token();
            OptionValue::Text(value)
        }
        Token::Number(number, _) => {
            let value = number.clone();
            parser.next_token();
            OptionValue::Text(value)
        }
        _ => OptionValue::Text(string(parser)?),
    };
    Ok(CopyOption { name, value, location })
}

/// An option of the older syntax; None where none stands.
fn legacy_option(parser: &mut Parser<'_>) -> Result<Option<CopyOption>, ParserError> {
    let location = parser.peek_token().span.start;
    let on = || OptionValue::Text("true".to_owned());
    if take(parser, "BINARY") {
        return Ok(Some(option("format", OptionValue::Text("binary".to_owned()), location)));
    }
    if take(parser, "CSV") {
        return Ok(Some(option("format", OptionValue::Text("csv".to_owned()), location)));
    }
    for name in ["header", "freeze"] {
        if take(parser, name) {
            return Ok(Some(option(name, on(), location)));
        }
    }
    for name in ["delimiter", "null", "quote", "escape", "encoding"] {
        if take(parser, name) {
            if name != "encoding" {
                take(parser, "AS");
            }
            return Ok(Some(option(name, OptionValue::Text(string(parser)?), location)));
        }
    }
    if !take(parser, "FORCE") {
        return Ok(None);
    }
    let name = if take(parser, "QUOTE") {
        "force_quote"
    } else if take(parser, "NULL") {
        "force_null"
    } else if take(parser, "NOT") && take(parser, "NULL") {
        "force_not_null"
    } else {
        return parser.expected_ref("QUOTE, NULL or NOT NULL", parser.peek_token_ref());
    };
    let value = match name == "force_quote" && parser.consume_token(&Token::Mul) {
        true => OptionValue::Star,
        false => OptionValue::List(parser.parse_comma_separated(Parser::parse_identifier)?),
    };
    Ok(Some(option(name, value, location)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::parse_copy;

    #[track_caller]
    fn options(text: &str) -> Vec<(String, OptionValue)> {
        let copy = parse_copy(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        copy.options.into_iter().map(|option| (option.name, option.value)).collect()
    }

    fn text(name: &str, value: &str) -> (String, OptionValue) {
        (name.to_owned(), OptionValue::Text(value.to_owned()))
    }

    #[test]
    fn both_syntaxes_say_the_same() {
        assert_eq!(
            options("COPY t FROM STDIN WITH (FORMAT csv, HEADER match, NULL '', DELIMITER E'\\t', FORCE_NULL (a, b))"),
            [
                text("format", "csv"),
                text("header", "match"),
                text("null", ""),
                text("delimiter", "\t"),
                ("force_null".to_owned(), OptionValue::List(vec![Ident::new("a"), Ident::new("b")])),
            ]
        );
        assert_eq!(
            options("copy t (a) to stdout delimiter as ',' null 'x' csv header quote '|' escape '/' force quote *"),
            [
                text("delimiter", ","),
                text("null", "x"),
                text("format", "csv"),
                text("header", "true"),
                text("quote", "|"),
                text("escape", "/"),
                ("force_quote".to_owned(), OptionValue::Star),
            ]
        );
        assert_eq!(options("COPY BINARY t FROM STDIN"), [text("format", "binary")]);
        assert_eq!(options("COPY t TO STDIN USING DELIMITERS ','"), [text("delimiter", ",")]);
        assert_eq!(options("COPY (SELECT 1) TO STDOUT (HEADER, FREEZE 0)").len(), 2);
        let filtered = parse_copy("/* x */ COPY t FROM STDIN CSV FORCE NOT NULL a WHERE a > 1;").expect("filtered");
        assert!(filtered.filter.is_some() && !filtered.to);
        assert!(parse_copy("COPY t FROM PROGRAM 'x'").expect("parses").place == CopyPlace::Program);
        assert!(parse_copy("COPY s.t TO '/tmp/x'").expect("parses").place == CopyPlace::File);
    }

    #[test]
    fn errors_are_where_they_are() {
        for (text, message, position) in [
            ("COPY (SELECT 1) FROM STDIN", "syntax error at or near \"FROM\"", Some(17)),
            ("COPY t", "syntax error at end of input", Some(7)),
            ("COPY t FROM STDIN (FORMAT", "syntax error at end of input", Some(26)),
            ("COPY t FROM STDIN CSV junk", "syntax error at or near \"junk\"", Some(23)),
        ] {
            let error = parse_copy(text).err().unwrap_or_else(|| panic!("{text}: parses"));
            assert_eq!((error.0.message.as_str(), error.0.position), (message, position), "{text}");
        }
    }
}
