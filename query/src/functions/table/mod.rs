//! Table functions.

use super::FunctionRegistry;

pub(super) fn register(registry: &FunctionRegistry) {
    let _ = registry;
}
