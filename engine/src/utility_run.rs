//! Carrying out statements about the session and its transaction.

use std::sync::Arc;

use sinew_query::notification::SessionNotifications;
use sinew_query::settings::{self, SettingScope};
use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::{DataType, Value};

use crate::Session;
use crate::cursor::Execution;
use crate::prepare::{PlannedKind, text_column};
use crate::session::CurrentSettings;
use crate::sql_cursor::Declaration;
use crate::transaction::{ActiveTransaction, SessionSavepoint, isolation_name};
use crate::utility::{TransactionModes, Utility};

impl Session {
    /// `params` are the values of the statement's parameters, which have these `types`. `in_parts`: as of
    /// [`Session::execute_in_parts`].
    pub(crate) fn run_utility(
        &mut self,
        utility: Utility,
        params: Vec<Value>,
        types: &[DataType],
        in_parts: bool,
    ) -> Result<Execution> {
        let ends_block = matches!(utility, Utility::Commit { .. } | Utility::Rollback { .. } | Utility::RollbackTo(_));
        if !ends_block {
            self.refuse_failed_block()?;
        }
        let tag = match utility {
            Utility::Begin { modes, start } => {
                self.begin_block(modes)?;
                if start { "START TRANSACTION" } else { "BEGIN" }
            }
            Utility::Commit { chain } => return self.commit_block(chain).map(|tag| Execution::Command(tag.to_owned())),
            Utility::Rollback { chain } => {
                let modes = self.modes_to_chain(chain, "ROLLBACK AND CHAIN")?;
                if self.active.as_ref().is_none_or(|active| !active.explicit) {
                    self.warn("there is no transaction in progress", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
                }
                self.rollback_transaction();
                self.chain(modes)?;
                "ROLLBACK"
            }
            Utility::Savepoint(name) => {
                self.savepoint_outside_block("SAVEPOINT")?;
                let active = self.ensure_transaction();
                Self::storage(active.transaction.savepoint(&name))?;
                active.has_savepoints = true;
                let savepoint = SessionSavepoint {
                    name,
                    read_only: active.read_only,
                    notifications: self.context.notifications.mark(),
                    settings: self.context.mark_settings(),
                    deferred: self.context.deferred.mark(),
                    cursor_count: self.cursor_count,
                };
                self.ensure_transaction().savepoints.push(savepoint);
                "SAVEPOINT"
            }
            Utility::RollbackTo(name) => {
                self.savepoint_outside_block("ROLLBACK TO SAVEPOINT")?;
                let active = self.ensure_transaction();
                Self::storage(active.transaction.rollback_to_savepoint(&name))?;
                active.failed = false;
                self.return_to_savepoint(&name);
                "ROLLBACK"
            }
            Utility::Release(name) => {
                self.savepoint_outside_block("RELEASE SAVEPOINT")?;
                let active = self.ensure_transaction();
                Self::storage(active.transaction.release_savepoint(&name))?;
                if let Some(at) = active.savepoints.iter().rposition(|savepoint| savepoint.name == name) {
                    active.savepoints.truncate(at);
                }
                "RELEASE"
            }
            Utility::Set { name, value, local } => {
                self.set_setting(&name, value.as_deref(), local)?;
                "SET"
            }
            Utility::SetTransaction { modes, session: false } => {
                self.set_transaction(modes)?;
                "SET"
            }
            Utility::SetTransaction { modes, session: true } => {
                self.set_characteristics(modes)?;
                "SET"
            }
            Utility::SetConstraints { names, deferred } => {
                self.set_constraints(&names, deferred)?;
                "SET CONSTRAINTS"
            }
            Utility::LockTable { tables, mode, nowait } => {
                self.lock_tables(&tables, mode, nowait)?;
                "LOCK TABLE"
            }
            Utility::Reset(Some(name)) => {
                self.set_setting(&name, None, false)?;
                "RESET"
            }
            Utility::Reset(None) => {
                let scope = self.setting_scope();
                self.context.reset_settings(scope)?;
                "RESET"
            }
            Utility::Show(name) => return self.show(name.as_deref()),
            Utility::Discard(what) => {
                if what == "all" {
                    if self.active.as_ref().is_some_and(|active| active.explicit) {
                        return Err(QueryError::new(
                            sqlstate::ACTIVE_SQL_TRANSACTION,
                            "DISCARD ALL cannot run inside a transaction block",
                        ));
                    }
                    self.discard_temporary()?;
                    self.set_setting("session_authorization", None, false)?;
                    self.set_setting("role", None, false)?;
                    self.context.reset_settings(SettingScope::Session)?;
                    self.forget_statements();
                    self.context.sequences.discard();
                    self.cursors.clear();
                    self.context.advisory_locks.unlock_all();
                    self.change_listening(|notifications| notifications.unlisten_all())?;
                }
                match what {
                    "temp" => self.discard_temporary()?,
                    "sequences" => self.context.sequences.discard(),
                    _ => {}
                }
                match what {
                    "all" => "DISCARD ALL",
                    "plans" => "DISCARD PLANS",
                    "sequences" => "DISCARD SEQUENCES",
                    _ => "DISCARD TEMP",
                }
            }
            Utility::Deallocate(None) => {
                self.forget_statements();
                "DEALLOCATE ALL"
            }
            Utility::Deallocate(Some(name)) => {
                self.kept_statement(&name)?;
                self.forget_statement(&name);
                "DEALLOCATE"
            }
            Utility::Prepare { name, types, text, offset_chars, source } => {
                if self.has_statement(&name) {
                    return Err(QueryError::new("42P05", format!("prepared statement \"{name}\" already exists")));
                }
                check_count(self.statements.len(), "prepared statements")?;
                let types = types.iter().map(|ty| self.type_from_sql(ty)).collect::<Result<Vec<DataType>>>()?;
                let prepared = self.prepare(&text, &types).map_err(|error| moved(error, offset_chars))?;
                if !matches!(prepared.planned.kind, PlannedKind::Query { .. }) {
                    let word: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
                    let message = format!("syntax error at or near \"{word}\"");
                    return Err(QueryError::syntax(message, Some(offset_chars + 1))
                        .hint("only queries and statements that change rows can be prepared"));
                }
                self.keep_statement(&name, prepared, &source, true);
                "PREPARE"
            }
            Utility::Execute { name, args } => {
                let prepared = self.kept_statement(&name)?.clone();
                let values = match args {
                    Some(args) => self.evaluate_arguments(&name, &args, &prepared.params)?,
                    None if params.is_empty() => self.evaluate_arguments(&name, "", &prepared.params)?,
                    None => params,
                };
                self.note_run(&name);
                return self.start(&prepared, values, in_parts);
            }
            Utility::ExplainExecute { options, name, args } => {
                let prepared = self.kept_statement(&name)?.clone();
                let values = self.evaluate_arguments(&name, &args.unwrap_or_default(), &prepared.params)?;
                let explained = self.prepare(&format!("EXPLAIN {options} {}", prepared.text), &prepared.params)?;
                return self.start(&explained, values, in_parts);
            }
            Utility::CreateTableAsExecute { head, tail, name, args } => {
                let query = self.kept_statement(&name)?.clone();
                if !matches!(&query.planned.kind, PlannedKind::Query { kind: sinew_query::QueryKind::Select, .. }) {
                    return Err(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, "prepared statement is not a SELECT"));
                }
                let values = self.evaluate_arguments(&name, &args, &query.params)?;
                let create = self.prepare(&format!("{head}{}\n{tail}", query.text), &query.params)?;
                return self.start(&create, values, in_parts);
            }
            Utility::Declare { name, options, text, offset_chars, source } => {
                self.declare(Declaration { name, options, text, offset_chars, source }, params, types)?;
                "DECLARE CURSOR"
            }
            Utility::Fetch { direction, name, skip } => return self.fetch(direction, &name, skip),
            Utility::Close(None) => {
                self.cursors.clear();
                "CLOSE CURSOR ALL"
            }
            Utility::Close(Some(name)) => {
                self.cursor_columns(&name)?;
                self.cursors.remove(&name);
                "CLOSE CURSOR"
            }
            Utility::Positioned(statement) => return self.run_positioned(&statement, params, types, in_parts),
            Utility::Listen(channel) => {
                self.context.notifications.listen(&channel)?;
                self.change_listening(|_| {})?;
                "LISTEN"
            }
            Utility::Unlisten(channel) => {
                self.change_listening(|notifications| match &channel {
                    Some(channel) => notifications.unlisten(channel),
                    None => notifications.unlisten_all(),
                })?;
                "UNLISTEN"
            }
            Utility::Notify { channel, payload } => {
                self.context.notifications.notify(&channel, &payload)?;
                self.change_listening(|_| {})?;
                "NOTIFY"
            }
            Utility::Backup(directory) => return self.backup(&directory),
            Utility::CheckDatabase => return self.check_database(),
            Utility::Checkpoint => {
                self.database.store().checkpoint()?;
                "CHECKPOINT"
            }
            Utility::Analyze(targets) => return self.analyze(&targets, "ANALYZE"),
            Utility::Vacuum(Some(targets)) => return self.analyze(&targets, "VACUUM"),
            Utility::Vacuum(None) => {
                self.context.notice("nothing to vacuum: space of deleted rows is reused at once");
                "VACUUM"
            }
        };
        Ok(Execution::Command(tag.to_owned()))
    }

