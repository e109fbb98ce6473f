//! Statements about the session and its transaction: parsed here, by words.

use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::{Isolation, RelationLock};

use crate::statement::{Scanner, TokenKind};

/// A statement that needs no plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Utility {
    Begin {
        modes: TransactionModes,
        start: bool,
    },
    Commit,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    Release(String),
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    /// SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION.
    SetTransaction {
        modes: TransactionModes,
        session: bool,
    },
    LockTable {
        /// (schema, name)
        tables: Vec<(Option<String>, String)>,
        mode: RelationLock,
        nowait: bool,
    },
    Reset(Option<String>),
    Show(Option<String>),
    Discard(&'static str),
    Deallocate(Option<String>),
    Prepare {
        name: String,
        types: Vec<String>,
        text: String,
    },
    Execute {
        name: String,
        args: Option<String>,
    },
    Declare {
        name: String,
        hold: bool,
        /// The query, and the characters before it.
        text: String,
        offset_chars: usize,
    },
    Fetch {
        count: Option<u64>,
        name: String,
        skip: bool,
    },
    Close(Option<String>),
    Listen(String),
    /// None: all.
    Unlisten(Option<String>),
    Notify {
        channel: String,
        payload: String,
    },
    Checkpoint,
    Analyze,
    Vacuum,
    /// The directory, as written.
    Backup(String),
    CheckDatabase,
}

/// What BEGIN and SET TRANSACTION ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct TransactionModes {
    pub isolation: Option<Isolation>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

struct Words<'a> {
    text: &'a str,
    tokens: Vec<(TokenKind, usize, usize)>,
    at: usize,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Words<'a> {
        let mut scanner = Scanner::new(text, false);
        let mut tokens = Vec::new();
        while let Some(token) = scanner.next_token() {
            tokens.push((token.kind, token.start, token.end));
        }
        Words { text, tokens, at: 0 }
    }

    fn raw(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |(_, start, end)| &self.text[*start..*end])
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.raw().eq_ignore_ascii_case(word);
        if found {
            self.at += 1;
        }
        found
    }

    fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The rest of the text from the current token.
    fn rest(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |(_, start, _)| &self.text[*start..])
    }

    fn position(&self) -> Option<usize> {
        let byte = self.tokens.get(self.at).map_or(self.text.len(), |(_, start, _)| *start);
        Some(self.text[..byte].chars().count() + 1)
    }

    fn unexpected(&self, expected: &str) -> QueryError {
        let message = if self.done() {
            "syntax error at end of input".to_owned()
        } else {
            format!("syntax error at or near \"{}\"", self.raw())
        };
        QueryError::syntax(message, self.position()).hint(format!("expected {expected}"))
    }

    fn end(&self) -> Result<()> {
        if self.done() { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }

    /// The first `$1` and its like: text and position.
    fn parameter(&self) -> Option<(&'a str, usize)> {
        let (_, start, end) = self.tokens.iter().find(|(kind, ..)| *kind == TokenKind::Parameter)?;
        Some((&self.text[*start..*end], self.text[..*start].chars().count() + 1))
    }

    /// A literal in single quotes.
    fn string(&mut self, what: &str) -> Result<String> {
        let raw = self.raw();
        let is_string = self.tokens.get(self.at).is_some_and(|(kind, ..)| *kind == TokenKind::String);
        if !is_string || raw.len() < 2 || !raw.starts_with('\'') || !raw.ends_with('\'') {
            return Err(self.unexpected(what));
        }
        self.at += 1;
        Ok(unquote(raw))
    }

    /// A literal in any notation of SQL's strings.
    fn string_constant(&mut self, what: &str) -> Result<String> {
        let is_string = self.tokens.get(self.at).is_some_and(|(kind, ..)| *kind == TokenKind::String);
        let value = if is_string { sinew_query::sql::string_literal(self.raw()) } else { None };
        let value = value.ok_or_else(|| self.unexpected(what))?;
        self.at += 1;
        Ok(value)
    }

    /// An identifier: folded to lower case unless quoted.
    fn identifier(&mut self, what: &str) -> Result<String> {
        let raw = self.raw();
        let name = match self.tokens.get(self.at).map(|(kind, ..)| *kind) {
            Some(TokenKind::Word) => raw.to_lowercase(),
            Some(TokenKind::QuotedIdentifier) => raw.trim_matches('"').replace("\"\"", "\""),
            _ => return Err(self.unexpected(what)),
        };
        self.at += 1;
        Ok(name)
    }
}

