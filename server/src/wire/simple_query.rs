//! The simple protocol: one message, any number of statements, one implicit transaction around them.

use std::time::Instant;

use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};
use sinew::{Execution, Prepared, QueryError, Result, RowCursor, ShortStatement, StatementText, Value};

use crate::metrics::StatementClass;

use super::backend::{Backend, drive_rows};
use super::encode::{Format, encode_row, push_message, row_description};

impl Backend {
    pub(super) fn simple_query(&mut self, text: &str) {
        // A simple query ends whatever the extended protocol left unnamed.
        self.statements.remove("");
        self.close_portal("");
        match self.session.prepare_short(text) {
            Some(short) => {
                if let Err(error) = self.run_short(&short) {
                    self.report(&short.located(error, text, &self.session), 0);
                }
            }
            None => {
                let statements = self.session.split(text);
                if let Err((error, offset_chars)) = self.run_statements(&statements) {
                    self.report(&error, offset_chars);
                }
            }
        }
        self.implicit_block = false;
        self.drop_portals_outside_block();
        self.ready_for_query();
    }

    /// A message that is one short statement.
    fn run_short(&mut self, short: &ShortStatement) -> Result<()> {
        let started = Instant::now();
        self.publish_statement(StatementClass::Other);
        let tag = self.run_prepared(&short.prepared, short.params.clone(), StatementClass::Other)?;
        self.session.sync()?;
        self.observe(StatementClass::Other, started);
        push_message(&CommandComplete::new(tag.unwrap_or_default()), &mut self.out);
        Ok(())
    }

    /// On error: the error and the characters before its statement.
    fn run_statements(&mut self, statements: &[StatementText]) -> Result<(), (QueryError, usize)> {
        let several = statements.len() > 1;
        if several {
            self.session.begin_implicit_block();
        }
        let mut answered = false;
        for (index, statement) in statements.iter().enumerate() {
            let is_last = index + 1 == statements.len();
            let tag = self.run_statement(statement).map_err(|error| (error, statement.offset_chars))?;
            // The transaction of several statements commits before its last tag: who sees the tag may rely on it.
            if is_last && several {
                self.session.sync().map_err(|error| (error, 0))?;
            }
            if let Some(tag) = tag {
                push_message(&CommandComplete::new(tag), &mut self.out);
                answered = true;
            }
        }
        if !several {
            self.session.sync().map_err(|error| (error, 0))?;
        }
        if !answered {
            push_message(&EmptyQueryResponse::new(), &mut self.out);
        }
        Ok(())
    }

    /// Runs one statement and sends its rows; None for an empty one.
    fn run_statement(&mut self, statement: &StatementText) -> Result<Option<String>> {
        let started = Instant::now();
        let class = StatementClass::of(&statement.text);
        self.publish_statement(class);
        self.finish_portals_before(&statement.text);
        let prepared = self.session.prepare_once(&statement.text)?;
        if !prepared.params.is_empty() {
            return Err(QueryError::new(sinew::sqlstate::UNDEFINED_PARAMETER, "there is no parameter $1")
                .hint("the simple protocol has no parameters"));
        }
        let tag = self.run_prepared(&prepared, Vec::new(), class)?;
        self.observe(class, started);
        Ok(tag)
    }

    /// Sends what the statement gives but for its tag; None for an empty one.
    fn run_prepared(
        &mut self,
        prepared: &Prepared,
        params: Vec<Value>,
        class: StatementClass,
    ) -> Result<Option<String>> {
        let execution = self.session.execute(prepared, params)?;
        self.publish_statement(class);
        Ok(match execution {
            Execution::Empty => None,
            Execution::Command(tag) => Some(tag),
            Execution::Rows(cursor) => Some(self.send_result(cursor, prepared.returns_rows)?),
            Execution::CopyIn(copy) => Some(self.copy_in(copy)?),
            Execution::CopyOut(mut cursor, options) => match self.copy_out(&mut cursor, &options) {
                Ok(sent) => Some(self.session.finish(cursor, sent)?),
                Err(error) => {
                    self.session.fail(cursor);
                    return Err(error);
                }
            },
        })
    }

    fn send_result(&mut self, mut cursor: RowCursor, returns_rows: bool) -> Result<String> {
        let columns = cursor.columns.clone();
        let format = if cursor.is_binary { Format::Binary } else { Format::Text };
        let formats = vec![format; columns.len()];
        if returns_rows {
            push_message(&row_description(&columns, &formats), &mut self.out);
        }
        let mut scratch = Vec::new();
        let sent = drive_rows(&self.shared, &mut self.out, &mut cursor, |context, batch, row, out| {
            if returns_rows {
                encode_row(context, batch, row, &columns, &formats, &mut scratch, out)?;
            }
            Ok(())
        });
        match sent {
            Ok(sent) => self.session.finish(cursor, sent),
            Err(error) => {
                self.session.fail(cursor);
                Err(error)
            }
        }
    }
}