    pub(crate) fn warn(&self, message: &str, sqlstate: &'static str) {
        self.context.send_notice(sinew_query::Notice {
            severity: "WARNING",
            sqlstate,
            message: message.to_owned(),
            hint: None,
        });
    }

    /// In effect, with whatever the transaction announces, when that commits: at once outside a block.
    fn change_listening(&mut self, change: impl FnOnce(&SessionNotifications)) -> Result<()> {
        let is_explicit = self.ensure_transaction().explicit;
        change(&self.context.notifications);
        if is_explicit || self.implicit_block { Ok(()) } else { self.commit_transaction() }
    }

    fn begin_block(&mut self, modes: TransactionModes) -> Result<()> {
        if let Some(active) = &mut self.active {
            if active.explicit {
                self.warn("there is already a transaction in progress", sqlstate::ACTIVE_SQL_TRANSACTION);
            } else {
                // BEGIN inside a multi-statement message: what ran before belongs to the block.
                active.explicit = true;
            }
            return self.set_transaction(modes);
        }
        let CurrentSettings { isolation, read_only, deferrable, .. } = *self.current_settings();
        let read_only = modes.read_only.unwrap_or(read_only);
        let deferrable = modes.deferrable.unwrap_or(deferrable);
        let transaction = self.begin_transaction(modes.isolation.unwrap_or(isolation));
        self.enter(ActiveTransaction::new(transaction, true, read_only, deferrable));
        Ok(())
    }