fn unquote(raw: &str) -> String {
    match raw.strip_prefix('\'').and_then(|s| s.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => raw.trim_matches('"').to_owned(),
    }
}

/// Modes after BEGIN, START TRANSACTION and SET TRANSACTION; commas between them may be left out.
fn transaction_modes(words: &mut Words<'_>) -> Result<TransactionModes> {
    let mut modes = TransactionModes::default();
    while !words.done() {
        if words.take("isolation") {
            if !words.take("level") {
                return Err(words.unexpected("LEVEL"));
            }
            modes.isolation = Some(if words.take("serializable") {
                Isolation::Serializable
            } else if words.take("repeatable") && words.take("read") {
                Isolation::RepeatableRead
            } else if words.take("read") && (words.take("committed") || words.take("uncommitted")) {
                Isolation::ReadCommitted
            } else {
                return Err(words.unexpected("an isolation level"));
            });
        } else if words.take("read") {
            modes.read_only = Some(if words.take("only") {
                true
            } else if words.take("write") {
                false
            } else {
                return Err(words.unexpected("ONLY or WRITE"));
            });
        } else if words.take("deferrable") {
            modes.deferrable = Some(true);
        } else if words.take("not") {
            if !words.take("deferrable") {
                return Err(words.unexpected("DEFERRABLE"));
            }
            modes.deferrable = Some(false);
        } else {
            return Err(words.unexpected("a transaction mode"));
        }
        if words.take(",") && words.done() {
            return Err(words.unexpected("a transaction mode"));
        }
    }
    Ok(modes)
}

/// As [`transaction_modes`], of SET: one at least.
fn set_modes(words: &mut Words<'_>) -> Result<TransactionModes> {
    if words.take("snapshot") {
        return Err(QueryError::unsupported("SET TRANSACTION SNAPSHOT"));
    }
    if words.done() {
        return Err(words.unexpected("a transaction mode"));
    }
    transaction_modes(words)
}

/// `[TABLE] [ONLY] name [*], … [IN mode MODE] [NOWAIT]`
fn lock_table(words: &mut Words<'_>) -> Result<Utility> {
    words.take("table");
    let mut tables = Vec::new();
    loop {
        words.take("only");
        let mut schema = None;
        let mut name = words.identifier("a table name")?;
        if words.take(".") {
            schema = Some(std::mem::replace(&mut name, words.identifier("a table name")?));
        }
        words.take("*");
        tables.push((schema, name));
        if !words.take(",") {
            break;
        }
    }
    let mut mode = RelationLock::AccessExclusive;
    if words.take("in") {
        mode = lock_mode(words)?;
        if !words.take("mode") {
            return Err(words.unexpected("MODE"));
        }
    }
    let nowait = words.take("nowait");
    Ok(Utility::LockTable { tables, mode, nowait })
}

fn lock_mode(words: &mut Words<'_>) -> Result<RelationLock> {
    Ok(if words.take("access") {
        if words.take("share") {
            RelationLock::AccessShare
        } else if words.take("exclusive") {
            RelationLock::AccessExclusive
        } else {
            return Err(words.unexpected("SHARE or EXCLUSIVE"));
        }
    } else if words.take("row") {
        if words.take("share") {
            RelationLock::RowShare
        } else if words.take("exclusive") {
            RelationLock::RowExclusive
        } else {
            return Err(words.unexpected("SHARE or EXCLUSIVE"));
        }
    } else if words.take("share") {
        if words.take("update") {
            if !words.take("exclusive") {
                return Err(words.unexpected("EXCLUSIVE"));
            }
            RelationLock::ShareUpdateExclusive
        } else if words.take("row") {
            if !words.take("exclusive") {
                return Err(words.unexpected("EXCLUSIVE"));
            }
            RelationLock::ShareRowExclusive
        } else {
            RelationLock::Share
        }
    } else if words.take("exclusive") {
        RelationLock::Exclusive
    } else {
        return Err(words.unexpected("a lock mode"));
    })
}

