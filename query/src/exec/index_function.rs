//! Keys of indexes over expressions and with predicates, computed for the store.

use std::sync::{Arc, LazyLock};

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use sinew_storage::catalog::{IndexDef, IndexTarget, TableDef};
use sinew_storage::{
    CancelToken, IndexCompiler, IndexFunction, RelationId, SessionLocks, StorageError, Store, StoreOptions,
    Transaction, Value,
};

use super::compile::compile_index;
use super::expr::{PhysExpr, RowCx};
use super::run::{Cx, RunState};
use crate::context::{BindContext, ExecContext, SessionContext};
use crate::error::{QueryError, Result};
use crate::settings::Settings;
use crate::sql;

/// Compiled indexes that are kept.
const KEPT_INDEXES: usize = 256;
/// Memory that computing one key may take, in bytes.
const MEMORY_LIMIT_BYTES: usize = 64 << 20;

/// Immutable functions look at no database; what they are given belongs to this one, so that a compiled index keeps no
/// snapshot.
static NOWHERE: LazyLock<std::result::Result<Arc<Store>, StorageError>> =
    LazyLock::new(|| Store::in_memory(StoreOptions::default()));

fn nowhere() -> Result<&'static Arc<Store>> {
    NOWHERE.as_ref().map_err(|error| error.clone().into())
}

/// Binds and compiles the text of indexes.
pub struct IndexExpressions {
    session: Arc<SessionContext>,
    kept: Mutex<FxHashMap<RelationId, Arc<CompiledIndex>>>,
}

impl IndexExpressions {
    /// Settings, functions and models are `like`'s; nothing else of it is kept, since the store keeps this and `like` its
    /// store.
    pub fn new(like: &SessionContext) -> Result<IndexExpressions> {
        let session = SessionContext {
            user: like.user.clone(),
            database: like.database.clone(),
            settings: Settings::new(like.settings.read().clone()),
            functions: Arc::clone(&like.functions),
            server_started_us: like.server_started_us,
            ..SessionContext::alone(
                SessionLocks::new(nowhere()?, 0),
                Arc::clone(&like.embedder),
                Arc::clone(&like.count_tokens),
            )
        };
        Ok(IndexExpressions { session: Arc::new(session), kept: Mutex::default() })
    }

    fn compile_new(
        &self,
        transaction: Option<&Transaction>,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<CompiledIndex> {
        let nowhere = Arc::new(nowhere()?.begin(Default::default()));
        let bind = BindContext {
            transaction: transaction.unwrap_or(&nowhere),
            session: &self.session,
            params: RwLock::new(Vec::new()),
        };
        let rules = sql::bind_index_rules(&bind, table, index)?;
        let (computed, predicate, sizes) = compile_index(&rules, bind.transaction)?;
        let context = ExecContext {
            transaction: Arc::clone(&nowhere),
            session: Arc::clone(&self.session),
            params: Arc::from([]),
            cancel: CancelToken::default(),
            transaction_time_us: 0,
            statement_time_us: 0,
            memory_limit_bytes: MEMORY_LIMIT_BYTES,
            allow_writes: false,
        };
        let IndexTarget::Table { columns, .. } = &index.target else {
            return Err(QueryError::internal(format!("index {} is not over a table", index.name)));
        };
        let mut keys = Vec::with_capacity(columns.len());
        for (column, computed) in columns.iter().zip(computed) {
            keys.push(match computed {
                Some(expr) => KeyPart::Computed(expr),
                None => KeyPart::Column(
                    table
                        .position_of(column.column)
                        .ok_or_else(|| QueryError::internal(format!("index {} has lost a column", index.name)))?,
                ),
            });
        }
        let cx = Cx::new(Arc::new(RunState::new(context, sizes, None, false)));
        Ok(CompiledIndex { table: table.clone(), index: index.clone(), cx, keys, predicate })
    }
}

impl IndexCompiler for IndexExpressions {
    fn compile(
        &self,
        transaction: Option<&Transaction>,
        table: &TableDef,
        index: &IndexDef,
    ) -> sinew_storage::Result<Arc<dyn IndexFunction>> {
        let known = self.kept.lock().get(&index.id).cloned();
        if let Some(known) = known.filter(|known| known.is_of(table, index)) {
            return Ok(known);
        }
        let compiled = Arc::new(self.compile_new(transaction, table, index).map_err(storage_error)?);
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_INDEXES {
            kept.clear();
        }
        kept.insert(index.id, Arc::clone(&compiled));
        Ok(compiled)
    }
}

enum KeyPart {
    Column(usize),
    Computed(PhysExpr),
}

struct CompiledIndex {
    /// What it was compiled of.
    table: TableDef,
    index: IndexDef,
    cx: Cx,
    keys: Vec<KeyPart>,
    predicate: Option<PhysExpr>,
}

impl CompiledIndex {
    fn is_of(&self, table: &TableDef, index: &IndexDef) -> bool {
        self.index == *index && self.table.id == table.id && self.table.columns == table.columns
    }
}

impl IndexFunction for CompiledIndex {
    fn key(&self, row: &[Value]) -> sinew_storage::Result<Option<Vec<Value>>> {
        let at = RowCx::of_values(&self.cx, row);
        if let Some(predicate) = &self.predicate
            && !predicate.holds(at).map_err(storage_error)?
        {
            return Ok(None);
        }
        let part = |part: &KeyPart| match part {
            KeyPart::Column(position) => Ok(row[*position].clone()),
            KeyPart::Computed(expr) => expr.eval(at).map_err(storage_error),
        };
        self.keys.iter().map(part).collect::<sinew_storage::Result<Vec<Value>>>().map(Some)
    }
}

fn storage_error(error: QueryError) -> StorageError {
    StorageError::Expression { sqlstate: error.sqlstate(), message: error.0.message }
}
