//! Settings that change plans.

use crate::context::SessionContext;
use crate::settings;

const NAMES: [&str; 6] = [
    "hash_mem_multiplier",
    "hnsw.ef_search",
    "max_parallel_workers_per_gather",
    "search_path",
    "sinew.optimizer",
    "work_mem",
];

/// Those that differ from their defaults, as SHOW prints them.
pub(super) fn changed(session: &SessionContext) -> Vec<(String, String)> {
    NAMES
        .iter()
        .filter_map(|name| {
            let (value, known) = (session.setting(name)?, settings::find(name)?);
            (value != known.default).then(|| ((*name).to_owned(), settings::shown(name, value)))
        })
        .collect()
}
