//! Hints for what people write by mistake: words with typing errors, SQL, older Cypher, unclosed brackets.
//!
//! Only looked for once parsing has failed; what is suggested is a guess, and the error beside it says what was expected.

use super::*;

/// Words that stand between the parts of queries.
pub(super) const KEYWORDS: &[&str] = &[
    "ALL", "AND", "AS", "ASC", "BY", "CALL", "CASE", "CONTAINS", "CREATE", "DELETE", "DESC", "DETACH", "DISTINCT",
    "ELSE", "END", "ENDS", "FOREACH", "IN", "LIMIT", "MATCH", "MERGE", "NOT", "ON", "OPTIONAL", "OR", "ORDER",
    "REMOVE", "RETURN", "SET", "SKIP", "STARTS", "THEN", "UNION", "UNWIND", "WHEN", "WHERE", "WITH", "XOR", "YIELD",
];

/// Those that begin a clause.
const CLAUSES: &[&str] = &[
    "CALL", "CREATE", "DELETE", "DETACH", "LIMIT", "MATCH", "MERGE", "ORDER", "REMOVE", "RETURN", "SET", "SKIP",
    "UNWIND", "WHERE", "WITH",
];

/// Words that are no others with typing errors.
const NOUNS: &[&str] = &["CONSTRAINT", "CONSTRAINTS", "INDEX", "INDEXES", "NODE", "RELATIONSHIP"];

/// Words of SQL and of older versions, and what Cypher has in their place.
const HABITS: &[(&str, &str)] = &[
    ("SELECT", "In Cypher RETURN says what comes out, at the end of the query."),
    ("FROM", "In Cypher MATCH says what is read: MATCH (n:Label)."),
    ("GROUP", "There is no GROUP BY: RETURN and WITH group by their items that are no aggregates."),
    ("HAVING", "Aggregate in WITH, then filter: WITH n, count(*) AS c WHERE c > 1."),
    ("JOIN", "Relationships of a pattern take the place of joins: MATCH (a)-[:TYPE]->(b)."),
    ("INNER", "Relationships of a pattern take the place of joins: MATCH (a)-[:TYPE]->(b)."),
    ("LEFT", "OPTIONAL MATCH takes the place of outer joins."),
    ("RIGHT", "OPTIONAL MATCH takes the place of outer joins."),
    ("FULL", "OPTIONAL MATCH takes the place of outer joins."),
    ("CROSS", "MATCH (a), (b) gives all pairs."),
    ("LIKE", "Use STARTS WITH, ENDS WITH, CONTAINS, or =~ with a regular expression."),
    ("ILIKE", "Use toLower(…) with CONTAINS, or =~ '(?i)…'."),
    ("BETWEEN", "Write low <= value <= high."),
    ("INSERT", "CREATE makes nodes and relationships: CREATE (n:Label {key: value})."),
    ("UPDATE", "MATCH what is to change, then SET n.key = value."),
    ("VALUES", "UNWIND makes rows of a list: UNWIND [1, 2] AS x."),
    ("EXCEPT", "Use NOT EXISTS { … } or NOT x IN list."),
    ("INTERSECT", "Use EXISTS { … } or x IN list."),
    ("ISNULL", "Write IS NULL."),
    ("NOTNULL", "Write IS NOT NULL."),
    ("ELSEIF", "A CASE has several WHEN … THEN …."),
    ("UNIQUE", "CREATE UNIQUE no longer exists: MERGE finds the pattern or creates it."),
    ("START", "START no longer exists: use MATCH, and WHERE id(n) = … for a node by its id."),
];

