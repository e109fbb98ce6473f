//! Scans that own the transaction they read from.
//!
//! The store's iterators borrow the transaction; an operator lives as long as its stream and holds the transaction by
//! `Arc`. This module ties the two together.

use std::sync::Arc;

use sinew_storage::{IdScan, Transaction};

use crate::error::Result;

/// An iterator over ids together with the transaction it reads.
pub struct OwnedIdScan {
    // Dropped before the transaction: fields drop in order of declaration.
    scan: IdScan<'static>,
    _transaction: Arc<Transaction>,
}

impl OwnedIdScan {
    pub fn new(
        transaction: &Arc<Transaction>,
        open: impl for<'t> FnOnce(&'t Transaction) -> sinew_storage::Result<IdScan<'t>>,
    ) -> Result<OwnedIdScan> {
        let transaction = Arc::clone(transaction);
        let scan: IdScan<'_> = open(&transaction)?;
        // SAFETY: the scan borrows only the transaction behind the `Arc`, which does not move and outlives the scan,
        // because this struct holds it and drops the scan first. The items own their data, and the `'static` scan never
        // leaves the struct. `open` works for every lifetime, so it cannot have borrowed anything else for longer.
        let scan: IdScan<'static> = unsafe { std::mem::transmute::<IdScan<'_>, IdScan<'static>>(scan) };
        Ok(OwnedIdScan { scan, _transaction: transaction })
    }
}

impl Iterator for OwnedIdScan {
    type Item = sinew_storage::Result<u64>;

    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next()
    }
}
