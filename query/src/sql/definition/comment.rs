//! COMMENT ON.

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::{CommentedObject, Definition, RelationKind, expect, take, word};

pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Definition, ParserError> {
    expect(parser, &["COMMENT", "ON"])?;
    let span = parser.peek_token().span;
    let relation = |parser: &mut Parser<'_>, kind| -> Result<CommentedObject, ParserError> {
        Ok(CommentedObject::Relation { kind, name: parser.parse_object_name(false)? })
    };
    let first = word(parser, 0);
    parser.next_token();
    let object = match first.as_str() {
        "TABLE" => relation(parser, RelationKind::Table)?,
        "INDEX" => relation(parser, RelationKind::Index)?,
        "VIEW" => relation(parser, RelationKind::View)?,
        "SEQUENCE" => relation(parser, RelationKind::Sequence)?,
        "MATERIALIZED" => {
            expect(parser, &["VIEW"])?;
            relation(parser, RelationKind::MaterializedView)?
        }
        "COLUMN" => CommentedObject::Column(parser.parse_object_name(false)?),
        "SCHEMA" => CommentedObject::Schema(parser.parse_object_name(false)?),
        "DATABASE" => CommentedObject::Database(parser.parse_object_name(false)?),
        "EXTENSION" => CommentedObject::Extension(parser.parse_identifier()?),
        "CONSTRAINT" => {
            let name = parser.parse_identifier()?;
            expect(parser, &["ON"])?;
            take(parser, &["DOMAIN"]);
            CommentedObject::Constraint { name, table: parser.parse_object_name(false)? }
        }
        other if !other.is_empty() && other.chars().all(char::is_alphabetic) => {
            while word(parser, 0) != "IS" && !matches!(parser.peek_token().token, Token::EOF | Token::SemiColon) {
                parser.next_token();
            }
            CommentedObject::Other { what: format!("COMMENT ON {other}"), span }
        }
        _ => {
            parser.prev_token();
            return parser.expected("the kind of an object", parser.peek_token());
        }
    };
    expect(parser, &["IS"])?;
    let comment = if take(parser, &["NULL"]) { None } else { Some(parser.parse_literal_string()?) };
    // An empty comment is none.
    Ok(Definition::Comment { object, comment: comment.filter(|comment| !comment.is_empty()) })
}
