//! The query language of `queryNodes` and `@@@`: Lucene's classic syntax.
//!
//! ```text
//! query   := [conj] [mod] clause …        conj: AND && OR ||   mod: + - ! NOT
//! clause  := [field ':'] ( term | "phrase" ['~' slop] | term '~' [edits] | pre* | w?ld*card | /regex/
//!                        | '[' low TO high ']' | '{' low TO high '}' | '*' | '(' query ')' ) ['^' boost]
//! ```
//! Clauses without an operator are alternatives. As in Lucene, AND makes the clauses on both of its sides required and
//! OR does not bind weaker than AND; parentheses say what is meant. A backslash takes the next character literally.

use crate::error::{Result, StorageError};

const MAX_DEPTH: usize = 64;
const MAX_CLAUSES: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occurrence {
    Should,
    Must,
    MustNot,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause {
    pub occurrence: Occurrence,
    pub field: Option<String>,
    pub matcher: Matcher,
    pub boost: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Matcher {
    Term(String),
    Phrase {
        text: String,
        slop: u32,
    },
    Fuzzy {
        text: String,
        edits: u8,
    },
    /// Pieces of literal text between wildcards.
    Pattern(Vec<PatternPart>),
    Regex(String),
    /// Inclusive or exclusive bounds; None is open.
    Range {
        lower: Option<String>,
        upper: Option<String>,
        includes_lower: bool,
        includes_upper: bool,
    },
    All,
    Group(Vec<Clause>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PatternPart {
    Literal(String),
    AnyCharacter,
    AnyText,
}

/// Errors with `InvalidSearchQuery`, naming the position.
pub(crate) fn parse(query: &str) -> Result<Vec<Clause>> {
    let mut parser = Parser { chars: query.chars().collect(), at: 0, depth: 0, clause_count: 0 };
    let clauses = parser.clauses(None)?;
    if parser.at < parser.chars.len() {
        return Err(parser.error("unexpected \")\""));
    }
    Ok(clauses)
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    clause_count: usize,
}

/// A bare word: its parts, and whether anything in it was a wildcard.
struct Word {
    parts: Vec<PatternPart>,
    /// Escaped characters never make a keyword.
    escaped: bool,
}

impl Word {
    fn literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [PatternPart::Literal(text)] => Some(text),
            _ => None,
        }
    }

    fn keyword(&self) -> Option<&str> {
        self.literal().filter(|_| !self.escaped)
    }
}

impl Parser {
    fn error(&self, problem: &str) -> StorageError {
        StorageError::InvalidSearchQuery(format!("search query: {problem} at character {}", self.at + 1))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let taken = self.peek() == Some(wanted);
        self.at += usize::from(taken);
        taken
    }

    fn take_twice(&mut self, wanted: char) -> bool {
        let taken = self.peek() == Some(wanted) && self.chars.get(self.at + 1) == Some(&wanted);
        self.at += if taken { 2 } else { 0 };
        taken
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Takes a keyword that stands alone.
    fn take_keyword(&mut self, keyword: &str) -> bool {
        let end = self.at + keyword.len();
        let here = self.chars.get(self.at..end).is_some_and(|chars| chars.iter().copied().eq(keyword.chars()));
        let alone = self.chars.get(end).is_none_or(|c| c.is_whitespace() || "()\"+-!".contains(*c));
        if here && alone {
            self.at = end;
        }
        here && alone
    }

    /// Clauses up to the end or a closing parenthesis.
    fn clauses(&mut self, field: Option<&str>) -> Result<Vec<Clause>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("too deep nesting"));
        }
        let mut clauses: Vec<Clause> = Vec::new();
        loop {
            self.skip_space();
            let and = self.take_keyword("AND") || self.take_twice('&');
            let or = !and && (self.take_keyword("OR") || self.take_twice('|'));
            self.skip_space();
            if (and || or) && (clauses.is_empty() || matches!(self.peek(), None | Some(')'))) {
                return Err(self.error("an operator needs a clause on both sides"));
            }
            let Some(next) = self.peek().filter(|c| *c != ')') else { break };
            let occurrence = match next {
                '+' => Occurrence::Must,
                '-' | '!' => Occurrence::MustNot,
                _ if self.take_keyword("NOT") => Occurrence::MustNot,
                _ if and => Occurrence::Must,
                _ => Occurrence::Should,
            };
            if matches!(next, '+' | '-' | '!') {
                self.at += 1;
            }
            self.skip_space();
            if and
                && let Some(previous) = clauses.last_mut()
                && previous.occurrence == Occurrence::Should
            {
                previous.occurrence = Occurrence::Must;
            }
            self.clause_count += 1;
            if self.clause_count > MAX_CLAUSES {
                return Err(self.error("more than 1024 clauses"));
            }
            clauses.push(self.clause(field, occurrence)?);
        }
        self.depth -= 1;
        Ok(clauses)
    }

    fn clause(&mut self, outer_field: Option<&str>, occurrence: Occurrence) -> Result<Clause> {
        let mut field = outer_field.map(str::to_owned);
        let mut word = None;
        if self.starts_word() {
            let first = self.word()?;
            if self.peek() == Some(':') {
                self.at += 1;
                match (first.literal(), &first.parts[..]) {
                    (Some(name), _) => field = Some(name.to_owned()),
                    // `*:*` is every document.
                    (None, [PatternPart::AnyText]) => field = None,
                    _ => return Err(self.error("a field name cannot hold wildcards")),
                }
                if self.starts_word() {
                    word = Some(self.word()?);
                }
            } else {
                word = Some(first);
            }
        }
        let matcher = match word {
            Some(word) => self.after_word(word)?,
            None => self.delimited(field.as_deref())?,
        };
        let boost =
            if self.take('^') { self.number("a boost")?.ok_or_else(|| self.error("expected a boost"))? } else { 1.0 };
        Ok(Clause { occurrence, field, matcher, boost })
    }

    fn starts_word(&self) -> bool {
        self.peek().is_some_and(|c| !c.is_whitespace() && !"()[]{}\"^~:/+-!".contains(c))
    }

    fn word(&mut self) -> Result<Word> {
        let mut word = Word { parts: Vec::new(), escaped: false };
        let mut literal = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.at += 1;
                    let escaped = self.peek().ok_or_else(|| self.error("nothing follows the backslash"))?;
                    literal.push(escaped);
                    word.escaped = true;
                }
                '*' | '?' => {
                    if !literal.is_empty() {
                        word.parts.push(PatternPart::Literal(std::mem::take(&mut literal)));
                    }
                    word.parts.push(if c == '*' { PatternPart::AnyText } else { PatternPart::AnyCharacter });
                }
                c if c.is_whitespace() || "()[]{}\"^~:".contains(c) => break,
                c => literal.push(c),
            }
            self.at += 1;
        }
        if !literal.is_empty() {
            word.parts.push(PatternPart::Literal(literal));
        }
        Ok(word)
    }

    fn after_word(&mut self, word: Word) -> Result<Matcher> {
        if matches!(word.keyword(), Some("AND" | "OR" | "NOT" | "&&" | "||")) {
            return Err(self.error("an operator needs a clause on both sides"));
        }
        let Some(text) = word.literal() else {
            return Ok(match &word.parts[..] {
                [PatternPart::AnyText] => Matcher::All,
                _ => Matcher::Pattern(word.parts),
            });
        };
        if !self.take('~') {
            return Ok(Matcher::Term(text.to_owned()));
        }
        let edits = match self.number("edits")? {
            None => 2,
            // Lucene's old similarity between 0 and 1.
            Some(similarity) if similarity > 0.0 && similarity < 1.0 => {
                ((1.0 - similarity) * text.chars().count() as f32).min(2.0) as u8
            }
            Some(edits) => edits.clamp(0.0, 2.0) as u8,
        };
        Ok(Matcher::Fuzzy { text: text.to_owned(), edits })
    }

    fn delimited(&mut self, field: Option<&str>) -> Result<Matcher> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let clauses = self.clauses(field)?;
                if !self.take(')') {
                    return Err(self.error("expected \")\""));
                }
                Ok(Matcher::Group(clauses))
            }
            Some('"') => {
                self.at += 1;
                let text = self.until('"')?;
                let slop = if self.take('~') { self.number("a slop")?.unwrap_or(0.0).clamp(0.0, 1_000.0) } else { 0.0 };
                Ok(Matcher::Phrase { text, slop: slop as u32 })
            }
            Some('/') => {
                self.at += 1;
                Ok(Matcher::Regex(self.until('/')?))
            }
            Some(open @ ('[' | '{')) => {
                self.at += 1;
                let lower = self.bound()?;
                self.skip_space();
                if !self.take_keyword("TO") {
                    return Err(self.error("expected TO"));
                }
                let upper = self.bound()?;
                self.skip_space();
                let close = self.peek();
                if !matches!(close, Some(']' | '}')) {
                    return Err(self.error("expected \"]\" or \"}\""));
                }
                self.at += 1;
                Ok(Matcher::Range { lower, upper, includes_lower: open == '[', includes_upper: close == Some(']') })
            }
            Some(c) => Err(self.error(&format!("unexpected \"{c}\""))),
            None => Err(self.error("unexpected end")),
        }
    }

    /// A range's bound; None for `*`.
    fn bound(&mut self) -> Result<Option<String>> {
        self.skip_space();
        if self.take('"') {
            return self.until('"').map(Some);
        }
        if !self.starts_word() {
            return Err(self.error("expected a bound"));
        }
        let word = self.word()?;
        match (word.literal(), &word.parts[..]) {
            (Some(text), _) => Ok(Some(text.to_owned())),
            (None, [PatternPart::AnyText]) => Ok(None),
            _ => Err(self.error("a bound cannot hold wildcards")),
        }
    }

    /// Text up to an unescaped delimiter.
    fn until(&mut self, end: char) -> Result<String> {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '\\' if self.peek().is_some() => {
                    // A regular expression keeps its own escapes.
                    if end == '/' && self.peek() != Some('/') {
                        text.push('\\');
                    }
                    text.extend(self.peek());
                    self.at += 1;
                }
                c if c == end => return Ok(text),
                c => text.push(c),
            }
        }
        Err(self.error(&format!("expected {end:?}")))
    }

    fn number(&mut self, what: &str) -> Result<Option<f32>> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit() || c == '.') {
            self.at += 1;
        }
        if start == self.at {
            return Ok(None);
        }
        let digits: String = self.chars[start..self.at].iter().collect();
        let number = digits.parse::<f32>().ok().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| self.error(&format!("{what} is not a number")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints a query back in a canonical form.
    fn show(clauses: &[Clause]) -> String {
        let show_one = |clause: &Clause| {
            let sign = match clause.occurrence {
                Occurrence::Should => "",
                Occurrence::Must => "+",
                Occurrence::MustNot => "-",
            };
            let field = clause.field.as_ref().map(|field| format!("{field}:")).unwrap_or_default();
            let matcher = match &clause.matcher {
                Matcher::Term(text) => text.clone(),
                Matcher::Group(clauses) => format!("({})", show(clauses)),
                other => format!("{other:?}").replace("PatternPart::", ""),
            };
            let boost = if clause.boost == 1.0 { String::new() } else { format!("^{}", clause.boost) };
            format!("{sign}{field}{matcher}{boost}")
        };
        clauses.iter().map(show_one).collect::<Vec<_>>().join(" ")
    }

    fn check(query: &str, expected: &str) {
        let actual = parse(query).map(|clauses| show(&clauses)).unwrap_or_else(|error| error.to_string());
        assert_eq!(actual, expected, "{query}");
    }

    #[test]
    fn operators_follow_lucene() {
        check("a b", "a b");
        check("a AND b", "+a +b");
        check("a AND NOT b", "+a -b");
        check("a OR b AND c", "a +b +c");
        check("+a -b !c && d", "+a -b -c +d");
        check("name:ann (x OR y)^2", "name:ann (x y)^2");
        check("title:(a b) c", "title:(title:a title:b) c");
        check("e-mail ANDREW", "e-mail ANDREW");
    }

    #[test]
    fn matchers() {
        check("\"big \\\"wolf\"~2", "Phrase { text: \"big \\\"wolf\", slop: 2 }");
        check("nam*", "Pattern([Literal(\"nam\"), AnyText])");
        check("w?ld", "Pattern([Literal(\"w\"), AnyCharacter, Literal(\"ld\")])");
        check("matrix~ matrx~1", "Fuzzy { text: \"matrix\", edits: 2 } Fuzzy { text: \"matrx\", edits: 1 }");
        check("*:* *", "All All");
        check("a\\*\\:b", "a*:b");
        check("f:[a TO *}", "f:Range { lower: Some(\"a\"), upper: None, includes_lower: true, includes_upper: false }");
        check("/ab+\\//", "Regex(\"ab+/\")");
        check("", "");
    }

    #[test]
    fn errors_name_the_position() {
        check("(a", "search query: expected \")\" at character 3");
        check("a)", "search query: unexpected \")\" at character 2");
        check("\"a", "search query: expected '\"' at character 3");
        check("AND a", "search query: an operator needs a clause on both sides at character 5");
        check("a OR", "search query: an operator needs a clause on both sides at character 5");
        check("f:[a b]", "search query: expected TO at character 6");
        check("a^x", "search query: expected a boost at character 3");
        check(&"(".repeat(100), "search query: too deep nesting at character 65");
        check("a\\", "search query: nothing follows the backslash at character 3");
    }

    #[test]
    fn no_input_panics() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand::rngs::StdRng::seed_from_u64(17);
        let alphabet: Vec<char> = "ab \\\"()[]{}^~*?:/+-!&|ANDORTO.1é東".chars().collect();
        for _ in 0..5_000 {
            let len = rng.random_range(0..24usize);
            let query: String = (0..len).map(|_| alphabet[rng.random_range(0..alphabet.len())]).collect();
            let _ = parse(&query);
        }
    }
}