/// None when `text` is no utility statement.
pub(crate) fn parse(text: &str) -> Result<Option<Utility>> {
    let mut words = Words::new(text);
    let first = words.raw().to_lowercase();
    words.at = 1;
    let skip_work = |words: &mut Words<'_>| {
        if !words.take("work") {
            words.take("transaction");
        }
    };
    let utility = match first.as_str() {
        "begin" => {
            skip_work(&mut words);
            Utility::Begin { modes: transaction_modes(&mut words)?, start: false }
        }
        "start" => {
            if !words.take("transaction") {
                return Err(words.unexpected("TRANSACTION"));
            }
            Utility::Begin { modes: transaction_modes(&mut words)?, start: true }
        }
        "commit" | "end" => {
            if words.take("prepared") {
                return Err(QueryError::unsupported("two-phase commit"));
            }
            skip_work(&mut words);
            no_chain(&mut words)?;
            Utility::Commit
        }
        "rollback" | "abort" => {
            if words.take("prepared") {
                return Err(QueryError::unsupported("two-phase commit"));
            }
            skip_work(&mut words);
            if words.take("to") {
                words.take("savepoint");
                Utility::RollbackTo(words.identifier("a savepoint name")?)
            } else {
                no_chain(&mut words)?;
                Utility::Rollback
            }
        }
        "savepoint" => Utility::Savepoint(words.identifier("a savepoint name")?),
        "release" => {
            words.take("savepoint");
            Utility::Release(words.identifier("a savepoint name")?)
        }
        "lock" => lock_table(&mut words)?,
        "set" => set(&mut words)?,
        "reset" => {
            if words.take("all") {
                Utility::Reset(None)
            } else {
                Utility::Reset(Some(setting_name(&mut words)?))
            }
        }
        "show" => {
            if words.take("all") {
                Utility::Show(None)
            } else if words.take("transaction") {
                if !(words.take("isolation") && words.take("level")) {
                    return Err(words.unexpected("ISOLATION LEVEL"));
                }
                Utility::Show(Some("transaction_isolation".to_owned()))
            } else {
                Utility::Show(Some(setting_name(&mut words)?))
            }
        }
        "discard" => Utility::Discard(
            ["all", "plans", "temp", "temporary", "sequences"]
                .into_iter()
                .find(|what| words.take(what))
                .ok_or_else(|| words.unexpected("ALL, PLANS, SEQUENCES or TEMP"))?,
        ),
        "deallocate" => {
            words.take("prepare");
            if words.take("all") {
                Utility::Deallocate(None)
            } else {
                Utility::Deallocate(Some(words.identifier("a statement name")?))
            }
        }
        "prepare" => return prepare(&mut words).map(Some),
        "execute" => {
            let name = words.identifier("a statement name")?;
            if let Some((parameter, position)) = words.parameter() {
                let message = format!("there is no parameter {parameter}");
                return Err(QueryError::new(sqlstate::UNDEFINED_PARAMETER, message).at(Some(position)));
            }
            let rest = words.rest().trim();
            let args = if rest.is_empty() {
                None
            } else if rest.starts_with('(') && rest.ends_with(')') {
                Some(rest[1..rest.len() - 1].to_owned())
            } else {
                return Err(words.unexpected("arguments in parentheses"));
            };
            return Ok(Some(Utility::Execute { name, args }));
        }
        "declare" => return declare(&mut words).map(Some),
        "fetch" | "move" => {
            let skip = first == "move";
            let count = if words.take("all") {
                None
            } else if words.take("forward") {
                if words.take("all") { None } else { Some(number(&mut words).unwrap_or(1)) }
            } else if words.take("next") {
                Some(1)
            } else if ["prior", "first", "last", "absolute", "relative", "backward"]
                .iter()
                .any(|word| words.raw().eq_ignore_ascii_case(word))
            {
                return Err(QueryError::unsupported(format!("FETCH {}", words.raw().to_uppercase()))
                    .at(words.position())
                    .hint("cursors move forward only"));
            } else {
                Some(number(&mut words).unwrap_or(1))
            };
            if !words.take("from") {
                words.take("in");
            }
            Utility::Fetch { count, name: words.identifier("a cursor name")?, skip }
        }
        "close" => {
            if words.take("all") {
                Utility::Close(None)
            } else {
                Utility::Close(Some(words.identifier("a cursor name")?))
            }
        }
        "listen" => Utility::Listen(words.identifier("a channel's name")?),
        "unlisten" => {
            if words.take("*") {
                Utility::Unlisten(None)
            } else {
                Utility::Unlisten(Some(words.identifier("a channel's name")?))
            }
        }
        "notify" => {
            let channel = words.identifier("a channel's name")?;
            let payload = if words.take(",") { words.string_constant("a payload in quotes")? } else { String::new() };
            Utility::Notify { channel, payload }
        }
        "checkpoint" => Utility::Checkpoint,
        "analyze" | "analyse" => {
            words.at = words.tokens.len();
            Utility::Analyze
        }
        "vacuum" => {
            words.at = words.tokens.len();
            Utility::Vacuum
        }
        "backup" => {
            if !words.take("to") {
                return Err(words.unexpected("TO"));
            }
            Utility::Backup(words.string("a directory in single quotes")?)
        }
        "check" => {
            if !words.take("database") {
                return Err(words.unexpected("DATABASE"));
            }
            Utility::CheckDatabase
        }
        _ => return Ok(None),
    };
    words.end()?;
    if let Some((parameter, position)) = words.parameter() {
        return Err(QueryError::syntax(format!("syntax error at or near \"{parameter}\""), Some(position)));
    }
    Ok(Some(utility))
}

