//! Page.

use super::registry::Table;

pub(super) fn register(t: &mut Table) {
    let _ = t;
}
