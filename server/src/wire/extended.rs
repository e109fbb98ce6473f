//! The extended protocol: Parse, Bind, Describe, Execute, Close, Sync.
//!
//! Transactions: statements up to Sync share one implicit transaction. An Execute that is the only one of its pipeline
//! and whose Sync has arrived already (what drivers send for a single statement) runs under plain autocommit, so that its
//! CommandComplete already means committed.
//!
//! Portals: a portal that reached its row limit keeps its cursor. Cursors do not outlive their transaction: they are
//! finished before a statement that ends the block, and at Sync outside a block.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};
use sinew::query::types;
use sinew::{Batch, DataType, Execution, Prepared, QueryError, Result, RowCursor, TransactionStatus, Value, sqlstate};

use crate::metrics::StatementClass;

use super::backend::{Backend, send_piece};
use super::encode::{Format, decode_parameter, encode_row, expand_formats, push_message, row_description};
use super::errors::{code, protocol_violation};
use super::outbox::FLUSH_SIZE_BYTES;

/// Prepared statements, and portals, that one connection may hold.
const NAME_LIMIT: usize = 16_384;

/// A statement by name. `prepared` is None for an empty one.
pub struct Statement {
    prepared: Option<Prepared>,
    text: String,
    class: StatementClass,
    /// Characters before the statement in the text that the client sent.
    offset_chars: usize,
    /// Its RowDescription message, in the formats that were asked for first.
    described: OnceLock<(Vec<Format>, Bytes)>,
}

impl Statement {
    fn new(prepared: Option<Prepared>, text: String, offset_chars: usize) -> Statement {
        let class = StatementClass::of(&text);
        Statement { prepared, text, class, offset_chars, described: OnceLock::new() }
    }
}

/// A statement with its parameters, ready to run or part way through.
pub struct Portal {
    statement: Arc<Statement>,
    formats: Vec<Format>,
    state: PortalState,
}

enum PortalState {
    Ready(Vec<Value>),
    /// Reached a row limit.
    Suspended(Suspended),
    /// Ran to its end, or failed.
    Done,
}

struct Suspended {
    cursor: RowCursor,
    /// The batch that the limit cut, from this row on.
    rest: Option<(Batch, usize)>,
    sent: u64,
}

