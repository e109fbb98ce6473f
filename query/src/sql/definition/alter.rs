//! ALTER TABLE, INDEX, VIEW, SEQUENCE, SCHEMA.

use sqlparser::ast::{Ident, ObjectName};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::{
    AlterAction, Definition, IdentityChange, RelationChange, RelationKind, expect, option_names, options, sequence,
    take, word, words_are,
};

pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Option<Definition>, ParserError> {
    let kind = match word(parser, 1).as_str() {
        "TABLE" => RelationKind::Table,
        "INDEX" => RelationKind::Index,
        "SEQUENCE" => RelationKind::Sequence,
        "VIEW" => RelationKind::View,
        "MATERIALIZED" => RelationKind::MaterializedView,
        "SCHEMA" => {
            expect(parser, &["ALTER", "SCHEMA"])?;
            let name = parser.parse_object_name(false)?;
            return match change(parser)? {
                Some(change) => Ok(Some(Definition::AlterSchema { name, change })),
                None => parser.expected("RENAME TO or OWNER TO", parser.peek_token()),
            };
        }
        _ => return Ok(None),
    };
    parser.next_token();
    parser.next_token();
    if kind == RelationKind::MaterializedView {
        expect(parser, &["VIEW"])?;
    }
    let if_exists = take(parser, &["IF", "EXISTS"]);
    if kind == RelationKind::Table {
        // No table has children to leave out.
        take(parser, &["ONLY"]);
    }
    let name = parser.parse_object_name(false)?;
    if kind == RelationKind::Table {
        let _ = parser.consume_token(&Token::Mul);
        return alter_table(parser, if_exists, name).map(Some);
    }
    if let Some(change) = change(parser)? {
        return Ok(Some(Definition::AlterRelation { kind, if_exists, name, change }));
    }
    match kind {
        RelationKind::Sequence => {
            let options = sequence::options(parser)?;
            if options.is_empty() {
                return parser.expected("an option of ALTER SEQUENCE", parser.peek_token());
            }
            Ok(Some(Definition::AlterSequence { if_exists, name, options }))
        }
        // A view's columns have defaults, which matter where views can be written.
        RelationKind::View if word(parser, 0) == "ALTER" => alter_table(parser, if_exists, name).map(Some),
        _ => parser.expected("RENAME TO, OWNER TO, SET SCHEMA or SET (…)", parser.peek_token()),
    }
}

/// A change that every relation knows; None where another begins.
fn change(parser: &mut Parser<'_>) -> Result<Option<RelationChange>, ParserError> {
    if take(parser, &["RENAME", "TO"]) {
        return Ok(Some(RelationChange::Rename(parser.parse_identifier()?)));
    }
    if take(parser, &["RENAME"]) {
        take(parser, &["COLUMN"]);
        let old = parser.parse_identifier()?;
        expect(parser, &["TO"])?;
        return Ok(Some(RelationChange::RenameColumn { old, new: parser.parse_identifier()? }));
    }
    if take(parser, &["SET", "SCHEMA"]) {
        return Ok(Some(RelationChange::SetSchema(parser.parse_identifier()?)));
    }
    if take(parser, &["OWNER", "TO"]) {
        return Ok(Some(RelationChange::Owner(parser.parse_identifier()?)));
    }
    if words_are(parser, 0, &["SET", "("]) {
        parser.next_token();
        options(parser)?;
        return Ok(Some(RelationChange::Options));
    }
    if words_are(parser, 0, &["RESET", "("]) {
        parser.next_token();
        option_names(parser)?;
        return Ok(Some(RelationChange::Options));
    }
    Ok(None)
}

fn alter_table(parser: &mut Parser<'_>, if_exists: bool, name: ObjectName) -> Result<Definition, ParserError> {
    let kind = RelationKind::Table;
    if words_are(parser, 0, &["SET", "SCHEMA"]) || words_are(parser, 0, &["OWNER", "TO"]) {
        let is_alone = !matches!(parser.peek_nth_token(3).token, Token::Comma);
        if is_alone && let Some(change) = change(parser)? {
            return Ok(Definition::AlterRelation { kind, if_exists, name, change });
        }
    }
    let actions = parser.parse_comma_separated(action)?;
    Ok(Definition::AlterTable { if_exists, name, actions })
}

