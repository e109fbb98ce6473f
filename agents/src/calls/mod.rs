//! Table functions and procedures.

mod control;
mod create;
mod execute;
mod memory;
mod not_yet;
mod shape;
mod stream;

use std::sync::{Arc, Weak};

use sinew::query::functions::TableFunction;
use sinew::{QueryError, Result, sqlstate};

use crate::engine::Engine;
use crate::install::AgentOptions;

/// The engine, as functions hold it: they live in the database that the engine works on.
#[derive(Clone)]
pub struct EngineHandle(Weak<Engine>);

impl EngineHandle {
    /// 57P01 once the runtime was shut down.
    fn engine(&self) -> Result<Arc<Engine>> {
        let engine = self.0.upgrade();
        let engine = engine.ok_or_else(|| QueryError::new(sqlstate::ADMIN_SHUTDOWN, "the agents are shut down"))?;
        engine.check_running()?;
        Ok(engine)
    }
}

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineHandle")
    }
}

/// All functions of this crate.
pub fn functions(engine: &Arc<Engine>, options: &AgentOptions) -> Vec<Arc<dyn TableFunction>> {
    let handle = EngineHandle(Arc::downgrade(engine));
    let mut out: Vec<Arc<dyn TableFunction>> = Vec::new();
    out.extend(execute::functions(&handle));
    out.extend(stream::functions(&handle));
    out.extend(control::functions(&handle));
    out.extend(create::functions(options));
    out.extend(memory::functions());
    out.extend(not_yet::functions());
    out
}
