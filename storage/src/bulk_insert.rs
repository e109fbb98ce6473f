//! Many new rows at once: what is done per row when they come one by one is done once, as far as it can be.
//!
//! Keys of unique indexes are looked up as a range. So rows that come in the order of a unique index, and above or between
//! what is there, as those of a load into a table with a serial key do, go this way; others go one by one.

use crate::catalog::{IndexDef, IndexKind, TableBehaviour, TableDef};
use crate::ddl::RelationLock;
use crate::encoding::key::encode_key_cell;
use crate::encoding::row::RowEncoder;
use crate::encoding::value::StoredValue;
use crate::error::Result;
use crate::index::{MAX_INDEX_KEY_BYTES, direction};
use crate::store::{Keyspace, Transaction, unique_key_hash};

/// Rows that are about to be stored.
pub trait NewRows {
    fn row_count(&self) -> usize;

    /// What is at a position in the table's columns.
    fn cell(&self, row: usize, column: usize) -> StoredValue<'_>;
}

/// Byte strings one after the other.
#[derive(Default)]
struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Pieces {
    fn end_piece(&mut self) {
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.bytes[std::mem::replace(&mut start, *end)..*end])
    }
}

/// Keys of new rows in one index.
struct NewKeys<'i> {
    index: &'i IndexDef,
    is_unique: bool,
    /// Of an index that is not unique, with the row's id.
    keys: Pieces,
}

impl Transaction {
    /// Inserts rows in their order, all of them or, on error, perhaps some. False, with nothing written, when they must be
    /// inserted one by one. Types, NOT NULL and CHECK are the caller's. Errors: `InvalidValue`, `LimitExceeded`, and those of
    /// waiting for a key.
    pub fn insert_rows(&self, table: &TableDef, rows: &impl NewRows) -> Result<bool> {
        let target = self.prepare_write(table)?;
        let row_count = rows.row_count();
        if row_count == 0 || table.behaviour != TableBehaviour::Plain || !target.search_indexes.is_empty() {
            return Ok(row_count == 0);
        }
        let mut indexes = Vec::with_capacity(target.indexes.len());
        for index in &target.indexes {
            let Some(columns) = index.source.columns() else { return Ok(false) };
            let is_unique = matches!(index.def.kind, IndexKind::Ordered { unique: true });
            indexes.push((NewKeys { index: &index.def, is_unique, keys: Pieces::default() }, columns));
        }
        // The keys of unique indexes, which decide whether this way can be taken.
        for (new, columns) in indexes.iter_mut().filter(|(new, _)| new.is_unique) {
            for row in 0..row_count {
                if columns.iter().any(|column| rows.cell(row, *column).is_null()) {
                    return Ok(false);
                }
                if !new.push(columns, rows, row, None)? {
                    return Ok(false);
                }
            }
            if !new.keys.iter().zip(new.keys.iter().skip(1)).all(|(before, after)| before < after) {
                return Ok(false);
            }
        }
        for (new, _) in indexes.iter().filter(|(new, _)| new.is_unique) {
            if !self.lock_new_keys(table, new)? {
                return Ok(false);
            }
        }
        let first_id = self.store().counters().next_rows(table.id, row_count as u64, self.store().published())?;
        let ids: Vec<[u8; 8]> = (first_id..).take(row_count).map(u64::to_be_bytes).collect();
        let mut encoded = Pieces::default();
        let encoder = RowEncoder::new(table);
        for row in 0..row_count {
            encoder.append(|column| rows.cell(row, column), &mut encoded.bytes)?;
            encoded.end_piece();
        }
        for (new, columns) in indexes.iter_mut().filter(|(new, _)| !new.is_unique) {
            for (row, id) in ids.iter().enumerate() {
                if !new.push(columns, rows, row, Some(id))? {
                    return Ok(false);
                }
            }
        }
        for (new, _) in &indexes {
            let keyspace = Keyspace::of_relation(new.index.id);
            if new.is_unique {
                self.kv_insert_all_new(keyspace, new.keys.iter().zip(ids.iter().map(|id| &id[..])))?;
            } else {
                self.kv_insert_all_new(keyspace, new.keys.iter().map(|key| (key, &[][..])))?;
            }
        }
        let keyspace = Keyspace::of_relation(table.id);
        self.kv_insert_all_new(keyspace, ids.iter().map(|id| &id[..]).zip(encoded.iter()))?;
        Ok(true)
    }