    fn commit_block(&mut self, chain: bool) -> Result<&'static str> {
        let modes = self.modes_to_chain(chain, "COMMIT AND CHAIN")?;
        let tag = match &self.active {
            Some(active) if active.failed => {
                self.rollback_transaction();
                "ROLLBACK"
            }
            Some(active) => {
                if !active.explicit {
                    self.warn("there is no transaction in progress", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
                }
                self.commit_transaction()?;
                "COMMIT"
            }
            None => {
                self.warn("there is no transaction in progress", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
                "COMMIT"
            }
        };
        self.chain(modes)?;
        Ok(tag)
    }

    /// With AND CHAIN the modes of the running block, for the next one.
    fn modes_to_chain(&self, chain: bool, what: &str) -> Result<Option<TransactionModes>> {
        if !chain {
            return Ok(None);
        }
        self.savepoint_outside_block(what)?;
        Ok(self.active.as_ref().map(|active| TransactionModes {
            isolation: Some(active.transaction.isolation()),
            read_only: Some(active.read_only),
            deferrable: Some(active.deferrable),
        }))
    }

    fn chain(&mut self, modes: Option<TransactionModes>) -> Result<()> {
        modes.map_or(Ok(()), |modes| self.begin_block(modes))
    }

    /// SET SESSION CHARACTERISTICS: the modes of later transactions.
    fn set_characteristics(&mut self, modes: TransactionModes) -> Result<()> {
        if let Some(isolation) = modes.isolation {
            self.set_setting("default_transaction_isolation", Some(isolation_name(isolation)), false)?;
        }
        let switch = |on: bool| Some(if on { "on" } else { "off" });
        if let Some(read_only) = modes.read_only {
            self.set_setting("default_transaction_read_only", switch(read_only), false)?;
        }
        if let Some(deferrable) = modes.deferrable {
            self.set_setting("default_transaction_deferrable", switch(deferrable), false)?;
        }
        Ok(())
    }

    fn set_transaction(&mut self, modes: TransactionModes) -> Result<()> {
        let process_id = self.context.process_id;
        let store = Arc::clone(self.database.store());
        let Some(active) = &mut self.active else {
            self.warn("SET TRANSACTION can only be used in transaction blocks", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
            return Ok(());
        };
        if let Some(isolation) = modes.isolation
            && isolation != active.transaction.isolation()
        {
            if active.used {
                return Err(QueryError::new(
                    sqlstate::ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must be called before any query",
                ));
            }
            if active.has_savepoints {
                return Err(QueryError::new(
                    sqlstate::ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
                ));
            }
            let transaction = store.begin(isolation);
            transaction.set_session(process_id);
            active.transaction = Arc::new(transaction);
        }
        if let Some(read_only) = modes.read_only {
            if active.used && active.read_only && !read_only {
                return Err(QueryError::new(
                    sqlstate::ACTIVE_SQL_TRANSACTION,
                    "transaction read-write mode must be set before any query",
                ));
            }
            active.read_only = read_only;
        }
        if let Some(deferrable) = modes.deferrable {
            if active.used {
                return Err(QueryError::new(
                    sqlstate::ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION [NOT] DEFERRABLE must be called before any query",
                ));
            }
            active.deferrable = deferrable;
        }
        Ok(())
    }

    fn set_setting(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        let key = name.to_lowercase();
        let key = if key == "time zone" { "timezone".to_owned() } else { key };
        if key == "transaction_isolation" {
            let isolation =
                crate::transaction::isolation_from_name(&settings::check(&key, value.unwrap_or("read committed"))?);
            return self.set_transaction(TransactionModes { isolation: Some(isolation), ..Default::default() });
        }
        if key == "transaction_read_only" {
            let read_only = settings::check(&key, value.unwrap_or("off"))? == "on";
            return self.set_transaction(TransactionModes { read_only: Some(read_only), ..Default::default() });
        }
        if key == "transaction_deferrable" {
            let deferrable = settings::check(&key, value.unwrap_or("off"))? == "on";
            return self.set_transaction(TransactionModes { deferrable: Some(deferrable), ..Default::default() });
        }
        let is_block = self.active.as_ref().is_some_and(|active| active.explicit) || self.implicit_block;
        if local && !is_block {
            self.warn("SET LOCAL can only be used in transaction blocks", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
            if let Some(value) = value {
                settings::check(name, value)?;
            }
            return Ok(());
        }
        let scope = if local { SettingScope::Local } else { self.setting_scope() };
        if scope != SettingScope::Session {
            self.ensure_transaction();
        }
        self.context.change_setting(name, value, scope)?;
        Ok(())
    }

    /// How long SET lasts now.
    fn setting_scope(&self) -> SettingScope {
        match self.active.is_some() || self.implicit_block {
            true => SettingScope::Transaction,
            false => SettingScope::Session,
        }
    }

    /// What the session has besides rows is as it was when the savepoint was set.
    fn return_to_savepoint(&mut self, name: &str) {
        let Some(active) = &mut self.active else { return };
        let Some(at) = active.savepoints.iter().rposition(|savepoint| savepoint.name == name) else { return };
        active.savepoints.truncate(at + 1);
        let savepoint = &active.savepoints[at];
        active.read_only = savepoint.read_only;
        self.context.notifications.return_to(savepoint.notifications);
        self.context.return_to_settings(&savepoint.settings);
        self.context.deferred.return_to(&savepoint.deferred);
        let cursor_count = savepoint.cursor_count;
        self.end_cursors_after(cursor_count);
    }

    fn shown_value(&self, name: &str) -> Option<String> {
        match (name, &self.active) {
            ("transaction_isolation", Some(active)) => Some(isolation_name(active.transaction.isolation()).to_owned()),
            ("transaction_isolation", None) => self.context.setting("default_transaction_isolation"),
            ("transaction_read_only", Some(active)) => Some(if active.read_only { "on" } else { "off" }.to_owned()),
            ("transaction_read_only", None) => self.context.setting("default_transaction_read_only"),
            ("transaction_deferrable", Some(active)) => Some(if active.deferrable { "on" } else { "off" }.to_owned()),
            ("transaction_deferrable", None) => self.context.setting("default_transaction_deferrable"),
            _ => self.context.setting(name),
        }
    }

    fn show(&mut self, name: Option<&str>) -> Result<Execution> {
        let (columns, rows) = match name {
            Some(name) => {
                let key = name.to_lowercase();
                let shown = settings::find(name).map_or(key.as_str(), |setting| setting.name);
                let value = self.shown_value(&key).ok_or_else(|| settings::unknown(name))?;
                let value = settings::shown(name, value);
                (vec![text_column(shown)], vec![vec![Value::from(value)]])
            }
            None => {
                let rows = settings::SETTINGS
                    .iter()
                    .map(|setting| {
                        let value = self.shown_value(&setting.name.to_lowercase()).unwrap_or_default();
                        let value = settings::shown(setting.name, value);
                        vec![Value::from(setting.name), Value::from(value), Value::from(setting.description)]
                    })
                    .collect();
                (vec![text_column("name"), text_column("setting"), text_column("description")], rows)
            }
        };
        let context = self.passing_context();
        Ok(Execution::Rows(self.fixed_cursor(columns, rows, context, "SHOW", false)))
    }

    pub(crate) fn passing_context(&self) -> sinew_query::ExecContext {
        self.exec_context(Arc::new(self.database.store().begin(Default::default())), &[], false)
    }

    /// A type as written in PREPARE.
    fn type_from_sql(&mut self, text: &str) -> Result<DataType> {
        let prepared = self.prepare(&format!("SELECT NULL::{text}"), &[])?;
        prepared
            .columns
            .first()
            .map(|column| column.ty.clone())
            .ok_or_else(|| QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist")))
    }

    /// EXECUTE's arguments: expressions, cast to the statement's parameter types.
    fn evaluate_arguments(&mut self, name: &str, args: &str, types: &[DataType]) -> Result<Vec<Value>> {
        let mut scanner = crate::statement::Scanner::new(args, false);
        let mut depth = 0i32;
        let mut parts = Vec::new();
        let mut start = 0;
        while let Some(token) = scanner.next_token() {
            match token.kind {
                crate::statement::TokenKind::Punct('(' | '[') => depth += 1,
                crate::statement::TokenKind::Punct(')' | ']') => depth -= 1,
                crate::statement::TokenKind::Punct(',') if depth == 0 => {
                    parts.push(&args[start..token.start]);
                    start = token.end;
                }
                _ => {}
            }
        }
        if !args.trim().is_empty() {
            parts.push(&args[start..]);
        }
        if parts.len() != types.len() {
            let message = format!("wrong number of parameters for prepared statement \"{name}\"");
            return Err(QueryError::syntax(message, None).detail(format!(
                "Expected {} parameters but got {}.",
                types.len(),
                parts.len()
            )));
        }
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let items: Vec<String> = parts
            .iter()
            .zip(types)
            .map(|(part, ty)| format!("CAST({part} AS {})", sinew_query::types::type_declaration(ty)))
            .collect();
        let prepared = self.prepare(&format!("SELECT {}", items.join(", ")), &[])?;
        let Execution::Rows(mut cursor) = self.start(&prepared, Vec::new(), false)? else {
            return Err(QueryError::internal("arguments of EXECUTE gave no row"));
        };
        match cursor.next_batch() {
            Ok(batch) => {
                self.complete(cursor, 1)?;
                Ok(batch.filter(|batch| batch.row_count > 0).map(|batch| batch.row(0)).unwrap_or_default())
            }
            Err(error) => {
                self.fail(cursor);
                Err(error)
            }
        }
    }
}

/// The error of a statement that begins after so many characters of the client's.
fn moved(mut error: QueryError, offset_chars: usize) -> QueryError {
    error.0.position = error.0.position.map(|position| position + offset_chars);
    error
}

/// Prepared statements, and cursors, that one session may have.
const NAME_LIMIT: usize = 16_384;

/// 54000 for one more of them than there may be.
pub(crate) fn check_count(count: usize, what: &str) -> Result<()> {
    if count < NAME_LIMIT {
        return Ok(());
    }
    let message = format!("a session can hold at most {NAME_LIMIT} {what}");
    Err(QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, message))
}
