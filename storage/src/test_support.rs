//! What tests of several modules begin with.

use std::sync::Arc;

use crate::DataType;
use crate::catalog::ColumnDef;
use crate::ids::ColumnId;
use crate::store::{Isolation, Store, Transaction};

/// A READ COMMITTED transaction within its first statement.
pub fn begin(store: &Arc<Store>) -> Transaction {
    let transaction = store.begin(Isolation::ReadCommitted);
    transaction.begin_statement().unwrap();
    transaction
}

/// A nullable column without a default.
pub fn column(id: u16, name: &str, ty: DataType) -> ColumnDef {
    ColumnDef {
        id: ColumnId(id),
        name: name.into(),
        ty,
        not_null: false,
        default: None,
        identity: None,
        virtual_expression: None,
        comment: None,
    }
}
