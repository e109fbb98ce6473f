//! The grammar.
//!
//! ```text
//! CREATE [OR REPLACE] SECRET name FROM ENV 'VAR' FOR HOST 'host'
//! CREATE [OR REPLACE] MODEL  name WITH (option = value, …)
//! CREATE [OR REPLACE] TOOL   name (param type ['description'], …) LANGUAGE sql|cypher|http AS 'body' [WITH (…)]
//! CREATE [OR REPLACE] MEMORY name [WITH (…)]
//! CREATE [OR REPLACE] AGENT  name [TYPE t] [MODEL m] [TOOLS (a, b)] [MEMORY m] [PROMPT 'text'] [WITH (…)] [AS 'json']
//! ALTER kind name SET (option = value, …)
//! DROP  kind [IF EXISTS] name
//! ```
//! The clauses of CREATE AGENT come in any order, each once. Values are strings, numbers, TRUE, FALSE, NULL and names.

use serde_json::{Map, Value as JsonValue, json};
use sinew::{QueryError, Result};
use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use crate::objects::ObjectKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    CreateOrReplace,
    Alter,
    Drop { if_exists: bool },
}

/// A parsed statement. `definition` is what the object's reader checks; empty for DROP.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub action: Action,
    pub kind: ObjectKind,
    pub name: String,
    pub definition: JsonValue,
    /// Where each field of the definition stands, for errors: 1-based, in characters.
    pub positions: Vec<(String, usize)>,
}

impl Statement {
    /// As the client is told when it is done.
    pub fn tag(&self) -> String {
        let verb = match self.action {
            Action::Create | Action::CreateOrReplace => "CREATE",
            Action::Alter => "ALTER",
            Action::Drop { .. } => "DROP",
        };
        format!("{verb} {}", self.kind.name().to_uppercase())
    }

    /// Where a field of the definition stands.
    pub fn position_of(&self, field: &str) -> Option<usize> {
        self.positions.iter().find(|(name, _)| name == field).map(|(_, position)| *position)
    }
}

/// Whether a statement that begins with these words (upper case) is one of ours.
pub fn claims(words: &[String]) -> bool {
    let kind = match words {
        [create, or, replace, kind, ..] if create == "CREATE" && or == "OR" && replace == "REPLACE" => kind,
        [verb, kind, ..] if ["CREATE", "ALTER", "DROP"].contains(&verb.as_str()) => kind,
        _ => return false,
    };
    ObjectKind::from_keyword(kind).is_some()
}

/// Parses one statement. 42601 with position and what was expected.
pub fn parse(text: &str) -> Result<Statement> {
    let mut parser = Parser { cursor: Cursor::new(text)?, fields: Map::new(), positions: Vec::new() };
    let (action, kind, name) = parser.statement()?;
    if !parser.cursor.at_end() {
        return Err(parser.cursor.expected("the end of the statement"));
    }
    Ok(Statement { action, kind, name, definition: parser.fields.into(), positions: parser.positions })
}

struct Parser {
    cursor: Cursor,
    fields: Map<String, JsonValue>,
    positions: Vec<(String, usize)>,
}

impl Parser {
    fn statement(&mut self) -> Result<(Action, ObjectKind, String)> {
        let action = if self.cursor.take_word("CREATE") {
            if self.cursor.take_word("OR") {
                self.cursor.expect_word("REPLACE")?;
                Action::CreateOrReplace
            } else {
                Action::Create
            }
        } else if self.cursor.take_word("ALTER") {
            Action::Alter
        } else if self.cursor.take_word("DROP") {
            Action::Drop { if_exists: false }
        } else {
            return Err(self.cursor.expected("CREATE, ALTER or DROP"));
        };
        let kind = ObjectKind::ALL.into_iter().find(|kind| self.cursor.take_word(kind.name()));
        let kind = kind.ok_or_else(|| self.cursor.expected("MODEL, TOOL, MEMORY, AGENT or SECRET"))?;
        let action = match action {
            Action::Drop { .. } if self.cursor.take_word("IF") => {
                self.cursor.expect_word("EXISTS")?;
                Action::Drop { if_exists: true }
            }
            action => action,
        };
        let name = self.cursor.identifier(&format!("the name of the {}", kind.name()))?;
        match action {
            Action::Drop { .. } => {}
            Action::Alter => {
                self.cursor.expect_word("SET")?;
                self.options()?;
            }
            Action::Create | Action::CreateOrReplace => match kind {
                ObjectKind::Secret => self.secret()?,
                ObjectKind::Model => {
                    self.cursor.expect_word("WITH")?;
                    self.options()?;
                }
                ObjectKind::Tool => self.tool()?,
                ObjectKind::Memory => {
                    if self.cursor.take_word("WITH") {
                        self.options()?;
                    }
                }
                ObjectKind::Agent => self.agent()?,
            },
        }
        Ok((action, kind, name))
    }

