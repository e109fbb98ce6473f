//! The routing table: leading tokens to language.

use sinew_query::near_miss::near_miss;

use super::scanner::{Scanner, TokenKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Sql,
    Cypher,
}

/// What the leading tokens say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Routed {
    pub language: Language,
    /// EXPLAIN or PROFILE stood before the statement (Cypher only: SQL's own EXPLAIN is SQL's grammar).
    pub explain: Option<Explain>,
    /// Byte offset of the statement proper (after EXPLAIN or PROFILE).
    pub body: usize,
    /// First words, upper case, for statement handlers.
    pub words: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Explain {
    Explain,
    Profile,
}

/// Leading tokens as text: words in upper case, punctuation as is, literals as their first character.
fn leading(text: &str, limit: usize) -> Vec<(String, usize)> {
    let mut scanner = Scanner::new(text, false);
    let mut out = Vec::new();
    while out.len() < limit {
        let Some(token) = scanner.next_token() else { break };
        let word = match token.kind {
            TokenKind::Word => scanner.text_of(token).to_uppercase(),
            TokenKind::Punct(';') => break,
            TokenKind::Punct(c) => c.to_string(),
            TokenKind::QuotedIdentifier => "\"".to_owned(),
            TokenKind::String => "'".to_owned(),
            TokenKind::Number => "0".to_owned(),
            TokenKind::Parameter => "$".to_owned(),
        };
        out.push((word, token.start));
    }
    out
}

/// Chooses the language of the first statement in `text`.
pub(crate) fn route(text: &str) -> Routed {
    let tokens = leading(text, 24);
    let words: Vec<&str> = tokens.iter().map(|(word, _)| word.as_str()).collect();
    let mut skip = 0;
    let mut explain = None;
    match words.first() {
        Some(&"EXPLAIN") => {
            skip = 1;
            explain = Some(Explain::Explain);
            // SQL's options: EXPLAIN (ANALYZE, …), EXPLAIN ANALYZE VERBOSE.
            if words.get(1) == Some(&"(") {
                skip = words.iter().position(|word| *word == ")").map_or(words.len(), |at| at + 1);
            }
            while matches!(words.get(skip), Some(&"ANALYZE" | &"VERBOSE")) {
                skip += 1;
            }
        }
        Some(&"PROFILE") => {
            skip = 1;
            explain = Some(Explain::Profile);
        }
        _ => {}
    }
    let language = language_of(&words[skip.min(words.len())..]);
    let body = tokens.get(skip).map_or(text.len(), |(_, start)| *start);
    let words = words.iter().take(6).map(|word| (*word).to_owned()).collect();
    Routed { language, explain, body, words }
}

fn language_of(words: &[&str]) -> Language {
    let word = |i: usize| words.get(i).copied().unwrap_or("");
    let cypher = match word(0) {
        "MATCH" | "OPTIONAL" | "UNWIND" | "RETURN" | "FOREACH" | "DETACH" | "LET" | "FILTER" | "CYPHER" => true,
        "INSERT" => word(1) == "(" || (word(2) == "=" && word(3) == "("),
        "USING" => word(1) == "PERIODIC",
        "MERGE" => word(1) != "INTO",
        "CREATE" => match word(1) {
            "(" | "FULLTEXT" | "VECTOR" | "RANGE" | "CONSTRAINT" => true,
            "TEXT" | "LOOKUP" | "POINT" | "BTREE" => word(2) == "INDEX",
            "INDEX" => graph_index(words),
            // Of Neo4j 2: for a hint at MERGE.
            "UNIQUE" => word(2) == "(",
            // CREATE p = (…)
            _ => word(2) == "=" && word(3) == "(",
        },
        // SQL puts IF EXISTS before the name.
        "DROP" if word(1) == "INDEX" => (word(3) == "IF" && word(4) == "EXISTS") || (word(2) == "ON" && word(3) == ":"),
        "DROP" => word(1) == "CONSTRAINT",
        // SHOW NODE PROPERTY EXISTENCE CONSTRAINTS has the most words before it.
        "SHOW" => {
            (1..=4).any(|at| graph_listing(word(at)))
                || administration(word(1))
                || near_miss(word(1), ["CONSTRAINTS", "FUNCTIONS", "INDEXES", "PROCEDURES"]).is_some()
        }
        "LOAD" => word(1) == "CSV",
        "USE" => true,
        // Of Neo4j 2, too.
        "START" => word(2) == "=",
        "CALL" => match word(1) {
            "{" | "(" => true,
            _ => word(2) == "." || words.contains(&"YIELD"),
        },
        "WITH" => !sql_with(words),
        _ => false,
    };
    if cypher { Language::Cypher } else { Language::Sql }
}

/// What SHOW lists of the graph.
fn graph_listing(word: &str) -> bool {
    matches!(
        word,
        "INDEX" | "INDEXES" | "CONSTRAINT" | "CONSTRAINTS" | "FUNCTION" | "FUNCTIONS" | "PROCEDURE" | "PROCEDURES"
    )
}

