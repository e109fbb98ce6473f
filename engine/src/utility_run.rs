//! Carrying out statements about the session and its transaction.

use std::sync::Arc;

use sinew_query::notification::SessionNotifications;
use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::{DataType, Value};

use crate::cursor::Execution;
use crate::prepare::{PlannedKind, text_column};
use crate::transaction::{ActiveTransaction, SavedSetting, SessionSavepoint, isolation_from_name, isolation_name};
use crate::utility::{TransactionModes, Utility};
use crate::{Session, settings};

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
        let ends_block = matches!(utility, Utility::Commit | Utility::Rollback | Utility::RollbackTo(_));
        if !ends_block {
            self.refuse_failed_block()?;
        }
        let tag = match utility {
            Utility::Begin { modes, start } => {
                self.begin_block(modes)?;
                if start { "START TRANSACTION" } else { "BEGIN" }
            }
            Utility::Commit => return self.commit_block().map(|tag| Execution::Command(tag.to_owned())),
            Utility::Rollback => {
                if self.active.as_ref().is_none_or(|active| !active.explicit) {
                    self.warn("there is no transaction in progress", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
                }
                self.rollback_transaction();
                "ROLLBACK"
            }
            Utility::Savepoint(name) => {
                self.savepoint_outside_block("SAVEPOINT")?;
                let active = self.ensure_transaction();
                Self::storage(active.transaction.savepoint(&name))?;
                active.has_savepoints = true;
                self.remember_settings(name);
                "SAVEPOINT"
            }
            Utility::RollbackTo(name) => {
                self.savepoint_outside_block("ROLLBACK TO SAVEPOINT")?;
                self.end_cursors(false);
                let active = self.ensure_transaction();
                Self::storage(active.transaction.rollback_to_savepoint(&name))?;
                active.failed = false;
                self.return_to_settings(&name);
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
            Utility::LockTable { tables, mode, nowait } => {
                self.lock_tables(&tables, mode, nowait)?;
                "LOCK TABLE"
            }
            Utility::Reset(Some(name)) => {
                self.set_setting(&name, None, false)?;
                "RESET"
            }
            Utility::Reset(None) => {
                self.reset_settings();
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
                    self.reset_settings();
                    self.statements.clear();
                    self.cursors.clear();
                    self.context.advisory_locks.unlock_all();
                    self.change_listening(|notifications| notifications.unlisten_all())?;
                }
                match what {
                    "all" => "DISCARD ALL",
                    "plans" => "DISCARD PLANS",
                    "sequences" => "DISCARD SEQUENCES",
                    _ => "DISCARD TEMP",
                }
            }
            Utility::Deallocate(None) => {
                self.statements.clear();
                "DEALLOCATE ALL"
            }
            Utility::Deallocate(Some(name)) => {
                self.statement_named(&name)?;
                self.statements.remove(&name);
                "DEALLOCATE"
            }
            Utility::Prepare { name, types, text } => {
                if self.statements.contains_key(&name) {
                    return Err(QueryError::new("42P05", format!("prepared statement \"{name}\" already exists")));
                }
                let types = types.iter().map(|ty| self.type_from_sql(ty)).collect::<Result<Vec<DataType>>>()?;
                let prepared = self.prepare(&text, &types)?;
                if matches!(prepared.planned.kind, PlannedKind::Utility(_) | PlannedKind::CopyFrom { .. }) {
                    return Err(QueryError::syntax("only queries and data-changing statements can be prepared", None));
                }
                self.statements.insert(name, prepared);
                "PREPARE"
            }
            Utility::Execute { name, args } => {
                let prepared = self.statement_named(&name)?.clone();
                let values = match args {
                    Some(args) => self.evaluate_arguments(&name, &args, &prepared.params)?,
                    None if params.is_empty() => self.evaluate_arguments(&name, "", &prepared.params)?,
                    None => params,
                };
                return self.start(&prepared, values, in_parts);
            }
            Utility::Declare { name, hold, text, offset_chars } => {
                self.declare(name, hold, (text.as_str(), offset_chars), params, types)?;
                "DECLARE CURSOR"
            }
            Utility::Fetch { count, name, skip } => return self.fetch(count, &name, skip),
            Utility::Close(None) => {
                self.cursors.clear();
                "CLOSE CURSOR ALL"
            }
            Utility::Close(Some(name)) => {
                self.cursor_columns(&name)?;
                self.cursors.remove(&name);
                "CLOSE CURSOR"
            }
            Utility::Listen(channel) => {
                self.change_listening(|notifications| notifications.listen(&channel))?;
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
            // Statistics are exact counts kept by commits.
            Utility::Analyze => "ANALYZE",
            Utility::Vacuum => {
                self.context.notice("nothing to vacuum: space of deleted rows is reused at once");
                "VACUUM"
            }
        };
        Ok(Execution::Command(tag.to_owned()))
    }

    fn warn(&self, message: &str, sqlstate: &'static str) {
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
        let default = isolation_from_name(&self.context.setting("default_transaction_isolation").unwrap_or_default());
        let is_on = |name: &str| self.context.setting(name).as_deref() == Some("on");
        let read_only = modes.read_only.unwrap_or_else(|| is_on("default_transaction_read_only"));
        let deferrable = modes.deferrable.unwrap_or_else(|| is_on("default_transaction_deferrable"));
        let transaction = self.begin_transaction(modes.isolation.unwrap_or(default));
        self.enter(ActiveTransaction::new(transaction, true, read_only, deferrable));
        Ok(())
    }

    fn commit_block(&mut self) -> Result<&'static str> {
        match &self.active {
            Some(active) if active.failed => {
                self.rollback_transaction();
                Ok("ROLLBACK")
            }
            Some(active) => {
                if !active.explicit {
                    self.warn("there is no transaction in progress", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
                }
                self.commit_transaction()?;
                Ok("COMMIT")
            }
            None => {
                self.warn("there is no transaction in progress", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
                Ok("COMMIT")
            }
        }
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
            let isolation = isolation_from_name(&settings::check(&key, value.unwrap_or("read committed"))?);
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
        let checked = match value {
            Some(value) => Some(settings::check(name, value)?),
            None => match settings::find(name) {
                Some(setting) => Some(setting.default.to_owned()),
                None => {
                    settings::check(name, "")?;
                    None
                }
            },
        };
        let explicit = self.active.as_ref().is_some_and(|active| active.explicit);
        if local && !explicit {
            self.warn("SET LOCAL can only be used in transaction blocks", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
            return Ok(());
        }
        let before = self.context.setting(&key);
        if let Some(active) = &mut self.active {
            let saved =
                active.saved_settings.entry(key.clone()).or_insert_with(|| SavedSetting { before, at_commit: None });
            if !local {
                saved.at_commit = Some(checked.clone());
            }
        }
        let mut values = self.context.settings.write();
        match checked {
            Some(value) => values.insert(key, value),
            None => values.remove(&key),
        };
        Ok(())
    }

    /// For a savepoint that was just set.
    fn remember_settings(&mut self, name: String) {
        let Some(active) = &mut self.active else { return };
        let value = |setting: &String| (setting.clone(), self.context.setting(setting));
        active.savepoints.push(SessionSavepoint {
            name,
            read_only: active.read_only,
            notifications: self.context.notifications.mark(),
            saved_settings: active.saved_settings.clone(),
            values: active.saved_settings.keys().map(value).collect(),
        });
    }

    /// Settings as they were when the savepoint was set.
    fn return_to_settings(&mut self, name: &str) {
        let Some(active) = &mut self.active else { return };
        let Some(at) = active.savepoints.iter().rposition(|savepoint| savepoint.name == name) else { return };
        active.savepoints.truncate(at + 1);
        let savepoint = &active.savepoints[at];
        active.read_only = savepoint.read_only;
        self.context.notifications.return_to(savepoint.notifications);
        let changed = std::mem::replace(&mut active.saved_settings, savepoint.saved_settings.clone());
        let values = savepoint.values.clone();
        for (setting, saved) in changed {
            let value = values.get(&setting).cloned().unwrap_or(saved.before);
            self.restore_setting(setting, value);
        }
    }

    fn reset_settings(&mut self) {
        let mut values = self.context.settings.write();
        values.retain(|name, _| settings::find(name).is_some());
        for setting in settings::SETTINGS {
            if !matches!(setting.check, settings::Check::ReadOnly) && setting.name != "client_encoding" {
                values.insert(setting.name.to_lowercase(), setting.default.to_owned());
            }
        }
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