    fn secret(&mut self) -> Result<()> {
        self.cursor.expect_word("FROM")?;
        self.cursor.expect_word("ENV")?;
        let position = self.cursor.position();
        let env = self.cursor.expect_string("the name of an environment variable in quotes")?;
        self.put("env", env.into(), position)?;
        self.cursor.expect_word("FOR")?;
        self.cursor.expect_word("HOST")?;
        let position = self.cursor.position();
        let host = self.cursor.expect_string("a host name in quotes")?;
        self.put("host", host.into(), position)
    }

    fn tool(&mut self) -> Result<()> {
        let position = self.cursor.position();
        let mut params: Vec<JsonValue> = Vec::new();
        self.cursor.expect(&Token::LParen)?;
        if !self.cursor.take(&Token::RParen) {
            loop {
                params.push(self.tool_param()?);
                if self.cursor.take(&Token::RParen) {
                    break;
                }
                if !self.cursor.take(&Token::Comma) {
                    return Err(self.cursor.expected("\",\" or \")\""));
                }
            }
        }
        self.put("parameters", params.into(), position)?;
        self.cursor.expect_word("LANGUAGE")?;
        let position = self.cursor.position();
        let language = self.cursor.identifier("sql, cypher or http")?;
        self.put("language", language.into(), position)?;
        self.cursor.expect_word("AS")?;
        let position = self.cursor.position();
        let body = self.cursor.expect_string("the tool's body in quotes or $$")?;
        self.put("body", body.into(), position)?;
        if self.cursor.take_word("WITH") {
            self.options()?;
        }
        Ok(())
    }

