//! A statement's text without its literals.

use std::hash::Hasher;
use std::sync::Arc;

use rustc_hash::FxHasher;
use sinew_query::statement_statistics::Fingerprint;

use crate::statement::{Scanner, TokenKind};

/// The text with `$n` for literals, numbered behind the statement's own parameters, and a hash of its words, in which
/// blanks and comments do not count.
pub(crate) fn fingerprint(text: &str) -> Arc<Fingerprint> {
    let mut tokens = Vec::new();
    let mut scanner = Scanner::new(text, false);
    while let Some(token) = scanner.next_token() {
        tokens.push((token.kind, token.start, token.end));
    }
    let parameter = |raw: &str| raw.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
    let used = tokens.iter().filter(|(kind, ..)| *kind == TokenKind::Parameter);
    let mut last = used.filter_map(|(_, start, end)| parameter(&text[*start..*end])).max().unwrap_or(0);
    let mut out = String::with_capacity(text.len());
    let mut hasher = FxHasher::default();
    let mut behind = tokens.first().map_or(0, |(_, start, _)| *start);
    for (kind, start, end) in tokens {
        out.push_str(&text[behind..start]);
        behind = end;
        let raw = &text[start..end];
        match kind {
            TokenKind::String | TokenKind::Number => {
                last += 1;
                out.push_str(&format!("${last}"));
                hasher.write_u8(0);
            }
            TokenKind::Parameter => {
                out.push_str(raw);
                hasher.write_u8(0);
            }
            TokenKind::Word => {
                out.push_str(raw);
                raw.bytes().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
                hasher.write_u8(1);
            }
            _ => {
                out.push_str(raw);
                hasher.write(raw.as_bytes());
                hasher.write_u8(2);
            }
        }
    }
    Arc::new(Fingerprint { query_id: hasher.finish() as i64, text: out.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_parameters() {
        let check = |text: &str, expected: &str| assert_eq!(&*fingerprint(text).text, expected, "{text}");
        check("SELECT a FROM t WHERE b = 5 AND c = 'x''y'", "SELECT a FROM t WHERE b = $1 AND c = $2");
        check("SELECT $1 + 2, $2", "SELECT $1 + $3, $2");
        check("  SELECT \"5\", t1.a FROM t1 LIMIT 10 ", "SELECT \"5\", t1.a FROM t1 LIMIT $1");
    }

    #[test]
    fn blanks_case_and_literals_do_not_count() {
        let id = |text: &str| fingerprint(text).query_id;
        assert_eq!(id("SELECT a FROM t WHERE b = 5"), id("select  a\nfrom T where b = 'x'"));
        assert_eq!(id("SELECT a FROM t WHERE b = $1"), id("SELECT a FROM t WHERE b = 7"));
        assert_ne!(id("SELECT a FROM t"), id("SELECT b FROM t"));
        assert_ne!(id("SELECT \"A\" FROM t"), id("SELECT \"a\" FROM t"));
    }
}