/// What SHOW lists in Neo4j and not here.
fn administration(word: &str) -> bool {
    matches!(
        word,
        "ALIASES"
            | "DATABASE"
            | "DATABASES"
            | "PRIVILEGES"
            | "ROLES"
            | "SERVERS"
            | "SETTINGS"
            | "TRANSACTIONS"
            | "USERS"
    )
}

/// `CREATE INDEX [name] [IF NOT EXISTS] FOR ( …`, or `ON :Label(`
fn graph_index(words: &[&str]) -> bool {
    let Some(at) = words.iter().position(|word| matches!(*word, "FOR" | "ON")) else { return false };
    match words[at] {
        "FOR" => words.get(at + 1) == Some(&"("),
        _ => words.get(at + 1) == Some(&":"),
    }
}

/// `WITH [RECURSIVE] name [(columns)] AS [[NOT] MATERIALIZED] ( SELECT …`
fn sql_with(words: &[&str]) -> bool {
    let mut i = 1;
    if words.get(i) == Some(&"RECURSIVE") {
        return true;
    }
    i += 1;
    if words.get(i) == Some(&"(") {
        match words[i..].iter().position(|word| *word == ")") {
            Some(close) => i += close + 1,
            None => return false,
        }
    }
    if words.get(i) != Some(&"AS") {
        return false;
    }
    i += 1;
    while matches!(words.get(i), Some(&"NOT" | &"MATERIALIZED")) {
        i += 1;
    }
    words.get(i) == Some(&"(")
        && matches!(
            words.get(i + 1),
            Some(&"SELECT" | &"WITH" | &"VALUES" | &"INSERT" | &"UPDATE" | &"DELETE" | &"TABLE" | &"(")
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Language) {
        assert_eq!(route(text).language, expected, "{text}");
    }

    #[test]
    fn leading_tokens_choose() {
        use Language::*;
        check("MATCH (n) RETURN n", Cypher);
        check("optional match (n) return n", Cypher);
        check("MERGE (n:A)", Cypher);
        check("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", Sql);
        check("CREATE (n)", Cypher);
        check("INSERT (n:L)", Cypher);
        check("INSERT INTO t VALUES (1)", Sql);
        check("LET x = 1 RETURN x", Cypher);
        check("CYPHER 5 RETURN 1", Cypher);
        check("CREATE p = (a)-[:R]->(b)", Cypher);
        check("CREATE TABLE t (a int)", Sql);
        check("CREATE INDEX ON t (a)", Sql);
        check("CREATE INDEX i ON t (a)", Sql);
        check("CREATE INDEX i FOR (n:L) ON (n.p)", Cypher);
        check("CREATE INDEX ON :L(p)", Cypher);
        check("CREATE INDEX i IF NOT EXISTS FOR (n:L) ON (n.p)", Cypher);
        check("CREATE UNIQUE INDEX i ON t (a)", Sql);
        check("CREATE VECTOR INDEX v FOR (n:L) ON (n.p)", Cypher);
        check("WITH x AS (SELECT 1) SELECT * FROM x", Sql);
        check("WITH RECURSIVE x(n) AS (SELECT 1) SELECT * FROM x", Sql);
        check("WITH 1 AS x RETURN x", Cypher);
        check("WITH [1,2] AS xs UNWIND xs AS x RETURN x", Cypher);
        check("CALL db.labels()", Cypher);
        check("CALL execute_agent('a', 'b')", Sql);
        check("CALL { RETURN 1 AS x } RETURN x", Cypher);
        check("SHOW INDEXES", Cypher);
        check("SHOW FULLTEXT INDEXES", Cypher);
        check("SHOW NODE PROPERTY EXISTENCE CONSTRAINTS YIELD name", Cypher);
        check("SHOW BUILT IN FUNCTIONS", Cypher);
        check("SHOW TRANSACTION ISOLATION LEVEL", Sql);
        check("SHOW DATABASES", Cypher);
        check("CREATE TEXT INDEX i FOR (n:L) ON (n.p)", Cypher);
        check("DROP INDEX i IF EXISTS", Cypher);
        check("DROP INDEX IF EXISTS i", Sql);
        check("LOAD CSV FROM 'x' AS row RETURN row", Cypher);
        check("USE g MATCH (n) RETURN n", Cypher);
        check("SHOW INDEXS", Cypher);
        check("SHOW search_path", Sql);
        check("DROP INDEX ON :L(p)", Cypher);
        check("EXPLAIN MATCH (n) RETURN n", Cypher);
        check("EXPLAIN (ANALYZE, FORMAT text) SELECT 1", Sql);
        check("EXPLAIN (ANALYZE) MATCH (n) RETURN n", Cypher);
        check("PROFILE MATCH (n) RETURN n", Cypher);
        check("-- a comment\nMATCH (n) RETURN n", Cypher);
        check("// a comment\n/* another */ // more\nMATCH (n) RETURN n", Cypher);
        check("", Sql);
    }

    #[test]
    fn explain_is_seen() {
        let routed = route("EXPLAIN ANALYZE MATCH (n) RETURN n");
        assert_eq!(routed.explain, Some(Explain::Explain));
        assert_eq!(&"EXPLAIN ANALYZE MATCH (n) RETURN n"[routed.body..], "MATCH (n) RETURN n");
    }
}
