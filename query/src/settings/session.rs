//! What a session has set, and how much of it lasts.
//!
//! A change takes effect at once. Inside a transaction the value before it is remembered: a rollback brings that back, a
//! commit keeps the value that SET gave last and brings back what SET LOCAL replaced. A savepoint remembers both.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::{Check, SETTINGS, check, find, unknown};
use crate::context::SessionContext;
use crate::error::{QueryError, Result, sqlstate};

/// Custom settings (names with a dot) that one session may have.
const CUSTOM_LIMIT: usize = 1_000;
const VALUE_LIMIT_BYTES: usize = 1 << 20;

/// How long a change lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingScope {
    /// To the end of the session, from outside a transaction.
    Session,
    /// To the end of the session if the transaction commits.
    Transaction,
    /// To the end of the transaction.
    Local,
}

/// The part of a session's settings that outlives no rollback.
#[derive(Default)]
pub struct SettingChanges(Mutex<Changes>);

#[derive(Default)]
struct Changes {
    /// What RESET goes back to where that is not the default: the settings the client connected with.
    reset: BTreeMap<String, String>,
    /// What the transaction has changed so far.
    changed: BTreeMap<String, Change>,
}

#[derive(Clone)]
struct Change {
    /// None: it did not exist.
    before: Option<String>,
    /// Value to keep at commit; None when only SET LOCAL changed it.
    at_commit: Option<Option<String>>,
}

/// The settings at a savepoint.
#[derive(Default)]
pub struct SettingsMark {
    changed: BTreeMap<String, Change>,
    /// Values of what had been changed by then.
    values: BTreeMap<String, Option<String>>,
}

/// A setting's name as a key.
fn key_of(name: &str) -> String {
    let key = name.to_lowercase();
    if key == "time zone" { "timezone".to_owned() } else { key }
}

impl SessionContext {
    /// Sets a setting, or with None resets it; gives the value kept. 42704 for a name that is none, 22023 for a value that
    /// it does not take, 55P02 when it cannot be changed.
    pub fn change_setting(&self, name: &str, value: Option<&str>, scope: SettingScope) -> Result<Option<String>> {
        let key = key_of(name);
        let checked = match value {
            Some(value) => Some(match find(name).map(|setting| setting.check) {
                Some(Check::User) => self.check_user(&key, value)?,
                _ => check(name, value)?,
            }),
            None => self.reset_value(name, &key)?,
        };
        self.check_room(&key, checked.as_deref())?;
        if scope != SettingScope::Session {
            let before = self.setting(&key);
            let mut changes = self.setting_changes.0.lock();
            let change = changes.changed.entry(key.clone()).or_insert(Change { before, at_commit: None });
            if scope == SettingScope::Transaction {
                change.at_commit = Some(checked.clone());
            }
        }
        self.put_setting(key, checked.clone());
        Ok(checked)
    }

    /// A setting the client connected with: RESET goes back to it.
    pub fn start_with_setting(&self, name: &str, value: &str) -> Result<()> {
        if let Some(kept) = self.change_setting(name, Some(value), SettingScope::Session)? {
            self.setting_changes.0.lock().reset.insert(key_of(name), kept);
        }
        Ok(())
    }

    /// RESET ALL.
    pub fn reset_settings(&self, scope: SettingScope) -> Result<()> {
        let names: Vec<String> = self.settings.read().keys().cloned().collect();
        for name in names {
            let keeps = |setting: &super::Setting| {
                matches!(setting.check, Check::ReadOnly | Check::User) || setting.name.starts_with("transaction_")
            };
            if !find(&name).is_some_and(keeps) {
                self.change_setting(&name, None, scope)?;
            }
        }
        Ok(())
    }

    /// What RESET would make of a setting; None for one that is only there when it is set.
    pub fn reset_setting(&self, name: &str) -> Option<String> {
        let key = key_of(name);
        let started_with = self.setting_changes.0.lock().reset.get(&key).cloned();
        started_with.or_else(|| find(name).map(|setting| setting.default.to_owned()))
    }

    /// For [`Self::return_to_settings`].
    pub fn mark_settings(&self) -> SettingsMark {
        let changed = self.setting_changes.0.lock().changed.clone();
        let values = changed.keys().map(|name| (name.clone(), self.setting(name))).collect();
        SettingsMark { changed, values }
    }

    /// The settings are as they were at the mark.
    pub fn return_to_settings(&self, mark: &SettingsMark) {
        let changed = std::mem::replace(&mut self.setting_changes.0.lock().changed, mark.changed.clone());
        for (name, change) in changed {
            let value = mark.values.get(&name).cloned().unwrap_or(change.before);
            self.put_setting(name, value);
        }
    }

    /// The transaction has ended.
    pub fn settle_settings(&self, committed: bool) {
        let mut changes = self.setting_changes.0.lock();
        if changes.changed.is_empty() {
            return;
        }
        let changed = std::mem::take(&mut changes.changed);
        drop(changes);
        for (name, change) in changed {
            let kept = if committed { change.at_commit.unwrap_or(change.before) } else { change.before };
            self.put_setting(name, kept);
        }
    }

    fn put_setting(&self, key: String, value: Option<String>) {
        let mut values = self.settings.write();
        match value {
            Some(value) => values.insert(key, value),
            None => values.remove(&key),
        };
    }

    /// Settings of the client's own make are bounded in number and size (54000).
    fn check_room(&self, key: &str, value: Option<&str>) -> Result<()> {
        let too_large = value.is_some_and(|value| value.len() > VALUE_LIMIT_BYTES);
        let settings = self.settings.read();
        let too_many = !settings.contains_key(key) && settings.len() >= SETTINGS.len() + CUSTOM_LIMIT;
        if !too_large && !too_many {
            return Ok(());
        }
        let message = match too_large {
            true => format!("the value of a setting has at most {VALUE_LIMIT_BYTES} bytes"),
            false => format!("a session can have at most {CUSTOM_LIMIT} custom settings"),
        };
        Err(QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, message))
    }

    /// None: a custom setting goes.
    fn reset_value(&self, name: &str, key: &str) -> Result<Option<String>> {
        let Some(setting) = find(name) else {
            return if name.contains('.') { check(name, "").map(|_| None) } else { Err(unknown(name)) };
        };
        if matches!(setting.check, Check::ReadOnly) {
            return Err(QueryError::new("55P02", format!("parameter \"{}\" cannot be changed", setting.name)));
        }
        if setting.name == "session_authorization" {
            return Ok(Some(self.user.clone()));
        }
        let started_with = self.setting_changes.0.lock().reset.get(key).cloned();
        Ok(Some(started_with.unwrap_or_else(|| setting.default.to_owned())))
    }

    /// 22023 for a role that is not the session's user.
    fn check_user(&self, key: &str, value: &str) -> Result<String> {
        if value == self.user || key == "role" && value == "none" {
            return Ok(value.to_owned());
        }
        Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("role \"{value}\" does not exist")))
    }
}

/// All settings at their defaults, for a session of `user`.
pub fn initial(user: &str) -> BTreeMap<String, String> {
    let defaults = SETTINGS.iter().map(|setting| (setting.name.to_lowercase(), setting.default.to_owned()));
    defaults.chain([("session_authorization".to_owned(), user.to_owned())]).collect()
}
