//! Scans that own the transaction they read from.
//!
//! The store's iterators borrow the transaction; an operator lives as long as its stream and holds the transaction by
//! `Arc`. This module ties the two together.

use std::sync::Arc;

use sinew_storage::Transaction;

use crate::error::Result;

/// An iterator of the store.
type Scan<'t, T> = Box<dyn Iterator<Item = sinew_storage::Result<T>> + Send + 't>;

/// An iterator over ids, or what else the store gives, together with the transaction it reads.
pub struct OwnedScan<T: 'static> {
    // Dropped before the transaction: fields drop in order of declaration.
    scan: Scan<'static, T>,
    _transaction: Arc<Transaction>,
}

impl<T> OwnedScan<T> {
    pub fn new(
        transaction: &Arc<Transaction>,
        open: impl for<'t> FnOnce(&'t Transaction) -> sinew_storage::Result<Scan<'t, T>>,
    ) -> Result<OwnedScan<T>> {
        let transaction = Arc::clone(transaction);
        let scan: Scan<'_, T> = open(&transaction)?;
        // SAFETY: the scan borrows only the transaction behind the `Arc`, which does not move and outlives the scan,
        // because this struct holds it and drops the scan first. The items own their data, and the `'static` scan never
        // leaves the struct. `open` works for every lifetime, so it cannot have borrowed anything else for longer.
        let scan: Scan<'static, T> = unsafe { std::mem::transmute::<Scan<'_, T>, Scan<'static, T>>(scan) };
        Ok(OwnedScan { scan, _transaction: transaction })
    }
}

impl<T> Iterator for OwnedScan<T> {
    type Item = sinew_storage::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next()
    }
}
