//! Plans shared by all sessions, keyed by everything that binding read.

use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use sinew_storage::DataType;

use crate::prepare::PlannedStatement;

/// Plans kept; above it the cache is emptied (a scan of distinct texts should not cost a list per hit).
const CAPACITY: usize = 2048;

/// What a plan depends on besides its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlanContext {
    /// Types declared for the parameters.
    pub params: Vec<DataType>,
    pub catalog_version: u64,
    pub search_path: Arc<str>,
    pub user: Arc<str>,
    pub optimize: bool,
}

/// As [`PlanContext`], borrowed: a look-up allocates nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanContextRef<'a> {
    pub params: &'a [DataType],
    pub catalog_version: u64,
    pub search_path: &'a Arc<str>,
    pub user: &'a Arc<str>,
    pub optimize: bool,
}

impl PlanContextRef<'_> {
    fn is(&self, other: &PlanContext) -> bool {
        self.catalog_version == other.catalog_version
            && self.params == other.params
            && self.search_path == &other.search_path
            && self.user == &other.user
            && self.optimize == other.optimize
    }

    fn to_owned(self) -> PlanContext {
        PlanContext {
            params: self.params.to_vec(),
            catalog_version: self.catalog_version,
            search_path: Arc::clone(self.search_path),
            user: Arc::clone(self.user),
            optimize: self.optimize,
        }
    }
}

#[derive(Default)]
struct Plans {
    by_text: FxHashMap<Arc<str>, Vec<(PlanContext, Entry)>>,
    count: usize,
}

/// None for a text with lifted literals that is not to be planned as such.
type Entry = Option<Arc<PlannedStatement>>;

#[derive(Default)]
pub(crate) struct PlanCache {
    plans: RwLock<Plans>,
}

impl PlanCache {
    pub(crate) fn get(&self, text: &str, context: PlanContextRef<'_>) -> Option<Arc<PlannedStatement>> {
        let plans = self.plans.read();
        let found = plans.by_text.get(text)?.iter().find(|(known, _)| context.is(known));
        found.and_then(|(_, plan)| plan.clone())
    }

    /// Whether planning the text came to nothing before.
    pub(crate) fn is_refused(&self, text: &str, context: PlanContextRef<'_>) -> bool {
        let plans = self.plans.read();
        let known = plans.by_text.get(text);
        known.is_some_and(|known| known.iter().any(|(other, plan)| context.is(other) && plan.is_none()))
    }

    /// Notes that planning the text came to nothing.
    pub(crate) fn refuse(&self, text: &str, context: PlanContextRef<'_>) {
        self.put(text, context, None);
    }

    pub(crate) fn insert(&self, text: &str, context: PlanContextRef<'_>, plan: Arc<PlannedStatement>) {
        self.put(text, context, Some(plan));
    }

    fn put(&self, text: &str, context: PlanContextRef<'_>, plan: Entry) {
        let mut plans = self.plans.write();
        let Plans { by_text, count } = &mut *plans;
        if *count >= CAPACITY {
            by_text.clear();
            *count = 0;
        }
        match by_text.get_mut(text) {
            Some(known) => {
                let before = known.len();
                // Nobody asks for what was planned on an older catalog.
                known.retain(|(other, _)| other.catalog_version >= context.catalog_version && !context.is(other));
                known.push((context.to_owned(), plan));
                *count = *count + known.len() - before;
            }
            None => {
                by_text.insert(text.into(), vec![(context.to_owned(), plan)]);
                *count += 1;
            }
        }
    }
}