fn no_chain(words: &mut Words<'_>) -> Result<()> {
    if words.take("and") {
        if words.take("no") && words.take("chain") {
            return Ok(());
        }
        return Err(QueryError::unsupported("AND CHAIN").at(words.position()));
    }
    Ok(())
}

fn number(words: &mut Words<'_>) -> Option<u64> {
    let value = words.raw().parse().ok()?;
    words.at += 1;
    Some(value)
}

fn setting_name(words: &mut Words<'_>) -> Result<String> {
    if words.take("time") {
        return if words.take("zone") { Ok("TimeZone".to_owned()) } else { Err(words.unexpected("ZONE")) };
    }
    let mut name = words.identifier("a setting's name")?;
    while words.take(".") {
        name.push('.');
        name.push_str(&words.identifier("a setting's name")?);
    }
    Ok(name)
}

fn set(words: &mut Words<'_>) -> Result<Utility> {
    let mut local = false;
    let mut session = false;
    if words.take("local") {
        local = true;
    } else if words.take("session") {
        session = true;
    }
    if words.take("characteristics") {
        if !(words.take("as") && words.take("transaction")) {
            return Err(words.unexpected("AS TRANSACTION"));
        }
        return Ok(Utility::SetTransaction { modes: set_modes(words)?, session: true });
    }
    if words.take("transaction") {
        return Ok(Utility::SetTransaction { modes: set_modes(words)?, session: false });
    }
    if words.raw().eq_ignore_ascii_case("role")
        || words.raw().eq_ignore_ascii_case("constraints")
        || session && words.raw().eq_ignore_ascii_case("authorization")
    {
        return Err(QueryError::unsupported(format!("SET {}", words.raw().to_uppercase())).at(words.position()));
    }
    if words.take("names") {
        let value = unquote(words.raw());
        words.at += 1;
        return Ok(Utility::Set { name: "client_encoding".to_owned(), value: Some(value), local });
    }
    let zone = words.raw().eq_ignore_ascii_case("time");
    let name = setting_name(words)?;
    if !zone && !words.take("to") && !words.take("=") {
        return Err(words.unexpected("TO or ="));
    }
    let mut parts = Vec::new();
    if words.done() {
        return Err(words.unexpected("a value"));
    }
    while !words.done() {
        let mut raw = words.raw().to_owned();
        words.at += 1;
        if raw == "-" || raw == "+" {
            raw.push_str(words.raw());
            words.at += 1;
        }
        // Decimal numbers with a unit, and dotted names, come as several tokens.
        while !words.done() && words.raw() != "," {
            raw.push_str(words.raw());
            words.at += 1;
        }
        parts.push(unquote(&raw));
        words.take(",");
    }
    let value =
        if parts.len() == 1 && parts[0].eq_ignore_ascii_case("default") { None } else { Some(parts.join(", ")) };
    Ok(Utility::Set { name, value, local })
}