impl Parser<'_> {
    /// What was probably meant where `what` was expected.
    pub(super) fn advice(&self, what: &str) -> Option<String> {
        let advice = self.symbol_advice(what).or_else(|| self.word_advice(what));
        advice.or_else(|| self.unclosed(what))
    }

    /// The upper-case word `back` tokens before the current one.
    fn word_before(&self, back: usize) -> Option<String> {
        match &self.tokens[self.position.checked_sub(back)?].kind {
            TokenKind::Ident(word, false) => Some(word.to_uppercase()),
            _ => None,
        }
    }

    fn symbol_before(&self, back: usize) -> Option<&'static str> {
        match &self.tokens[self.position.checked_sub(back)?].kind {
            TokenKind::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    fn symbol_advice(&self, what: &str) -> Option<String> {
        let symbol = match self.peek() {
            TokenKind::Symbol(symbol) => *symbol,
            _ => "",
        };
        let hint = match symbol {
            "=" if self.symbol_before(1) == Some("=") => "Cypher compares with a single =.",
            "&" if self.is_symbol_at(1, "&") || self.symbol_before(1) == Some("&") => "Write AND.",
            "|" if self.is_symbol_at(1, "|") || self.symbol_before(1) == Some("|") => "Write OR.",
            "-" if self.is_symbol_at(1, ">") && self.symbol_before(1) == Some(")") => "Write --> or -[:TYPE]->.",
            ">" if self.symbol_before(1) == Some("]") => "A relationship ends in ]-> or ]-.",
            "-" if self.symbol_before(1) == Some("-") && self.symbol_before(2) == Some("]") => {
                "A relationship ends in ]-> or ]-."
            }
            ">" if self.symbol_before(1) == Some("-") => "A property is read with a dot: n.key.",
            // `{name}`, the old form of a parameter.
            "}" if what == "\":\"" && self.symbol_before(2) == Some("{") && self.word_before(1).is_some() => {
                return Some(format!("Parameters are written ${}.", self.source(self.previous_span())));
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn word_advice(&self, what: &str) -> Option<String> {
        let is_name = ["an alias", "a variable", "a label", "a property key"].iter().any(|name| what.starts_with(name));
        if is_name && let TokenKind::String(text) = self.peek() {
            return Some(format!("A name stands without quotes or in backticks: `{text}`."));
        }
        let TokenKind::Ident(name, false) = self.peek() else { return self.near_previous() };
        let word = name.to_uppercase();
        if what.starts_with("a pattern")
            && !KEYWORDS.contains(&&*word)
            && !HABITS.iter().any(|(habit, _)| *habit == word)
        {
            return Some(format!("A node stands in parentheses: ({name})."));
        }
        if self.symbol_before(1) == Some(",") && CLAUSES.contains(&&*word) {
            return Some(format!("The comma before {word} is one too many."));
        }
        if what == "BY" {
            return Some("Write ORDER BY.".to_owned());
        }
        let next = |keyword: &str| self.is_keyword_at(1, keyword);
        let hint = match &*word {
            "ORDER" if !next("BY") => "Write ORDER BY.",
            "SKIP" | "OFFSET" if what.contains("end of the statement") => "SKIP stands between ORDER BY and LIMIT.",
            "WHERE" if what.contains("end of the statement") => {
                "WHERE belongs to MATCH and WITH: it stands right behind one of them."
            }
            "ORDER" if what.contains("end of the statement") => "ORDER BY stands before SKIP and LIMIT.",
            "LIMIT" if what.contains("end of the statement") => "There is one LIMIT, behind ORDER BY and SKIP.",
            "NOT" if next("IN") => "NOT stands before the whole comparison: NOT x IN list.",
            "NOT" if next("LIKE") || next("CONTAINS") || next("STARTS") || next("ENDS") => {
                "NOT stands before the whole comparison: NOT x CONTAINS text."
            }
            "UNIQUE" if self.word_before(1).as_deref() != Some("CREATE") => "Write IS UNIQUE.",
            "ASSERT" => "Write FOR (n:Label) REQUIRE …; ASSERT belongs to the older form ON (n:Label) ASSERT ….",
            _ => "",
        };
        if !hint.is_empty() {
            return Some(hint.to_owned());
        }
        if let Some((_, hint)) = HABITS.iter().find(|(habit, _)| *habit == word) {
            return Some((*hint).to_owned());
        }
        if let Some(hint) = self.near_previous() {
            return Some(hint);
        }
        if NOUNS.contains(&&*word) {
            return None;
        }
        let expected = what.split(|c: char| !c.is_ascii_alphabetic()).filter(is_keyword_like);
        let near = errors::near_miss(&word, expected.chain(KEYWORDS.iter().copied()))?;
        Some(format!("Perhaps you meant {near}."))
    }

    /// A word that was read as a name, as `DISTICT` in `RETURN DISTICT n`: the error comes only behind it.
    fn near_previous(&self) -> Option<String> {
        let word = self.word_before(1)?;
        let before = ["RETURN", "WITH", "AND", "OR", "WHERE", "NOT", "BY"];
        let stands_alone = self.word_before(2).is_some_and(|word| before.contains(&&*word));
        let near = errors::near_miss(&word, ["CASE", "DISTINCT", "EXISTS", "NOT"]).filter(|_| stands_alone)?;
        Some(format!("Perhaps you meant {near}."))
    }

    /// The last bracket before the current token that has no counterpart.
    fn innermost_open(&self) -> Option<&Token> {
        let mut open = Vec::new();
        for token in &self.tokens[..self.position] {
            match token.kind {
                TokenKind::Symbol("(" | "[" | "{") => open.push(token),
                TokenKind::Symbol(")" | "]" | "}") => {
                    open.pop();
                }
                _ => {}
            }
        }
        open.pop()
    }

    /// Where the bracket stands that should have been closed.
    fn unclosed(&self, what: &str) -> Option<String> {
        let closing = matches!(what, "\")\"" | "\"]\"" | "\"}\"");
        let token = self.innermost_open()?;
        let bracket = self.source(token.span);
        let fits = match self.peek() {
            TokenKind::Symbol(")") => bracket == "(",
            TokenKind::Symbol("]") => bracket == "[",
            TokenKind::Symbol("}") => bracket == "{",
            TokenKind::End | TokenKind::Symbol(";") => false,
            _ => !closing,
        };
        if fits {
            return None;
        }
        let before = &self.text[..token.span.start as usize];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Some(format!("The \"{bracket}\" in line {line}, column {column} is not closed."))
    }
}

fn is_keyword_like(part: &&str) -> bool {
    part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase())
}
