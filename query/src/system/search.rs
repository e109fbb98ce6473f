use crate::functions::FunctionRegistry;

/// Registers this module's functions.
pub(super) fn register(registry: &FunctionRegistry) {
    let _ = registry;
}