impl Backend {
    pub(super) fn parse(&mut self, message: Parse) -> Result<()> {
        let name = message.name.unwrap_or_default();
        self.forget_deallocated();
        if name.is_empty() {
            self.statements.remove("");
        } else if self.statements.contains_key(&name) || self.session.has_statement(&name) {
            return Err(QueryError::new(
                code::DUPLICATE_PREPARED_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        } else if self.statements.len() >= NAME_LIMIT {
            return Err(limit_error("prepared statements"));
        }
        let mut types = Vec::with_capacity(message.type_oids.len());
        for oid in message.type_oids {
            types.push(match oid {
                0 => DataType::Unknown,
                oid => self.session.type_by_oid(oid).ok_or_else(|| {
                    QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("type with OID {oid} does not exist"))
                })?,
            });
        }
        let parts = self.session.split(&message.query);
        let statement = match parts.as_slice() {
            [] => Statement::new(None, String::new(), 0),
            [part] => {
                self.publish_statement(StatementClass::Other);
                let prepared = self
                    .session
                    .prepare(&part.text, &types)
                    .map_err(|error| shift_position(error, part.offset_chars))?;
                Statement::new(Some(prepared), part.text.clone(), part.offset_chars)
            }
            _ => {
                return Err(QueryError::new(
                    sqlstate::SYNTAX_ERROR,
                    "cannot insert multiple commands into a prepared statement",
                ));
            }
        };
        if let Some(prepared) = statement.prepared.as_ref().filter(|_| !name.is_empty()) {
            self.session.keep_statement(&name, prepared.clone(), &message.query, false);
        }
        self.statements.insert(name, Arc::new(statement));
        push_message(&ParseComplete::new(), &mut self.out);
        Ok(())
    }

    pub(super) fn bind(&mut self, message: Bind) -> Result<()> {
        let statement = self.statement(message.statement_name.as_deref().unwrap_or_default())?;
        let portal_name = message.portal_name.unwrap_or_default();
        if portal_name.is_empty() {
            self.close_portal("");
        } else if self.portals.get(&portal_name).is_some() {
            return Err(QueryError::new(code::DUPLICATE_CURSOR, format!("cursor \"{portal_name}\" already exists")));
        } else if self.portals.len() >= NAME_LIMIT {
            return Err(limit_error("portals"));
        }
        let (param_types, column_count) = match &statement.prepared {
            Some(prepared) => (prepared.params.as_slice(), prepared.columns.len()),
            None => (&[][..], 0),
        };
        if message.parameters.len() != param_types.len() {
            return Err(protocol_violation(format!(
                "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                message.parameters.len(),
                message.statement_name.as_deref().unwrap_or_default(),
                param_types.len()
            )));
        }
        let param_formats = expand_formats(&message.parameter_format_codes, param_types.len(), "parameter")?;
        let formats = expand_formats(&message.result_column_format_codes, column_count, "result")?;
        let mut values = Vec::with_capacity(param_types.len());
        let mut context = None;
        for (index, (bytes, (ty, format))) in
            message.parameters.iter().zip(param_types.iter().zip(param_formats)).enumerate()
        {
            let Some(bytes) = bytes else {
                values.push(Value::Null);
                continue;
            };
            let value = decode_parameter(&mut context, || self.decode_context(), bytes, ty, format)
                .map_err(|error| bad_parameter(error, index + 1, format, &portal_name))?;
            values.push(value);
        }
        self.portals.insert(&portal_name, Portal { statement, formats, state: PortalState::Ready(values) });
        push_message(&BindComplete::new(), &mut self.out);
        Ok(())
    }

    pub(super) fn describe(&mut self, message: &Describe) -> Result<()> {
        let name = message.name.as_deref().unwrap_or_default();
        if message.target_type == b'S' {
            let statement = self.statement(name)?;
            let params = statement.prepared.as_ref().map_or(&[][..], |prepared| &prepared.params);
            push_message(&ParameterDescription::new(params.iter().map(types::type_oid).collect()), &mut self.out);
            let count = statement.prepared.as_ref().map_or(0, |prepared| prepared.columns.len());
            self.describe_rows(&statement, &vec![Format::Text; count]);
        } else {
            let Some(mut portal) = self.portals.remove(name) else {
                // A cursor that DECLARE made is a portal too.
                let columns = self.session.cursor_columns(name).map_err(|_| no_portal(name))?;
                let format = if self.session.cursor_is_binary(name) { Format::Binary } else { Format::Text };
                push_message(&row_description(&columns, &vec![format; columns.len()]), &mut self.out);
                return Ok(());
            };
            if let PortalState::Ready(_) = portal.state
                && let Some(prepared) = &portal.statement.prepared
                && let Some(anew) = self.session.described_anew(prepared)
            {
                let Statement { text, offset_chars, .. } = &*portal.statement;
                portal.statement = Arc::new(Statement::new(Some(anew), text.clone(), *offset_chars));
            }
            self.describe_rows(&portal.statement, &portal.formats);
            self.portals.insert(name, portal);
        }
        Ok(())
    }

    fn describe_rows(&mut self, statement: &Statement, formats: &[Format]) {
        match &statement.prepared {
            Some(prepared) if prepared.returns_rows => {
                let describe = || {
                    let mut message = BytesMut::new();
                    push_message(&row_description(&prepared.columns, formats), &mut message);
                    message.freeze()
                };
                let (known, message) = statement.described.get_or_init(|| (formats.to_vec(), describe()));
                if known == formats {
                    self.out.extend_from_slice(message);
                } else {
                    self.out.extend_from_slice(&describe());
                }
            }
            _ => push_message(&NoData::new(), &mut self.out),
        }
    }

    pub(super) fn execute_portal(&mut self, message: &Execute) -> Result<()> {
        let name = message.name.as_deref().unwrap_or_default();
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        let result = self.run_portal(&mut portal, message.max_rows);
        let offset_chars = portal.statement.offset_chars;
        self.portals.insert(name, portal);
        result.map_err(|error| shift_position(error, offset_chars))
    }

    fn run_portal(&mut self, portal: &mut Portal, max_rows: i32) -> Result<()> {
        let started = Instant::now();
        let statement = portal.statement.clone();
        let Some(prepared) = &statement.prepared else {
            push_message(&EmptyQueryResponse::new(), &mut self.out);
            return Ok(());
        };
        let limit = u64::try_from(max_rows).ok().filter(|limit| *limit > 0);
        let suspended = match std::mem::replace(&mut portal.state, PortalState::Done) {
            PortalState::Suspended(mut suspended) => {
                // Each Execute's tag counts its own rows.
                suspended.sent = 0;
                self.publish_statement(statement.class);
                if let Err(error) = self.session.resume(prepared) {
                    self.session.fail(suspended.cursor);
                    return Err(error);
                }
                suspended
            }
            PortalState::Done if prepared.returns_rows => {
                // Nothing is left of it, as of a cursor at its end.
                push_message(&CommandComplete::new("SELECT 0".to_owned()), &mut self.out);
                return Ok(());
            }
            PortalState::Done => {
                return Err(QueryError::new("55000", "portal cannot be run any more"));
            }
            PortalState::Ready(params) => match self.start_portal(&statement, prepared, params, limit.is_some())? {
                Some(cursor) => Suspended { cursor, rest: None, sent: 0 },
                None => {
                    self.observe(statement.class, started);
                    return Ok(());
                }
            },
        };
        let result = self.send_portal_rows(prepared, &portal.formats, suspended, limit);
        self.observe(statement.class, started);
        if let Some(mut suspended) = result? {
            // Its statement ends here; the rows that are left are kept for the next Execute.
            if let Err(error) = self.session.suspend(&mut suspended.cursor) {
                self.session.fail(suspended.cursor);
                return Err(error);
            }
            portal.state = PortalState::Suspended(suspended);
            push_message(&PortalSuspended::new(), &mut self.out);
        }
        Ok(())
    }

    /// Starts the statement; None when it is complete (its tag is sent). With `in_parts` it may be suspended.
    fn start_portal(
        &mut self,
        statement: &Statement,
        prepared: &Prepared,
        params: Vec<Value>,
        in_parts: bool,
    ) -> Result<Option<RowCursor>> {
        let alone = !self.implicit_block && self.shared.inbox.next_is(b'S');
        if !alone && !self.implicit_block {
            self.session.begin_implicit_block();
            self.implicit_block = true;
        }
        self.finish_portals_before(&statement.text);
        self.publish_statement(statement.class);
        let execution = match in_parts {
            true => self.session.execute_in_parts(prepared, params)?,
            false => self.session.execute(prepared, params)?,
        };
        self.publish_statement(statement.class);
        let tag = match execution {
            Execution::Rows(cursor) => return Ok(Some(cursor)),
            Execution::Command(tag) => tag,
            Execution::CopyIn(copy) => self.copy_in(copy)?,
            Execution::CopyOut(mut cursor, options) => match self.copy_out(&mut cursor, &options) {
                Ok(sent) => self.session.finish(cursor, sent)?,
                Err(error) => {
                    self.session.fail(cursor);
                    return Err(error);
                }
            },
            Execution::Empty => {
                push_message(&EmptyQueryResponse::new(), &mut self.out);
                return Ok(None);
            }
        };
        push_message(&CommandComplete::new(tag), &mut self.out);
        Ok(None)
    }

    /// Sends rows up to `limit`; gives the cursor back when the limit was reached, else finishes it and sends its tag.
    fn send_portal_rows(
        &mut self,
        prepared: &Prepared,
        formats: &[Format],
        mut run: Suspended,
        limit: Option<u64>,
    ) -> Result<Option<Suspended>> {
        match self.pull_rows(prepared, formats, &mut run, limit) {
            Ok(true) => Ok(Some(run)),
            Ok(false) => {
                let tag = self.session.finish(run.cursor, run.sent)?;
                push_message(&CommandComplete::new(tag), &mut self.out);
                Ok(None)
            }
            Err(error) => {
                self.session.fail(run.cursor);
                Err(error)
            }
        }
    }

    /// True when the limit was reached, even if no row is left behind it, as in PostgreSQL.
    fn pull_rows(
        &mut self,
        prepared: &Prepared,
        formats: &[Format],
        run: &mut Suspended,
        limit: Option<u64>,
    ) -> Result<bool> {
        let mut scratch = Vec::new();
        let mut sent_now = 0;
        loop {
            let (batch, first) = match run.rest.take() {
                Some(rest) => rest,
                None => match run.cursor.next_batch()? {
                    Some(batch) => (batch, 0),
                    None => return Ok(false),
                },
            };
            if !prepared.returns_rows {
                run.sent += batch.row_count as u64;
                continue;
            }
            for row in first..batch.row_count {
                if limit == Some(sent_now) {
                    run.rest = Some((batch, row));
                    return Ok(true);
                }
                let context = run.cursor.context();
                context.cancel.check()?;
                encode_row(context, &batch, row, &prepared.columns, formats, &mut scratch, &mut self.out)?;
                sent_now += 1;
                run.sent += 1;
                if self.out.len() >= FLUSH_SIZE_BYTES {
                    send_piece(&self.shared, &mut self.out, &context.cancel)?;
                }
            }
            if limit == Some(sent_now) {
                return Ok(true);
            }
        }
    }

    pub(super) fn close(&mut self, message: &Close) {
        let name = message.name.as_deref().unwrap_or_default();
        if message.target_type == b'S' {
            self.statements.remove(name);
            self.session.forget_statement(name);
        } else {
            self.close_portal(name);
        }
        push_message(&CloseComplete::new(), &mut self.out);
    }

    pub(super) fn sync(&mut self) {
        self.skip_until_sync = false;
        self.drop_portals_outside_block();
        let result = self.session.sync();
        self.implicit_block = false;
        if let Err(error) = result {
            self.report(&error, 0);
        }
        self.drop_portals_outside_block();
        self.ready_for_query();
    }

    pub(super) fn close_portal(&mut self, name: &str) {
        if let Some(portal) = self.portals.remove(name) {
            self.finish_portal(portal);
        }
    }

    /// Portals live as long as their transaction; outside a block that ends with the message or the Sync.
    pub(super) fn drop_portals_outside_block(&mut self) {
        if self.session.transaction_status() == TransactionStatus::Idle {
            self.finish_all_portals();
        }
    }

    /// A statement that ends the transaction, or part of it, ends all cursors first.
    pub(super) fn finish_portals_before(&mut self, text: &str) {
        let first = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if ["commit", "end", "rollback", "abort"].iter().any(|word| first.eq_ignore_ascii_case(word)) {
            self.finish_all_portals();
        }
    }

    fn finish_all_portals(&mut self) {
        for portal in self.portals.take_all() {
            self.finish_portal(portal);
        }
    }

    fn finish_portal(&mut self, portal: Portal) {
        if let PortalState::Suspended(run) = portal.state {
            if self.session.transaction_status() == TransactionStatus::Failed {
                self.session.fail(run.cursor);
            } else if let Err(error) = self.session.finish(run.cursor, run.sent) {
                tracing::debug!(%error, "closing a suspended portal");
            }
        }
    }

    fn statement(&mut self, name: &str) -> Result<Arc<Statement>> {
        self.forget_deallocated();
        if let Some(statement) = self.statements.get(name) {
            return Ok(Arc::clone(statement));
        }
        if name.is_empty() {
            let message = "unnamed prepared statement does not exist";
            return Err(QueryError::new(sqlstate::INVALID_SQL_STATEMENT_NAME, message));
        }
        // One that PREPARE made.
        let prepared = self.session.kept_statement(name)?.clone();
        let text = prepared.text.to_string();
        Ok(Arc::new(Statement::new(Some(prepared), text, 0)))
    }

    /// DEALLOCATE and DISCARD reach statements of the protocol too.
    fn forget_deallocated(&mut self) {
        let removals = self.session.statement_removals();
        if removals != self.statement_removals {
            self.statement_removals = removals;
            let session = &self.session;
            self.statements.retain(|name, statement| {
                name.is_empty() || statement.prepared.is_none() || session.has_statement(name)
            });
        }
    }
}

/// The error of a parameter's value: which one, and of which portal. Values are not repeated.
fn bad_parameter(mut error: QueryError, number: usize, format: Format, portal: &str) -> QueryError {
    if error.sqlstate() == sqlstate::INVALID_BINARY_REPRESENTATION {
        error.0.message = format!("incorrect binary data format in bind parameter {number}");
    }
    let portal = if portal.is_empty() { "unnamed portal".to_owned() } else { format!("portal \"{portal}\"") };
    let value = if format == Format::Text { " = '...'" } else { "" };
    error.context(format!("{portal} parameter ${number}{value}"))
}

fn no_portal(name: &str) -> QueryError {
    QueryError::new(sqlstate::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

fn limit_error(what: &str) -> QueryError {
    QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, format!("a connection can hold at most {NAME_LIMIT} {what}"))
}

fn shift_position(mut error: QueryError, offset_chars: usize) -> QueryError {
    error.0.position = error.0.position.map(|position| position + offset_chars);
    error
}
