//! Plans shared by all sessions, keyed by everything that binding read.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sinew_storage::DataType;

use crate::prepare::PlannedStatement;

/// Plans kept; above it the cache is emptied (a scan of distinct texts should not cost a list per hit).
const CAPACITY: usize = 2048;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PlanKey {
    pub text: Arc<str>,
    pub params: Vec<DataType>,
    pub catalog_version: u64,
    pub search_path: String,
    pub user: String,
    pub optimize: bool,
}

#[derive(Default)]
pub(crate) struct PlanCache {
    plans: Mutex<FxHashMap<PlanKey, Arc<PlannedStatement>>>,
}

impl PlanCache {
    pub(crate) fn get(&self, key: &PlanKey) -> Option<Arc<PlannedStatement>> {
        self.plans.lock().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: PlanKey, plan: Arc<PlannedStatement>) {
        let mut plans = self.plans.lock();
        if plans.len() >= CAPACITY {
            plans.clear();
        }
        plans.insert(key, plan);
    }
}
