//! Definitions that the parser does not know, or does not know whole: sequences, ALTER of everything, COMMENT, REINDEX.
//! They are read here, from the parser's tokens.

mod alter;
mod comment;
mod sequence;

use sqlparser::ast::{
    AlterTableOperation, ConstraintCharacteristics, CreateTableOptions, CreateView, DataType, Expr, Ident, ObjectName,
    Query, SqlOption, Value,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

/// `WITH [CASCADED | LOCAL] CHECK OPTION` behind the query of CREATE VIEW: becomes the view's option `check_option`.
pub fn check_option(parser: &mut Parser<'_>, create: &mut CreateView) -> Result<(), ParserError> {
    if word(parser, 0) != "WITH" || create.materialized {
        return Ok(());
    }
    expect(parser, &["WITH"])?;
    let value = if take(parser, &["LOCAL"]) { "local" } else { "cascaded" };
    take(parser, &["CASCADED"]);
    expect(parser, &["CHECK", "OPTION"])?;
    let option = SqlOption::KeyValue {
        key: Ident::new("check_option"),
        value: Expr::value(Value::SingleQuotedString(value.into())),
    };
    match &mut create.options {
        CreateTableOptions::With(options) => options.push(option),
        options => *options = CreateTableOptions::With(vec![option]),
    }
    Ok(())
}

/// A statement read here.
#[derive(Clone, Debug)]
pub enum Definition {
    CreateSequence {
        temporary: bool,
        if_not_exists: bool,
        name: ObjectName,
        options: Vec<SequenceOption>,
    },
    AlterSequence {
        if_exists: bool,
        name: ObjectName,
        options: Vec<SequenceOption>,
    },
    AlterTable {
        if_exists: bool,
        name: ObjectName,
        actions: Vec<AlterAction>,
    },
    /// ALTER INDEX, VIEW, MATERIALIZED VIEW, SEQUENCE, and TABLE … SET SCHEMA.
    AlterRelation {
        kind: RelationKind,
        if_exists: bool,
        name: ObjectName,
        change: RelationChange,
    },
    AlterSchema {
        name: ObjectName,
        change: RelationChange,
    },
    Comment {
        object: CommentedObject,
        comment: Option<String>,
    },
    Reindex {
        target: ReindexTarget,
        name: Option<ObjectName>,
        concurrently: bool,
    },
    CreateMaterializedView {
        if_not_exists: bool,
        name: ObjectName,
        /// Names of the first columns.
        columns: Vec<Ident>,
        options: Vec<(Ident, Option<String>)>,
        query: Box<Query>,
        with_data: bool,
    },
    RefreshMaterializedView {
        name: ObjectName,
        concurrently: bool,
        with_data: bool,
    },
}

#[derive(Clone, Debug)]
pub struct SequenceOption {
    pub kind: SequenceOptionKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum SequenceOptionKind {
    As(DataType),
    Increment(i64),
    /// None: NO MINVALUE.
    MinValue(Option<i64>),
    MaxValue(Option<i64>),
    Start(i64),
    Restart(Option<i64>),
    Cache(i64),
    Cycle(bool),
    /// None: OWNED BY NONE.
    OwnedBy(Option<ObjectName>),
    /// SEQUENCE NAME, of identity columns only: dumps tell the name of the sequence behind one.
    Name(ObjectName),
}

/// An action of ALTER TABLE.
#[derive(Clone, Debug)]
pub enum AlterAction {
    /// One that the parser knows.
    Parsed(Box<AlterTableOperation>),
    AddIdentity {
        column: Ident,
        always: bool,
        options: Vec<SequenceOption>,
    },
    SetIdentity {
        column: Ident,
        changes: Vec<IdentityChange>,
    },
    DropIdentity {
        column: Ident,
        if_exists: bool,
    },
    AlterConstraint {
        name: Ident,
        characteristics: Option<ConstraintCharacteristics>,
    },
    /// `name = value` in order, as they were written.
    SetOptions(Vec<(Ident, Option<String>)>),
    ResetOptions(Vec<Ident>),
    /// Known, and not carried out.
    Unsupported {
        what: &'static str,
        span: Span,
    },
}

#[derive(Clone, Debug)]
pub enum IdentityChange {
    Generated { always: bool },
    Option(SequenceOption),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    Index,
    View,
    MaterializedView,
    Sequence,
}

impl RelationKind {
    /// As messages name it.
    pub fn name(self) -> &'static str {
        match self {
            RelationKind::Table => "table",
            RelationKind::Index => "index",
            RelationKind::View => "view",
            RelationKind::MaterializedView => "materialized view",
            RelationKind::Sequence => "sequence",
        }
    }

    /// The tag of its ALTER.
    pub fn alter_tag(self) -> &'static str {
        match self {
            RelationKind::Table => "ALTER TABLE",
            RelationKind::Index => "ALTER INDEX",
            RelationKind::View => "ALTER VIEW",
            RelationKind::MaterializedView => "ALTER MATERIALIZED VIEW",
            RelationKind::Sequence => "ALTER SEQUENCE",
        }
    }
}

