//! Data, set-up and measuring that the benches share: the same rows in Sinew's store and in raw redb.
//!
//! A row is a payload of [`PAYLOAD_BYTES`] under an 8-byte key: the row id here, a `u64` there. Both have the same page
//! cache, and every commit is durable when it returns.

pub mod disk;
pub mod measure;
pub mod process;
pub mod selection;

use std::fmt::Write;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use redb::{Builder, Database, Durability, TableDefinition, WriteTransaction};
use sinew_storage::catalog::{
    ColumnDef, ConstraintKind, IndexColumn, IndexDef, IndexKind, IndexTarget, TableBehaviour, TableDef,
};
use sinew_storage::{ColumnId, DataType, Isolation, RowId, Store, StoreOptions, Transaction, Value};

/// Raw redb's table: an 8-byte key and the row's bytes.
/// Keys as the store writes them: byte strings, which redb compares as such.
pub const RAW: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

/// Bytes of each row's text.
pub const PAYLOAD_BYTES: usize = 100;

/// What precedes the twenty digits of a row's number.
const PADDING: &str = "payload-payload-payload-payload-payload-payload-payload-payload-payload-payload-";

/// The text of row `i`.
pub fn payload(i: u64) -> String {
    let mut text = String::with_capacity(PAYLOAD_BYTES);
    text.push_str(PADDING);
    write!(text, "{i:020}").expect("a string takes everything");
    debug_assert_eq!(text.len(), PAYLOAD_BYTES);
    text
}

/// A store with a table of one column.
pub fn open_store(directory: &Path) -> (Arc<Store>, Arc<TableDef>) {
    let store = Store::open(directory, StoreOptions::default()).expect("the bench's directory is writable");
    let table = create_rows_table(&store, "rows");
    (store, table)
}

/// A table of one text column, as [`fill_store`] and [`commit_one`] write it.
pub fn create_rows_table(store: &Arc<Store>, name: &str) -> Arc<TableDef> {
    let transaction = store.begin(Isolation::ReadCommitted);
    let table = create_table(&transaction, name, &[("payload", DataType::Text)]);
    transaction.commit().expect("nobody else creates tables");
    table
}

pub fn create_table(transaction: &Transaction, name: &str, columns: &[(&str, DataType)]) -> Arc<TableDef> {
    let column = |(position, (name, ty)): (usize, &(&str, DataType))| ColumnDef {
        id: ColumnId(position as u16),
        name: (*name).to_owned(),
        ty: ty.clone(),
        not_null: true,
        default: None,
        identity: None,
        virtual_expression: None,
        comment: None,
    };
    transaction
        .create_table(TableDef {
            id: transaction.allocate_relation_id().expect("ids are left"),
            schema: "public".to_owned(),
            name: name.to_owned(),
            columns: columns.iter().enumerate().map(column).collect(),
            next_column_id: columns.len() as u16,
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            behaviour: TableBehaviour::Plain,
            version: 0,
            comment: None,
            options: Vec::new(),
            materialized: None,
        })
        .expect("the table is new")
}

/// Makes the first column of a table its primary key.
pub fn create_primary_key(transaction: &Transaction, table: &TableDef) -> Arc<IndexDef> {
    transaction
        .create_index(IndexDef {
            id: transaction.allocate_relation_id().expect("ids are left"),
            schema: table.schema.clone(),
            name: format!("{}_pkey", table.name),
            target: IndexTarget::Table {
                table: table.id,
                columns: vec![IndexColumn {
                    column: table.columns[0].id,
                    descending: false,
                    nulls_first: false,
                    expression: None,
                }],
            },
            kind: IndexKind::Ordered { unique: true },
            constraint: Some(ConstraintKind::PrimaryKey),
            options: Default::default(),
        })
        .expect("the index is new")
}

/// Inserts `count` rows by one statement in one transaction; gives the first and the last row id.
pub fn fill_store(store: &Arc<Store>, table: &TableDef, count: u64) -> (RowId, RowId) {
    let transaction = store.begin(Isolation::ReadCommitted);
    transaction.begin_statement().expect("nobody cancels");
    let mut first = None;
    let mut last = RowId(0);
    for i in 0..count {
        last = insert(&transaction, table, i);
        first.get_or_insert(last);
    }
    transaction.finish_statement().expect("no constraint stands");
    transaction.commit().expect("the bulk commit succeeds");
    (first.unwrap_or(last), last)
}

/// One row in a transaction of its own, durable when this returns.
pub fn commit_one(store: &Arc<Store>, table: &TableDef, i: u64) {
    let transaction = store.begin(Isolation::ReadCommitted);
    transaction.begin_statement().expect("nobody cancels");
    insert(&transaction, table, i);
    transaction.finish_statement().expect("no constraint stands");
    transaction.commit().expect("the commit succeeds");
}

fn insert(transaction: &Transaction, table: &TableDef, i: u64) -> RowId {
    transaction.insert_row(table, &[Value::from(payload(i))]).expect("the row is valid")
}

/// A redb file with the cache that the store has by default.
pub fn open_raw(file: &Path) -> Database {
    Builder::new()
        .set_cache_size(StoreOptions::default().cache_size_bytes)
        .create(file)
        .expect("the bench's file is writable")
}

/// Appends rows `first..first + count` through a cursor, in one durable transaction. They must lie behind all others.
pub fn fill_raw(database: &Database, first: u64, count: u64) {
    let transaction = begin_raw(database);
    {
        let mut table = transaction.open_table(RAW).expect("the table has this type");
        let mut cursor = table.upper_bound_mut(Bound::<&[u8]>::Unbounded).expect("readable");
        for i in first..first + count {
            cursor.insert_before(&i.to_be_bytes()[..], payload(i).as_bytes()).expect("the keys ascend");
        }
        cursor.close().expect("the rows are valid");
    }
    transaction.commit().expect("the commit succeeds");
}

/// One row in a durable transaction of its own.
pub fn commit_one_raw(database: &Database, i: u64) {
    let transaction = begin_raw(database);
    {
        let mut table = transaction.open_table(RAW).expect("the table has this type");
        table.insert(&i.to_be_bytes()[..], payload(i).as_bytes()).expect("the row is valid");
    }
    transaction.commit().expect("the commit succeeds");
}

fn begin_raw(database: &Database) -> WriteTransaction {
    let mut transaction = database.begin_write().expect("the file is writable");
    transaction.set_durability(Durability::Immediate).expect("no savepoint is held");
    transaction
}
