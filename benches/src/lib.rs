//! Data and set-up shared by the benches: the same rows in Sinew's store and in raw redb.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, Durability, TableDefinition};
use sinew_storage::catalog::{ColumnDef, TableBehaviour, TableDef};
use sinew_storage::{ColumnId, DataType, Isolation, RowId, Store, StoreOptions, Transaction, Value};

/// Raw redb's table: an 8-byte key and the row's bytes.
pub const RAW: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("rows");

/// Bytes of each row's text.
pub const PAYLOAD_BYTES: usize = 100;

pub fn payload(i: u64) -> String {
    format!("{i:0>width$}", width = PAYLOAD_BYTES)
}

/// A store with a two-column table.
pub fn open_store(directory: &Path) -> (Arc<Store>, Arc<TableDef>) {
    let store = Store::open(directory, StoreOptions::default()).expect("the bench's directory is writable");
    let transaction = store.begin(Isolation::ReadCommitted);
    let column = |id: u16, name: &str, ty: DataType| ColumnDef {
        id: ColumnId(id),
        name: name.to_owned(),
        ty,
        not_null: true,
        default: None,
        virtual_expression: None,
        comment: None,
    };
    let table = transaction
        .create_table(TableDef {
            id: transaction.allocate_relation_id().expect("ids are left"),
            schema: "public".to_owned(),
            name: "rows".to_owned(),
            columns: vec![column(0, "id", DataType::Int8), column(1, "payload", DataType::Text)],
            next_column_id: 2,
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            behaviour: TableBehaviour::Plain,
            version: 0,
            comment: None,
        })
        .expect("the table is new");
    transaction.commit().expect("the first commit succeeds");
    (store, table)
}

/// Inserts `count` rows in one transaction; gives the first and last row id.
pub fn fill_store(store: &Arc<Store>, table: &TableDef, count: u64) -> (RowId, RowId) {
    let transaction = store.begin(Isolation::ReadCommitted);
    let mut first = None;
    let mut last = RowId(0);
    for i in 0..count {
        last = insert(&transaction, table, i);
        first.get_or_insert(last);
    }
    transaction.commit().expect("the bulk commit succeeds");
    (first.unwrap_or(last), last)
}

pub fn insert(transaction: &Transaction, table: &TableDef, i: u64) -> RowId {
    transaction.insert_row(table, &[Value::Int(i as i64), Value::from(payload(i))]).expect("the row is valid")
}

pub fn open_raw(file: &Path) -> Database {
    Database::create(file).expect("the bench's file is writable")
}

/// Inserts `count` rows in one durable transaction.
pub fn fill_raw(database: &Database, first: u64, count: u64) {
    let mut transaction = database.begin_write().expect("no other writer");
    transaction.set_durability(Durability::Immediate).expect("no savepoint is held");
    {
        let mut table = transaction.open_table(RAW).expect("the table has this type");
        for i in first..first + count {
            table.insert(i, payload(i).as_bytes()).expect("the row is valid");
        }
    }
    transaction.commit().expect("the commit succeeds");
}