    fn tool_param(&mut self) -> Result<JsonValue> {
        let name = self.cursor.identifier("a parameter name or \")\"")?;
        let mut ty = String::new();
        let mut depth = 0usize;
        loop {
            let piece = match self.cursor.peek() {
                Some(Token::Word(word)) => word.value.to_lowercase(),
                Some(Token::Number(number, _)) if depth > 0 => number.clone(),
                Some(Token::LParen) if !ty.is_empty() => {
                    depth += 1;
                    "(".to_owned()
                }
                Some(Token::RParen) if depth > 0 => {
                    depth -= 1;
                    ")".to_owned()
                }
                Some(Token::Comma) if depth > 0 => ",".to_owned(),
                Some(Token::LBracket) if !ty.is_empty() => "[".to_owned(),
                Some(Token::RBracket) if ty.ends_with('[') => "]".to_owned(),
                _ => break,
            };
            let word = piece.chars().all(|c| c.is_alphanumeric() || c == '_');
            if word && ty.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                ty.push(' ');
            }
            ty.push_str(&piece);
            self.cursor.advance();
        }
        if ty.is_empty() || depth > 0 {
            return Err(self.cursor.expected("the parameter's type"));
        }
        let mut param = json!({"name": name, "type": ty});
        if let Some(description) = self.cursor.string() {
            param["description"] = description.into();
        }
        Ok(param)
    }

    fn agent(&mut self) -> Result<()> {
        while !self.cursor.at_end() {
            let position = self.cursor.position();
            if self.cursor.take_word("TYPE") {
                let ty = self.cursor.identifier("an agent type")?;
                self.put("type", ty.into(), position)?;
            } else if self.cursor.take_word("MODEL") {
                let model = self.cursor.identifier("the name of a model")?;
                self.put("model", model.into(), position)?;
            } else if self.cursor.take_word("MEMORY") {
                let memory = self.cursor.identifier("the name of a memory")?;
                self.put("memory", memory.into(), position)?;
            } else if self.cursor.take_word("TOOLS") {
                let tools = self.names()?;
                self.put("tools", tools.into(), position)?;
            } else if self.cursor.take_word("PROMPT") {
                let prompt = self.cursor.expect_string("the prompt in quotes or $$")?;
                self.put("prompt", prompt.trim().into(), position)?;
            } else if self.cursor.take_word("WITH") {
                self.options()?;
            } else if self.cursor.take_word("AS") {
                self.body()?;
            } else {
                return Err(self.cursor.expected("TYPE, MODEL, TOOLS, MEMORY, PROMPT, WITH or AS"));
            }
        }
        Ok(())
    }

    /// The JSON body of kinds that have one; its members become fields.
    fn body(&mut self) -> Result<()> {
        let position = self.cursor.position();
        let text = self.cursor.expect_string("a JSON object in quotes or $$")?;
        match serde_json::from_str(&text) {
            Ok(JsonValue::Object(members)) => {
                for (field, value) in members {
                    self.put(&field, value, position)?;
                }
                Ok(())
            }
            Ok(_) => Err(QueryError::syntax("syntax error: expected a JSON object after AS", Some(position))),
            Err(error) => {
                Err(QueryError::syntax(format!("syntax error in the JSON after AS: {error}"), Some(position)))
            }
        }
    }

    fn names(&mut self) -> Result<Vec<JsonValue>> {
        let mut names = Vec::new();
        self.cursor.expect(&Token::LParen)?;
        if self.cursor.take(&Token::RParen) {
            return Ok(names);
        }
        loop {
            names.push(self.cursor.identifier("the name of a tool")?.into());
            if self.cursor.take(&Token::RParen) {
                return Ok(names);
            }
            if !self.cursor.take(&Token::Comma) {
                return Err(self.cursor.expected("\",\" or \")\""));
            }
        }
    }

    /// `(option = value, …)`.
    fn options(&mut self) -> Result<()> {
        self.cursor.expect(&Token::LParen)?;
        if self.cursor.take(&Token::RParen) {
            return Ok(());
        }
        loop {
            let position = self.cursor.position();
            let option = self.cursor.identifier("the name of an option")?;
            self.cursor.expect(&Token::Eq)?;
            let value = self.value()?;
            self.put(&option, value, position)?;
            if self.cursor.take(&Token::RParen) {
                return Ok(());
            }
            if !self.cursor.take(&Token::Comma) {
                return Err(self.cursor.expected("\",\" or \")\""));
            }
        }
    }

    fn value(&mut self) -> Result<JsonValue> {
        if let Some(text) = self.cursor.string() {
            return Ok(text.into());
        }
        let negative = self.cursor.take(&Token::Minus);
        if let Some(Token::Number(number, _)) = self.cursor.peek() {
            let text = if negative { format!("-{number}") } else { number.clone() };
            // SQL writes .5 and 5. where JSON does not.
            let number = match text.parse::<i64>() {
                Ok(int) => Some(int.into()),
                Err(_) => text.parse::<f64>().ok().and_then(serde_json::Number::from_f64),
            };
            let Some(number) = number else { return Err(self.cursor.expected("a number")) };
            self.cursor.advance();
            return Ok(JsonValue::Number(number));
        }
        if negative {
            return Err(self.cursor.expected("a number"));
        }
        for (word, value) in [("TRUE", json!(true)), ("FALSE", json!(false)), ("NULL", JsonValue::Null)] {
            if self.cursor.take_word(word) {
                return Ok(value);
            }
        }
        self.cursor.identifier("a value").map(JsonValue::from)
    }

    /// Each field once.
    fn put(&mut self, field: &str, value: JsonValue, position: usize) -> Result<()> {
        if self.fields.insert(field.to_owned(), value).is_some() {
            let message = format!("syntax error: \"{field}\" is given twice");
            return Err(QueryError::syntax(message, Some(position)));
        }
        self.positions.push((field.to_owned(), position));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, action: Action, name: &str, definition: JsonValue) {
        let statement = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((statement.action, statement.name.as_str()), (action, name), "{text}");
        assert_eq!(statement.definition, definition, "{text}");
    }

    #[track_caller]
    fn check_error(text: &str, position: usize, message: &str) {
        let error = parse(text).expect_err(text);
        assert_eq!(
            (error.sqlstate(), error.0.message.as_str(), error.0.position),
            ("42601", message, Some(position)),
            "{text}"
        );
    }

    #[test]
    fn forms_of_the_reference() {
        check(
            "CREATE SECRET openai FROM ENV 'OPENAI_API_KEY' FOR HOST 'api.openai.com';",
            Action::Create,
            "openai",
            json!({"env": "OPENAI_API_KEY", "host": "api.openai.com"}),
        );
        check(
            "create model Fast with (provider = 'openai', secret = openai, usd_per_mtok_in = 0.15, max_retries = 2)",
            Action::Create,
            "fast",
            json!({"provider": "openai", "secret": "openai", "usd_per_mtok_in": 0.15, "max_retries": 2}),
        );
        check(
            "CREATE OR REPLACE TOOL find_orders(customer text 'customer name', n numeric(10,2), ids bigint[], at timestamp with time zone)
             LANGUAGE sql AS $$ SELECT * FROM orders WHERE customer = $1 $$ WITH (effect = 'pure', timeout = '2s')",
            Action::CreateOrReplace,
            "find_orders",
            json!({"parameters": [{"name": "customer", "type": "text", "description": "customer name"},
                    {"name": "n", "type": "numeric(10,2)"}, {"name": "ids", "type": "bigint[]"},
                    {"name": "at", "type": "timestamp with time zone"}],
                "language": "sql", "body": " SELECT * FROM orders WHERE customer = $1 ",
                "effect": "pure", "timeout": "2s"}),
        );
        check(
            "CREATE TOOL now_is() LANGUAGE cypher AS $q$ RETURN '$$' $q$",
            Action::Create,
            "now_is",
            json!({"parameters": [], "language": "cypher", "body": " RETURN '$$' "}),
        );
        check("CREATE MEMORY \"My Mem\"", Action::Create, "My Mem", json!({}));
        check(
            "CREATE AGENT helper TYPE react MODEL fast TOOLS (find_orders, friends) MEMORY support
               PROMPT $$ You help {{ user }}. $$ WITH (max_iterations = 5, max_usd = 0.25, timeout = '90s')",
            Action::Create,
            "helper",
            json!({"type": "react", "model": "fast", "tools": ["find_orders", "friends"], "memory": "support",
                "prompt": "You help {{ user }}.", "max_iterations": 5, "max_usd": 0.25, "timeout": "90s"}),
        );
        check(
            "CREATE AGENT triage TYPE graph WITH (max_parallel = 3) AS $$ {\"nodes\": []} $$",
            Action::Create,
            "triage",
            json!({"type": "graph", "max_parallel": 3, "nodes": []}),
        );
        check(
            "ALTER AGENT helper SET (max_usd = -1, prompt = NULL)",
            Action::Alter,
            "helper",
            json!({"max_usd": -1, "prompt": null}),
        );
        check("DROP TOOL IF EXISTS friends", Action::Drop { if_exists: true }, "friends", json!({}));
        check("DROP MODEL fast", Action::Drop { if_exists: false }, "fast", json!({}));
    }

    #[test]
    fn errors_say_where_and_what_was_expected() {
        check_error("CREATE MODEL", 13, "syntax error: expected the name of the model, found the end of the statement");
        check_error("CREATE MODEL m (", 16, "syntax error: expected WITH, found \"(\"");
        check_error("CREATE MODEL m\n  WITH (provider 'x')", 33, "syntax error: expected \"=\", found \"'x'\"");
        check_error(
            "CREATE AGENT a MODL x",
            16,
            "syntax error: expected TYPE, MODEL, TOOLS, MEMORY, PROMPT, WITH or AS, found \"MODL\"",
        );
        check_error("CREATE AGENT a MODEL x MODEL y", 24, "syntax error: \"model\" is given twice");
        check_error("DROP AGENT a b", 14, "syntax error: expected the end of the statement, found \"b\"");
        check_error(
            "CREATE TOOL t(a) LANGUAGE sql AS 'x'",
            16,
            "syntax error: expected the parameter's type, found \")\"",
        );
        check_error("ALTER AGENT a RESET x", 15, "syntax error: expected SET, found \"RESET\"");
        let error = parse("CREATE MODEL m WITH (model = 'x").expect_err("unterminated");
        assert_eq!((error.sqlstate(), error.0.position), ("42601", Some(30)));
    }

    #[test]
    fn positions_of_fields() {
        let statement = parse("CREATE MODEL m WITH (provider = 'openai', modle = 'x')").expect("grammar is right");
        assert_eq!(statement.position_of("modle"), Some(43));
        assert_eq!(statement.tag(), "CREATE MODEL");
    }

    #[test]
    fn claims_by_leading_words() {
        let claim = |text: &str| claims(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(claim("CREATE OR REPLACE AGENT X"));
        assert!(claim("DROP SECRET IF EXISTS"));
        assert!(claim("ALTER MEMORY M"));
        assert!(!claim("CREATE TABLE AGENT"));
        assert!(!claim("CREATE OR REPLACE VIEW AGENT"));
        assert!(!claim("SELECT AGENT"));
    }
}
