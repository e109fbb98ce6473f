//! What a transaction keeps of its own changes between reads, so that it does not replay them for each.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::catalog::Catalog;
use crate::fulltext::TextTail;
use crate::graph::delta::GraphDelta;
use crate::graph::property_index::GraphDefinitions;
use crate::ids::RelationId;
use crate::vector::VectorTail;

/// Own changes of an index, evaluated, valid at one change epoch.
pub(crate) struct CachedTail<T> {
    pub epoch: u64,
    /// Every row was evaluated, not only the changed ones.
    pub complete: bool,
    pub tail: Arc<T>,
}

/// Lives in the transaction; every part is checked against the transaction's change epoch or catalog before use.
#[derive(Default)]
pub(crate) struct TransactionCache {
    /// (epoch, delta).
    pub graph: Mutex<Option<(u64, Arc<GraphDelta>)>>,
    /// What one catalog defines over the graph.
    pub graph_definitions: Mutex<Option<(Arc<Catalog>, Arc<GraphDefinitions>)>>,
    pub text: Mutex<FxHashMap<RelationId, CachedTail<TextTail>>>,
    pub vector: Mutex<FxHashMap<RelationId, CachedTail<VectorTail>>>,
}