fn action(parser: &mut Parser<'_>) -> Result<AlterAction, ParserError> {
    let span = parser.peek_token().span;
    let unsupported = |what| Ok(AlterAction::Unsupported { what, span });
    if words_are(parser, 0, &["SET", "("]) {
        parser.next_token();
        return Ok(AlterAction::SetOptions(options(parser)?));
    }
    if words_are(parser, 0, &["RESET", "("]) {
        parser.next_token();
        return Ok(AlterAction::ResetOptions(option_names(parser)?));
    }
    let refused: [(&[&str], &'static str); 13] = [
        (&["SET", "LOGGED"], "ALTER TABLE … SET LOGGED"),
        (&["SET", "UNLOGGED"], "ALTER TABLE … SET UNLOGGED"),
        (&["SET", "TABLESPACE"], "ALTER TABLE … SET TABLESPACE"),
        (&["SET", "ACCESS", "METHOD"], "ALTER TABLE … SET ACCESS METHOD"),
        (&["SET", "WITHOUT"], "ALTER TABLE … SET WITHOUT"),
        (&["CLUSTER", "ON"], "ALTER TABLE … CLUSTER ON"),
        (&["INHERIT"], "INHERIT"),
        (&["NO", "INHERIT"], "NO INHERIT"),
        (&["OF"], "typed tables"),
        (&["NOT", "OF"], "typed tables"),
        (&["ATTACH"], "partitioned tables"),
        (&["DETACH"], "partitioned tables"),
        (&["REPLICA", "IDENTITY"], "REPLICA IDENTITY"),
    ];
    if let Some((_, what)) = refused.iter().find(|(words, _)| words_are(parser, 0, words)) {
        skip_action(parser);
        return unsupported(what);
    }
    if take(parser, &["ALTER", "CONSTRAINT"]) {
        let name = parser.parse_identifier()?;
        let characteristics = parser.parse_constraint_characteristics()?;
        return Ok(AlterAction::AlterConstraint { name, characteristics });
    }
    if word(parser, 0) == "ALTER" {
        let at = if word(parser, 1) == "COLUMN" { 2 } else { 1 };
        if let Some(action) = column_action(parser, at)? {
            return Ok(action);
        }
    }
    parser.parse_alter_table_operation().map(|operation| AlterAction::Parsed(Box::new(operation)))
}

/// Actions on a column that the parser does not know; `at` is the column's place.
fn column_action(parser: &mut Parser<'_>, at: usize) -> Result<Option<AlterAction>, ParserError> {
    let behind = at + 1;
    let span = parser.peek_nth_token(behind).span;
    let column = |parser: &mut Parser<'_>| -> Result<Ident, ParserError> {
        for _ in 0..at {
            parser.next_token();
        }
        parser.parse_identifier()
    };
    if words_are(parser, behind, &["ADD", "GENERATED"]) {
        let column = column(parser)?;
        expect(parser, &["ADD", "GENERATED"])?;
        let always = generated(parser)?;
        expect(parser, &["AS", "IDENTITY"])?;
        let options = sequence::options_in_parentheses(parser)?;
        return Ok(Some(AlterAction::AddIdentity { column, always, options }));
    }
    if words_are(parser, behind, &["DROP", "IDENTITY"]) {
        let column = column(parser)?;
        expect(parser, &["DROP", "IDENTITY"])?;
        return Ok(Some(AlterAction::DropIdentity { column, if_exists: take(parser, &["IF", "EXISTS"]) }));
    }
    if words_are(parser, behind, &["DROP", "EXPRESSION"]) {
        skip_action(parser);
        return Ok(Some(AlterAction::Unsupported { what: "ALTER COLUMN … DROP EXPRESSION", span }));
    }
    let refused = [
        ("STATISTICS", "ALTER COLUMN … SET STATISTICS"),
        ("STORAGE", "ALTER COLUMN … SET STORAGE"),
        ("COMPRESSION", "ALTER COLUMN … SET COMPRESSION"),
        ("(", "options of a column"),
    ];
    let set = ["SET", "RESET"].contains(&word(parser, behind).as_str());
    if set && let Some((_, what)) = refused.iter().find(|(second, _)| word(parser, behind + 1) == *second) {
        skip_action(parser);
        return Ok(Some(AlterAction::Unsupported { what, span }));
    }
    let begins = |parser: &Parser<'_>, at: usize| {
        word(parser, at) == "RESTART"
            || (word(parser, at) == "SET"
                && ["GENERATED", "INCREMENT", "MINVALUE", "MAXVALUE", "NO", "START", "RESTART", "CACHE", "CYCLE"]
                    .contains(&word(parser, at + 1).as_str()))
    };
    if !begins(parser, behind) {
        return Ok(None);
    }
    let column = column(parser)?;
    let mut changes = Vec::new();
    while begins(parser, 0) {
        take(parser, &["SET"]);
        if take(parser, &["GENERATED"]) {
            changes.push(IdentityChange::Generated { always: generated(parser)? });
        } else {
            match sequence::option(parser)? {
                Some(option) => changes.push(IdentityChange::Option(option)),
                None => return parser.expected("an option of the identity column", parser.peek_token()),
            }
        }
    }
    Ok(Some(AlterAction::SetIdentity { column, changes }))
}

/// `ALWAYS | BY DEFAULT`; true for the first.
fn generated(parser: &mut Parser<'_>) -> Result<bool, ParserError> {
    if take(parser, &["ALWAYS"]) {
        return Ok(true);
    }
    expect(parser, &["BY", "DEFAULT"])?;
    Ok(false)
}

/// To the end of an action that is refused.
fn skip_action(parser: &mut Parser<'_>) {
    let mut depth = 0usize;
    loop {
        match parser.peek_token().token {
            Token::EOF | Token::SemiColon => return,
            Token::Comma if depth == 0 => return,
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        parser.next_token();
    }
}