    /// Locks ascending keys of a unique index; false when some of them, or one between them, may exist.
    fn lock_new_keys(&self, table: &TableDef, new: &NewKeys<'_>) -> Result<bool> {
        let (Some(first), Some(last)) = (new.keys.iter().next(), new.keys.iter().last()) else { return Ok(true) };
        let keyspace = Keyspace::of_relation(new.index.id);
        if !self.kv_is_empty_between(keyspace, first, last)? {
            return Ok(false);
        }
        if self.needs_row_locks(table.id)? {
            // Whoever has the relation to itself locks no keys.
            self.lock(table.id, RelationLock::RowShare)?;
            let hashes: Vec<u64> = new.keys.iter().map(unique_key_hash).collect();
            if !self.lock_unique_keys(new.index.id, &hashes)? {
                return Ok(false);
            }
        }
        // With the keys locked, nobody enters them after this look.
        self.kv_is_empty_between(keyspace, first, last)
    }
}

impl NewKeys<'_> {
    /// Adds the key of a row; false when it is too long.
    fn push(&mut self, columns: &[usize], rows: &impl NewRows, row: usize, id: Option<&[u8; 8]>) -> Result<bool> {
        let keys = &mut self.keys;
        let start = keys.bytes.len();
        for (at, column) in columns.iter().enumerate() {
            let (descending, nulls_first) = direction(self.index, at);
            encode_key_cell(rows.cell(row, *column), descending, nulls_first, &mut keys.bytes)?;
        }
        if keys.bytes.len() - start > MAX_INDEX_KEY_BYTES {
            return Ok(false);
        }
        keys.bytes.extend_from_slice(id.map_or(&[], |id| id));
        keys.end_piece();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::DataType;
    use crate::catalog::{IndexColumn, IndexTarget};
    use crate::error::StorageError;
    use crate::ids::{ColumnId, RowId};
    use crate::store::{Store, StoreOptions};
    use crate::table::IndexRange;
    use crate::test_support::{begin, column};
    use crate::value::Value;

    struct Rows(Vec<Vec<Value>>);

    impl NewRows for Rows {
        fn row_count(&self) -> usize {
            self.0.len()
        }

        fn cell(&self, row: usize, column: usize) -> StoredValue<'_> {
            StoredValue::of(&self.0[row][column])
        }
    }

    /// A table of three columns: a unique index over the first, descending, others over the second and over both.
    fn store() -> (Arc<Store>, Arc<TableDef>) {
        let store = Store::in_memory(StoreOptions::default()).unwrap();
        let t = begin(&store);
        let id = t.allocate_relation_id().unwrap();
        let table = TableDef {
            foreign_keys: Vec::new(),
            id,
            schema: "public".into(),
            name: "loaded".into(),
            columns: vec![
                column(1, "id", DataType::Int8),
                column(2, "name", DataType::Text),
                column(3, "size", DataType::Float8),
            ],
            next_column_id: 4,
            checks: Vec::new(),
            behaviour: TableBehaviour::Plain,
            version: 0,
            comment: None,
            options: Vec::new(),
            materialized: None,
        };
        t.create_table(table).unwrap();
        let over = |id: u16, descending| IndexColumn {
            column: ColumnId(id),
            descending,
            nulls_first: false,
            expression: None,
        };
        let indexes = [
            ("loaded_key", true, vec![over(1, true)]),
            ("loaded_name", false, vec![over(2, false)]),
            ("loaded_both", false, vec![over(1, false), over(2, true)]),
        ];
        for (name, unique, columns) in indexes {
            t.create_index(IndexDef {
                id: t.allocate_relation_id().unwrap(),
                schema: "public".into(),
                name: name.into(),
                target: IndexTarget::Table { table: id, columns },
                kind: IndexKind::Ordered { unique },
                constraint: None,
                options: Default::default(),
            })
            .unwrap();
        }
        t.commit().unwrap();
        let table = Arc::clone(begin(&store).catalog().table("public", "loaded").unwrap());
        (store, table)
    }

    fn row(key: i64, random: &mut StdRng) -> Vec<Value> {
        let name = match random.random_range(0..4) {
            0 => Value::Null,
            number => Value::text(format!("name {number}\0")),
        };
        vec![Value::Int(key), name, Value::Float(random.random_range(0..9) as f64)]
    }

    /// All rows, and the rows under each index, in its order.
    fn contents(t: &Transaction, table: &TableDef) -> Vec<Vec<Vec<Value>>> {
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let rows = t.scan_rows(table, &all).unwrap().map(|row| row.unwrap().1).collect();
        let mut contents = vec![rows];
        for index in t.catalog().indexes_of(table.id) {
            let ids = t.index_scan(index, &IndexRange::all(), false).unwrap();
            let row = |id: crate::error::Result<u64>| t.get_row(table, RowId(id.unwrap()), &all).unwrap().unwrap();
            contents.push(ids.map(row).collect());
        }
        contents
    }

    #[test]
    fn rows_at_once_are_the_rows_one_by_one() {
        let mut at_once = 0;
        for seed in 0..30 {
            let mut random = StdRng::seed_from_u64(seed);
            let ((bulk, table), (single, single_table)) = (store(), store());
            let mut next = 10_000;
            for _ in 0..6 {
                let (a, b) = (begin(&bulk), begin(&single));
                for _ in 0..random.random_range(1..4) {
                    // The index is descending, so descending keys are the ones that ascend in it.
                    next -= 200;
                    let count = random.random_range(0..90);
                    let mut keys: Vec<i64> = (0..count).map(|at| next + 150 - at).collect();
                    if count > 2 && random.random_bool(0.3) {
                        keys.swap(0, 1);
                    }
                    let rows: Vec<Vec<Value>> = keys.iter().map(|key| row(*key, &mut random)).collect();
                    if a.insert_rows(&table, &Rows(rows.clone())).unwrap() {
                        at_once += rows.len();
                    } else {
                        for row in &rows {
                            a.insert_row(&table, row).unwrap();
                        }
                    }
                    for row in &rows {
                        b.insert_row(&single_table, row).unwrap();
                    }
                    assert_eq!(contents(&a, &table), contents(&b, &single_table), "seed {seed}");
                }
                if random.random_bool(0.3) {
                    a.rollback();
                    b.rollback();
                } else {
                    a.commit().unwrap();
                    b.commit().unwrap();
                }
            }
            assert_eq!(contents(&begin(&bulk), &table), contents(&begin(&single), &single_table), "seed {seed}");
            assert_eq!(bulk.check(&mut |_, _| Ok(())).unwrap().problem_count, 0, "seed {seed}");
        }
        assert!(at_once > 1_000, "{at_once} rows were inserted at once");
    }

    #[test]
    fn keys_that_exist_are_left_to_single_rows() {
        let (store, table) = store();
        let mut random = StdRng::seed_from_u64(1);
        let mut rows = |keys: &[i64]| Rows(keys.iter().map(|key| row(*key, &mut random)).collect());
        let t = begin(&store);
        assert!(t.insert_rows(&table, &rows(&[9, 7, 5])).unwrap());
        // Known to the transaction itself, between others, twice, none.
        for keys in [&[7][..], &[8, 6], &[3, 3], &[2, 4]] {
            assert!(!t.insert_rows(&table, &rows(keys)).unwrap(), "{keys:?}");
        }
        let mut with_null = rows(&[3, 2]);
        with_null.0[1][0] = Value::Null;
        assert!(!t.insert_rows(&table, &with_null).unwrap());
        t.commit().unwrap();
        let t = begin(&store);
        assert!(!t.insert_rows(&table, &rows(&[10, 9])).unwrap());
        let other = begin(&store);
        assert!(other.insert_rows(&table, &rows(&[20, 19])).unwrap());
        // Another transaction is inserting one of them.
        t.set_lock_timeout(Some(std::time::Duration::from_millis(20)));
        let refused = t.insert_rows(&table, &rows(&[21, 20]));
        assert!(matches!(refused, Err(StorageError::LockTimeout)), "{refused:?}");
        other.rollback();
        assert!(t.insert_rows(&table, &rows(&[23, 22, 21, 20])).unwrap());
        // What it deletes itself is gone from the indexes too.
        let key = t.catalog().indexes_of(table.id).iter().find(|index| index.name == "loaded_key").cloned().unwrap();
        let ids: Vec<_> = t.index_scan(&key, &IndexRange::all(), false).unwrap().map(|id| RowId(id.unwrap())).collect();
        ids.iter().for_each(|id| assert!(t.delete_row(&table, *id).unwrap()));
        assert!(contents(&t, &table).iter().all(Vec::is_empty));
        t.commit().unwrap();
        assert!(contents(&begin(&store), &table).iter().all(Vec::is_empty));
    }
}
