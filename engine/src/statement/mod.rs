//! From a message to statements: splitting, and choosing the language of each by its leading tokens.
//!
//! The language must be known before the end of a statement can be found, since the two lex literals and comments
//! differently (`'it\'s'`, `//`). So a message is read statement by statement: look at the leading tokens, choose, then
//! run to the semicolon by that language's rules. `docs/statements.md` is this table in prose.

mod route;
mod scanner;

pub(crate) use route::{Explain, Language, route};
pub(crate) use scanner::{Scanner, TokenKind};

/// One statement of a message, with where it began.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementText {
    pub text: String,
    /// Characters before it in the message: added to error positions.
    pub offset_chars: usize,
}

/// Splits a message into statements, without their semicolons; empty ones are dropped. Never fails: an unterminated
/// literal ends with the message.
pub fn split(message: &str) -> Vec<StatementText> {
    // Most messages are one statement, and begin with a word.
    let trimmed = message.trim_ascii();
    if !message.contains(';') && trimmed.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let offset_chars = message.len() - message.trim_ascii_start().len();
        return vec![StatementText { text: trimmed.to_owned(), offset_chars }];
    }
    let mut out = Vec::new();
    let mut start = 0;
    let mut start_chars = 0;
    while start < message.len() {
        let rest = &message[start..];
        let language = route(rest).language;
        let mut scanner = Scanner::new(rest, language == Language::Cypher);
        let mut first = None;
        let mut end = rest.len();
        let mut next = rest.len();
        while let Some(token) = scanner.next_token() {
            if token.kind == TokenKind::Punct(';') {
                end = token.start;
                next = token.end;
                break;
            }
            first.get_or_insert(token.start);
        }
        if let Some(first) = first {
            let text = rest[first..end].trim_end();
            out.push(StatementText {
                text: text.to_owned(),
                offset_chars: start_chars + rest[..first].chars().count(),
            });
        }
        start_chars += rest[..next].chars().count();
        start += next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &[&str]) {
        let texts: Vec<String> = split(message).into_iter().map(|s| s.text).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn splits_on_semicolons_outside_literals() {
        check("select 1; select 2", &["select 1", "select 2"]);
        check("select ';'; select $$;$$ ; select $a$;$a$", &["select ';'", "select $$;$$", "select $a$;$a$"]);
        check("select \"a;b\" -- x;\n; /* ; /* ; */ */ select 2;", &["select \"a;b\" -- x;", "select 2"]);
        check(" ; ;; ", &[]);
        check("select 'unterminated; select 2", &["select 'unterminated; select 2"]);
        check("select E'it\\'s; one'; select 2", &["select E'it\\'s; one'", "select 2"]);
    }

    #[test]
    fn cypher_literals_follow_cypher_rules() {
        check(r"RETURN 'it\'s; one' AS a; SELECT 1", &[r"RETURN 'it\'s; one' AS a", "SELECT 1"]);
        check("MATCH (n) // no; end\n RETURN n; SELECT 1", &["MATCH (n) // no; end\n RETURN n", "SELECT 1"]);
        check("RETURN `a;b`; RETURN 2", &["RETURN `a;b`", "RETURN 2"]);
        check("// it's; one\nRETURN 1; -- two;\nRETURN 2", &["RETURN 1", "RETURN 2"]);
    }

    #[test]
    fn offsets_count_characters() {
        let parts = split("select 'ä'; select 2");
        assert_eq!(parts[1].offset_chars, 12);
    }
}