#[derive(Clone, Debug)]
pub enum RelationChange {
    Rename(Ident),
    RenameColumn {
        old: Ident,
        new: Ident,
    },
    SetSchema(Ident),
    Owner(Ident),
    /// SET (…) and RESET (…).
    Options,
}

/// What COMMENT is on.
#[derive(Clone, Debug)]
pub enum CommentedObject {
    Relation {
        kind: RelationKind,
        name: ObjectName,
    },
    Column(ObjectName),
    Constraint {
        name: Ident,
        table: ObjectName,
    },
    Schema(ObjectName),
    Extension(Ident),
    Database(ObjectName),
    /// Known, and not carried out.
    Other {
        what: String,
        span: Span,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReindexTarget {
    Index,
    Table,
    Schema,
    Database,
    System,
}

/// The words at the parser's place, in upper case; literals and signs as they are written.
fn word(parser: &Parser<'_>, at: usize) -> String {
    match parser.peek_nth_token(at).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        Token::Word(_) => String::new(),
        other => other.to_string(),
    }
}

fn words_are(parser: &Parser<'_>, at: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(offset, wanted)| word(parser, at + offset) == *wanted)
}

/// Takes the words if they all stand next.
fn take(parser: &mut Parser<'_>, words: &[&str]) -> bool {
    let found = words_are(parser, 0, words);
    if found {
        for _ in words {
            parser.next_token();
        }
    }
    found
}

fn expect(parser: &mut Parser<'_>, words: &[&str]) -> Result<(), ParserError> {
    if take(parser, words) { Ok(()) } else { parser.expected(&words.join(" "), parser.peek_token()) }
}

/// A definition, if one of those that are read here begins at the parser's place.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Option<Definition>, ParserError> {
    let first = word(parser, 0);
    Ok(Some(match first.as_str() {
        "CREATE" => {
            let temporary = match word(parser, 1).as_str() {
                "TEMP" | "TEMPORARY" => 1,
                _ => 0,
            };
            if word(parser, 1 + temporary) == "SEQUENCE" {
                return sequence::create(parser, temporary == 1).map(Some);
            }
            if words_are(parser, 1, &["MATERIALIZED", "VIEW"]) {
                return materialized_view(parser).map(Some);
            }
            return Ok(None);
        }
        "ALTER" => match alter::parse(parser)? {
            Some(definition) => definition,
            None => return Ok(None),
        },
        "COMMENT" if word(parser, 1) == "ON" => comment::parse(parser)?,
        "REINDEX" => reindex(parser)?,
        "REFRESH" => {
            expect(parser, &["REFRESH", "MATERIALIZED", "VIEW"])?;
            let concurrently = take(parser, &["CONCURRENTLY"]);
            let name = parser.parse_object_name(false)?;
            let with_data = with_data(parser)?;
            Definition::RefreshMaterializedView { name, concurrently, with_data }
        }
        _ => return Ok(None),
    }))
}

