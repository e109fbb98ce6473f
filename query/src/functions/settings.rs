//! `current_setting` and `set_config`.

use sinew_storage::{Isolation, Value};

use super::args::text;
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::settings::{self, SettingScope};

/// The session's value of a setting, else its default.
pub(crate) fn setting(context: &EvalContext<'_>, name: &str) -> Option<String> {
    let name = name.to_lowercase();
    match name.as_str() {
        "transaction_isolation" => {
            let level = match context.exec.transaction.isolation() {
                Isolation::ReadCommitted => "read committed",
                Isolation::RepeatableRead => "repeatable read",
                Isolation::Serializable => "serializable",
            };
            return Some(level.to_owned());
        }
        "transaction_read_only" => return Some(if context.exec.allow_writes { "off" } else { "on" }.to_owned()),
        _ => {}
    }
    let kept = context.exec.session.setting(&name);
    kept.or_else(|| settings::find(&name).map(|setting| setting.default.to_owned()))
}

fn current_setting(context: &EvalContext<'_>, name: &str, missing_ok: bool) -> Result<Value> {
    match setting(context, name) {
        Some(value) => Ok(Value::text(settings::shown(name, value))),
        None if missing_ok => Ok(Value::Null),
        None => Err(settings::unknown(name)),
    }
}

/// `set_config(name, value, is_local)`: SET as a function, NULL resets.
fn set_config(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let name = match &args[0] {
        Value::Null => {
            return Err(QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "SET requires parameter name"));
        }
        name => text(name)?.to_lowercase(),
    };
    if matches!(name.as_str(), "transaction_isolation" | "transaction_read_only" | "transaction_deferrable") {
        return Err(QueryError::unsupported(format!("set_config() of {name}")).hint("Use SET TRANSACTION."));
    }
    let value = if args[1].is_null() { None } else { Some(text(&args[1])?) };
    let scope = if matches!(args[2], Value::Bool(true)) { SettingScope::Local } else { SettingScope::Transaction };
    let kept = context.exec.session.change_setting(&name, value, scope)?;
    Ok(Value::text(settings::shown(&name, kept.unwrap_or_default())))
}

pub(super) fn register(t: &mut Table) {
    t.f("current_setting(text) -> text", |c, a| current_setting(c, text(&a[0])?, false)).stable();
    t.f("current_setting(text, bool) -> text", |c, a| {
        current_setting(c, text(&a[0])?, matches!(a[1], Value::Bool(true)))
    })
    .stable();
    t.f("set_config(text, text, bool) -> text", set_config).lax().volatile();
}