fn prepare(words: &mut Words<'_>) -> Result<Utility> {
    let name = words.identifier("a statement name")?;
    let mut types = Vec::new();
    if words.take("(") {
        let mut current = String::new();
        let mut depth = 0;
        loop {
            if words.done() {
                return Err(words.unexpected("a closing parenthesis"));
            }
            let raw = words.raw();
            words.at += 1;
            match raw {
                ")" if depth == 0 => break,
                "," if depth == 0 => types.push(std::mem::take(&mut current)),
                _ => {
                    depth += i32::from(raw == "(") - i32::from(raw == ")");
                    if !current.is_empty() && raw.starts_with(char::is_alphabetic) {
                        current.push(' ');
                    }
                    current.push_str(raw);
                }
            }
        }
        types.push(current);
    }
    if !words.take("as") {
        return Err(words.unexpected("AS"));
    }
    Ok(Utility::Prepare { name, types, text: words.rest().to_owned() })
}

fn declare(words: &mut Words<'_>) -> Result<Utility> {
    let name = words.identifier("a cursor name")?;
    let mut hold = false;
    loop {
        if words.take("cursor") {
            break;
        }
        if words.take("binary") {
            return Err(QueryError::unsupported("DECLARE BINARY CURSOR").at(words.position()));
        } else if words.take("scroll") {
            return Err(QueryError::unsupported("DECLARE SCROLL CURSOR").hint("cursors move forward only"));
        } else if !(words.take("insensitive") || words.take("asensitive") || words.take("no") && words.take("scroll")) {
            return Err(words.unexpected("CURSOR"));
        }
    }
    if words.take("with") {
        if !words.take("hold") {
            return Err(words.unexpected("HOLD"));
        }
        hold = true;
    } else if words.take("without") && !words.take("hold") {
        return Err(words.unexpected("HOLD"));
    }
    if !words.take("for") {
        return Err(words.unexpected("FOR"));
    }
    if words.raw().eq_ignore_ascii_case("declare") {
        return Err(words.unexpected("a query"));
    }
    let offset_chars = words.position().map_or(0, |position| position - 1);
    Ok(Utility::Declare { name, hold, text: words.rest().to_owned(), offset_chars })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Utility {
        parse(text).unwrap().unwrap()
    }

    #[test]
    fn transaction_control() {
        assert_eq!(
            parsed("begin isolation level repeatable read, read only"),
            Utility::Begin {
                modes: TransactionModes {
                    isolation: Some(Isolation::RepeatableRead),
                    read_only: Some(true),
                    deferrable: None
                },
                start: false
            }
        );
        assert_eq!(parsed("ROLLBACK TO SAVEPOINT \"A\""), Utility::RollbackTo("A".into()));
        assert_eq!(parsed("END TRANSACTION"), Utility::Commit);
        assert!(parse("commit and chain").is_err());
        assert_eq!(parse("begin nonsense").unwrap_err().sqlstate(), "42601");
        assert_eq!(parse("begin read only,").unwrap_err().sqlstate(), "42601");
        assert_eq!(parse("set transaction").unwrap_err().sqlstate(), "42601");
        assert_eq!(
            parsed("set session characteristics as transaction read write not deferrable"),
            Utility::SetTransaction {
                modes: TransactionModes { isolation: None, read_only: Some(false), deferrable: Some(false) },
                session: true
            }
        );
        assert_eq!(parse("select 1").unwrap(), None);
    }

    #[test]
    fn lock_table_takes_its_forms() {
        let lock = |tables: &[(Option<&str>, &str)], mode, nowait| Utility::LockTable {
            tables: tables.iter().map(|(schema, name)| (schema.map(Into::into), (*name).into())).collect(),
            mode,
            nowait,
        };
        assert_eq!(parsed("LOCK t"), lock(&[(None, "t")], RelationLock::AccessExclusive, false));
        assert_eq!(
            parsed("lock table only s.\"T\" *, u in share row exclusive mode nowait"),
            lock(&[(Some("s"), "T"), (None, "u")], RelationLock::ShareRowExclusive, true)
        );
        assert_eq!(parse("lock table t in share").unwrap_err().sqlstate(), "42601");
        assert_eq!(parse("lock table t in odd mode").unwrap_err().sqlstate(), "42601");
    }

    #[test]
    fn set_takes_its_forms() {
        let set = |name: &str, value: Option<&str>, local| Utility::Set {
            name: name.into(),
            value: value.map(Into::into),
            local,
        };
        assert_eq!(parsed("SET search_path TO a, \"B\""), set("search_path", Some("a, B"), false));
        assert_eq!(parsed("set local hnsw.ef_search = 100"), set("hnsw.ef_search", Some("100"), true));
        assert_eq!(parsed("SET TIME ZONE 'Europe/Berlin'"), set("TimeZone", Some("Europe/Berlin"), false));
        assert_eq!(parsed("SET statement_timeout = DEFAULT"), set("statement_timeout", None, false));
        assert_eq!(parsed("SET extra_float_digits = -1"), set("extra_float_digits", Some("-1"), false));
        assert_eq!(parsed("set statement_timeout = 5s"), set("statement_timeout", Some("5s"), false));
    }

    #[test]
    fn notifications() {
        assert_eq!(parsed("LISTEN Jobs"), Utility::Listen("jobs".into()));
        assert_eq!(parsed("UNLISTEN *"), Utility::Unlisten(None));
        assert_eq!(parsed("UNLISTEN \"A b\""), Utility::Unlisten(Some("A b".into())));
        let notify = |payload: &str| Utility::Notify { channel: "c".into(), payload: payload.into() };
        assert_eq!(parsed("NOTIFY c"), notify(""));
        assert_eq!(parsed("NOTIFY c, 'it''s'"), notify("it's"));
        assert_eq!(parsed("NOTIFY c, E'a\\nb'"), notify("a\nb"));
        assert_eq!(parsed("NOTIFY c, $x$it's$x$"), notify("it's"));
        for text in ["LISTEN", "LISTEN 'c'", "LISTEN a b", "NOTIFY c,", "NOTIFY c, x", "NOTIFY c 'x'", "UNLISTEN"] {
            assert_eq!(parse(text).unwrap_err().sqlstate(), "42601", "{text}");
        }
    }

    #[test]
    fn maintenance() {
        assert_eq!(parsed("BACKUP TO '/tmp/it''s'"), Utility::Backup("/tmp/it's".into()));
        assert_eq!(parsed("check Database"), Utility::CheckDatabase);
        for text in ["BACKUP", "BACKUP TO here", "BACKUP TO 'a' 'b'", "BACKUP TO E'a'", "CHECK", "CHECK DATABASE x"] {
            assert_eq!(parse(text).unwrap_err().sqlstate(), "42601", "{text}");
        }
    }

    #[test]
    fn prepare_and_cursors() {
        assert_eq!(
            parsed("PREPARE p(int, numeric(10,2)) AS SELECT $1, $2"),
            Utility::Prepare {
                name: "p".into(),
                types: vec!["int".into(), "numeric(10,2)".into()],
                text: "SELECT $1, $2".into()
            }
        );
        assert_eq!(parsed("EXECUTE p(1, 'a')"), Utility::Execute { name: "p".into(), args: Some("1, 'a'".into()) });
        assert_eq!(
            parsed("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1"),
            Utility::Declare { name: "c".into(), hold: true, text: "SELECT 1".into(), offset_chars: 41 }
        );
        assert_eq!(
            parsed("FETCH FORWARD 10 FROM c"),
            Utility::Fetch { count: Some(10), name: "c".into(), skip: false }
        );
        assert_eq!(parsed("FETCH ALL c"), Utility::Fetch { count: None, name: "c".into(), skip: false });
    }

    #[test]
    fn parameters_stand_in_the_query_of_a_cursor_only() {
        assert!(parse("DECLARE c CURSOR FOR SELECT $1").is_ok());
        assert!(parse("PREPARE p AS SELECT $1").is_ok());
        assert_eq!(parse("DECLARE c CURSOR FOR DECLARE d CURSOR FOR SELECT 1").unwrap_err().sqlstate(), "42601");
        let error = parse("SET statement_timeout = $1").unwrap_err();
        assert_eq!((error.sqlstate(), error.0.position), ("42601", Some(25)));
        assert_eq!(error.0.message, "syntax error at or near \"$1\"");
        let error = parse("EXECUTE p($1)").unwrap_err();
        assert_eq!((error.sqlstate(), error.0.position), ("42P02", Some(11)));
    }
}
