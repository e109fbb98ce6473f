//! CREATE SEQUENCE, and the options that sequences and identity columns share.

use sqlparser::ast::ObjectNamePart;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::{Definition, SequenceOption, SequenceOptionKind, expect, take, word};

pub(super) fn create(parser: &mut Parser<'_>, temporary: bool) -> Result<Definition, ParserError> {
    expect(parser, &["CREATE"])?;
    if temporary {
        parser.next_token();
    }
    expect(parser, &["SEQUENCE"])?;
    let if_not_exists = take(parser, &["IF", "NOT", "EXISTS"]);
    let name = parser.parse_object_name(false)?;
    let options = options(parser)?;
    Ok(Definition::CreateSequence { temporary, if_not_exists, name, options })
}

/// Options up to the first word that is none.
pub(super) fn options(parser: &mut Parser<'_>) -> Result<Vec<SequenceOption>, ParserError> {
    let mut options = Vec::new();
    while let Some(option) = option(parser)? {
        options.push(option);
    }
    Ok(options)
}

/// `(option …)`, or nothing.
pub(super) fn options_in_parentheses(parser: &mut Parser<'_>) -> Result<Vec<SequenceOption>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(Vec::new());
    }
    let options = options(parser)?;
    parser.expect_token(&Token::RParen)?;
    Ok(options)
}

/// One option; None where none begins.
pub(super) fn option(parser: &mut Parser<'_>) -> Result<Option<SequenceOption>, ParserError> {
    use SequenceOptionKind as Kind;
    let span = parser.peek_token().span;
    let first = word(parser, 0);
    let kind = match first.as_str() {
        "AS" => {
            parser.next_token();
            Kind::As(parser.parse_data_type()?)
        }
        "INCREMENT" => {
            parser.next_token();
            take(parser, &["BY"]);
            Kind::Increment(number(parser)?)
        }
        "MINVALUE" => {
            parser.next_token();
            Kind::MinValue(Some(number(parser)?))
        }
        "MAXVALUE" => {
            parser.next_token();
            Kind::MaxValue(Some(number(parser)?))
        }
        "NO" => {
            parser.next_token();
            if take(parser, &["MINVALUE"]) {
                Kind::MinValue(None)
            } else if take(parser, &["MAXVALUE"]) {
                Kind::MaxValue(None)
            } else {
                expect(parser, &["CYCLE"])?;
                Kind::Cycle(false)
            }
        }
        "START" => {
            parser.next_token();
            take(parser, &["WITH"]);
            Kind::Start(number(parser)?)
        }
        "RESTART" => {
            parser.next_token();
            let with = take(parser, &["WITH"]);
            let begins = with || matches!(parser.peek_token().token, Token::Number(..) | Token::Minus | Token::Plus);
            Kind::Restart(if begins { Some(number(parser)?) } else { None })
        }
        "CACHE" => {
            parser.next_token();
            Kind::Cache(number(parser)?)
        }
        "CYCLE" => {
            parser.next_token();
            Kind::Cycle(true)
        }
        "SEQUENCE" => {
            expect(parser, &["SEQUENCE", "NAME"])?;
            Kind::Name(parser.parse_object_name(false)?)
        }
        "OWNED" => {
            expect(parser, &["OWNED", "BY"])?;
            let name = parser.parse_object_name(false)?;
            let is_none = match name.0.as_slice() {
                [ObjectNamePart::Identifier(only)] => {
                    only.quote_style.is_none() && only.value.eq_ignore_ascii_case("none")
                }
                _ => false,
            };
            Kind::OwnedBy((!is_none).then_some(name))
        }
        _ => return Ok(None),
    };
    Ok(Some(SequenceOption { kind, span }))
}

fn number(parser: &mut Parser<'_>) -> Result<i64, ParserError> {
    let sign = if parser.consume_token(&Token::Minus) {
        "-"
    } else {
        let _ = parser.consume_token(&Token::Plus);
        ""
    };
    let token = parser.next_token();
    match &token.token {
        Token::Number(digits, _) => match format!("{sign}{digits}").parse() {
            Ok(number) => Ok(number),
            Err(_) => parser.expected("an integer within bigint", token),
        },
        _ => parser.expected("an integer", token),
    }
}
