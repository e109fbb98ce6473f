//! Messages of the simple protocol that are one short statement: their literals become parameters, and the plan is kept.

use sinew_query::cypher::NamedParameters;
use sinew_query::{QueryError, types};
use sinew_storage::{DataType, Value};

use super::Session;
use crate::literals::{Lifted, lift};
use crate::prepare::{PlannedKind, PlannedStatement, Prepared, with_stack};

/// A statement of the short path with the values that stood in its text.
pub struct ShortStatement {
    pub prepared: Prepared,
    pub params: Vec<Value>,
    lifted: Lifted,
}

impl ShortStatement {
    /// An error of running it, with the position in the message that the client sent.
    pub fn located(&self, mut error: QueryError, message: &str, session: &Session) -> QueryError {
        if session.catalog_version() != self.prepared.planned.catalog_version {
            // The message itself was planned meanwhile.
            return error;
        }
        error.0.position = error.0.position.map(|position| self.lifted.original_position(message, position));
        error
    }
}

impl Session {
    /// Prepares a message that is one short statement, by a plan that statements differing in their literals share. None
    /// for any other message, and when anything about it is unclear: then it is to be prepared as it stands.
    pub fn prepare_short(&mut self, message: &str) -> Option<ShortStatement> {
        let in_own_state = self.active.as_ref().is_some_and(|active| active.failed || active.ran_ddl);
        if in_own_state || !self.current_settings().optimize {
            return None;
        }
        let lifted = lift(message)?;
        let types = lifted.types();
        let planned = match self.cached_plan(&lifted.text, &types) {
            Some(planned) => planned,
            None => {
                if self.with_plan_cache(&types, |cache, context| cache.is_refused(&lifted.text, context)) {
                    return None;
                }
                let planned = with_stack(|| self.plan(&lifted.text, &types, &NamedParameters::default()));
                match planned {
                    Ok(planned) if is_short(&planned) => planned,
                    _ => {
                        self.with_plan_cache(&types, |cache, context| cache.refuse(&lifted.text, context));
                        return None;
                    }
                }
            }
        };
        if !is_short(&planned) || planned.params.len() != lifted.literals.len() {
            return None;
        }
        let params = lifted
            .literals
            .iter()
            .zip(&planned.params)
            .map(|(literal, ty)| match (&literal.value, ty) {
                (Value::Int(_), ty) => (*ty == literal.ty).then(|| literal.value.clone()),
                (value, DataType::Text) => Some(value.clone()),
                // What cannot be read is for the text as it stands to report.
                (value, ty) => types::from_text_alone(value.as_str()?, ty)?.ok(),
            })
            .collect::<Option<Vec<_>>>()?;
        let text = message.trim().trim_end_matches(';').trim_end();
        let prepared = Prepared {
            text: text.into(),
            params: Vec::new(),
            columns: planned.columns.clone(),
            returns_rows: planned.returns_rows,
            planned,
            may_change: true,
            declared: Vec::new(),
            named: self.no_names.clone(),
        };
        Some(ShortStatement { prepared, params, lifted })
    }
}

fn is_short(planned: &PlannedStatement) -> bool {
    matches!(&planned.kind, PlannedKind::Query { plan, .. } if plan.is_short())
}