/// `[WITH [NO] DATA]`
fn with_data(parser: &mut Parser<'_>) -> Result<bool, ParserError> {
    if !take(parser, &["WITH"]) {
        return Ok(true);
    }
    let without = take(parser, &["NO"]);
    expect(parser, &["DATA"])?;
    Ok(!without)
}

fn materialized_view(parser: &mut Parser<'_>) -> Result<Definition, ParserError> {
    expect(parser, &["CREATE", "MATERIALIZED", "VIEW"])?;
    let if_not_exists = take(parser, &["IF", "NOT", "EXISTS"]);
    let name = parser.parse_object_name(false)?;
    let mut columns = Vec::new();
    if parser.consume_token(&Token::LParen) {
        columns = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
    }
    let mut parameters = Vec::new();
    if words_are(parser, 0, &["WITH", "("]) {
        parser.next_token();
        parameters = options(parser)?;
    }
    expect(parser, &["AS"])?;
    let query = parser.parse_query()?;
    let with_data = with_data(parser)?;
    Ok(Definition::CreateMaterializedView { if_not_exists, name, columns, options: parameters, query, with_data })
}

/// `REINDEX [(option, …)] INDEX | TABLE | SCHEMA | DATABASE | SYSTEM [CONCURRENTLY] name`
fn reindex(parser: &mut Parser<'_>) -> Result<Definition, ParserError> {
    expect(parser, &["REINDEX"])?;
    let mut concurrently = false;
    if parser.consume_token(&Token::LParen) {
        loop {
            let option = parser.parse_identifier()?;
            let off = take(parser, &["FALSE"]) || take(parser, &["OFF"]) || take(parser, &["0"]);
            if !off {
                // What says nothing is on.
                let _ = take(parser, &["TRUE"]) || take(parser, &["ON"]) || take(parser, &["1"]);
            }
            match option.value.to_uppercase().as_str() {
                "CONCURRENTLY" => concurrently = !off,
                "VERBOSE" => {}
                _ => return parser.expected("CONCURRENTLY or VERBOSE", parser.peek_token()),
            }
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
    }
    let target = match parser.expect_one_of_keywords(&[
        Keyword::INDEX,
        Keyword::TABLE,
        Keyword::SCHEMA,
        Keyword::DATABASE,
        Keyword::SYSTEM,
    ])? {
        Keyword::INDEX => ReindexTarget::Index,
        Keyword::TABLE => ReindexTarget::Table,
        Keyword::SCHEMA => ReindexTarget::Schema,
        Keyword::DATABASE => ReindexTarget::Database,
        _ => ReindexTarget::System,
    };
    concurrently |= take(parser, &["CONCURRENTLY"]);
    let is_optional = matches!(target, ReindexTarget::Database | ReindexTarget::System);
    let ends = matches!(parser.peek_token().token, Token::EOF | Token::SemiColon);
    let name = if is_optional && ends { None } else { Some(parser.parse_object_name(false)?) };
    Ok(Definition::Reindex { target, name, concurrently })
}

/// `(name [= value], …)`
fn options(parser: &mut Parser<'_>) -> Result<Vec<(Ident, Option<String>)>, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let options = parser.parse_comma_separated(|parser| {
        let mut name = parser.parse_identifier()?;
        if parser.consume_token(&Token::Period) {
            let rest = parser.parse_identifier()?;
            name.value = format!("{}.{}", name.value, rest.value);
        }
        if !parser.consume_token(&Token::Eq) {
            return Ok((name, None));
        }
        let sign = if parser.consume_token(&Token::Minus) { "-" } else { "" };
        let value = match parser.next_token().token {
            Token::SingleQuotedString(text) => text,
            Token::Word(word) => word.value,
            Token::Number(number, _) => number,
            _ => return parser.expected("a value", parser.peek_token()),
        };
        Ok((name, Some(format!("{sign}{value}"))))
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(options)
}

/// `(name, …)`
fn option_names(parser: &mut Parser<'_>) -> Result<Vec<Ident>, ParserError> {
    Ok(options(parser)?.into_iter().map(|(name, _)| name).collect())
}
