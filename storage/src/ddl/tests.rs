//! Tests of tables, indexes and DDL through transactions.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::DataType;
use crate::encoding::compare_values;
use crate::ids::{ColumnId, RowId};
use crate::store::{ESCALATION_LOCKS, ESCALATION_STEP, Isolation, Store, StoreOptions};
use crate::table::IndexRange;
use crate::test_support::{self, begin};
use crate::value::Value;

/// How long a transaction waits that is expected to wait in vain.
const SHORT: std::time::Duration = std::time::Duration::from_millis(20);

fn store() -> Arc<Store> {
    Store::in_memory(StoreOptions::default()).unwrap()
}

fn column(id: u16, name: &str) -> ColumnDef {
    test_support::column(id, name, DataType::Any)
}

fn table(transaction: &Transaction, name: &str) -> Arc<TableDef> {
    let def = TableDef {
        id: transaction.allocate_relation_id().unwrap(),
        schema: "public".into(),
        name: name.into(),
        columns: vec![column(1, "a"), column(2, "b")],
        next_column_id: 3,
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        behaviour: TableBehaviour::Plain,
        version: 0,
        comment: None,
        options: Vec::new(),
        materialized: None,
    };
    transaction.create_table(def).unwrap()
}

fn index(
    transaction: &Transaction,
    table: &TableDef,
    name: &str,
    unique: bool,
    columns: &[(u16, bool, bool)],
) -> IndexDef {
    IndexDef {
        id: transaction.allocate_relation_id().unwrap(),
        schema: "public".into(),
        name: name.into(),
        target: IndexTarget::Table {
            table: table.id,
            columns: columns
                .iter()
                .map(|(id, descending, nulls_first)| IndexColumn {
                    column: ColumnId(*id),
                    descending: *descending,
                    nulls_first: *nulls_first,
                    expression: None,
                })
                .collect(),
        },
        kind: IndexKind::Ordered { unique },
        constraint: None,
        options: Default::default(),
    }
}

fn row(a: impl Into<Value>, b: impl Into<Value>) -> [Value; 2] {
    [a.into(), b.into()]
}

fn rows(transaction: &Transaction, def: &TableDef) -> Vec<(RowId, Vec<Value>)> {
    transaction.scan_rows(def, &[0, 1]).unwrap().collect::<Result<_>>().unwrap()
}

#[test]
fn rows_are_written_and_read() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    let first = t.insert_row(&def, &row(1, "x")).unwrap();
    let second = t.insert_row(&def, &row(2, Value::Null)).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();
    let t = begin(&store);
    let def = Arc::clone(t.catalog().table("public", "t").unwrap());
    assert_eq!(t.get_row(&def, second, &[1, 0]).unwrap().unwrap(), [Value::Null, Value::Int(2)]);
    t.update_row(&def, second, &row(3, "y")).unwrap();
    assert!(t.delete_row(&def, first).unwrap());
    assert!(!t.delete_row(&def, first).unwrap());
    assert!(matches!(t.update_row(&def, first, &row(1, 1)), Err(StorageError::WriteConflict { .. })));
    assert_eq!(rows(&t, &def), [(second, row(3, "y").to_vec())]);
    assert_eq!(t.row_count(&def).unwrap(), 1);
    t.commit().unwrap();
    assert_eq!(begin(&store).row_count(&def).unwrap(), 1);
}

#[test]
fn unique_indexes_hold_within_and_between_transactions() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    let mut key = index(&t, &def, "t_key", true, &[(1, false, false), (2, false, false)]);
    key.constraint = Some(ConstraintKind::Unique);
    t.create_index(key).unwrap();
    t.commit().unwrap();

    let t = begin(&store);
    let def = Arc::clone(t.catalog().table("public", "t").unwrap());
    let first = t.insert_row(&def, &row(1, "x")).unwrap();
    let refused = t.insert_row(&def, &row(1.0, "x")).unwrap_err();
    let StorageError::DuplicateKey { table, constraint, detail, .. } = refused else { panic!("{refused}") };
    assert_eq!((&table[..], &constraint[..]), ("t", "t_key"));
    assert_eq!(detail, "Key (a, b)=(1, x) already exists.");
    t.insert_row(&def, &row(Value::Null, "x")).unwrap();
    t.insert_row(&def, &row(Value::Null, "x")).unwrap();
    t.update_row(&def, first, &row(1, "x")).unwrap();
    t.update_row(&def, first, &row(2, "x")).unwrap();
    t.insert_row(&def, &row(1, "x")).unwrap();
    t.commit().unwrap();

    let (one, two) = (begin(&store), begin(&store));
    one.insert_row(&def, &row(9, "z")).unwrap();
    two.set_lock_timeout(Some(SHORT));
    assert!(matches!(two.insert_row(&def, &row(9, "z")), Err(StorageError::LockTimeout)));
    one.commit().unwrap();
    let refused = two.insert_row(&def, &row(9, "z")).unwrap_err();
    let StorageError::DuplicateKey { constraint, detail, .. } = refused else { panic!("{refused}") };
    assert_eq!((&constraint[..], &detail[..]), ("t_key", "Key (a, b)=(9, z) already exists."));

    // A key freed by one transaction is taken by the next.
    let t = begin(&store);
    let key = Arc::clone(t.catalog().index("public", "t_key").unwrap());
    let find = |values: Vec<Value>| -> Vec<u64> {
        t.index_scan(&key, &IndexRange::equal(values), false).unwrap().collect::<Result<_>>().unwrap()
    };
    assert_eq!(find(row(2.0, "x").to_vec()), [first.0]);
    assert_eq!(find(vec![Value::Int(2)]), [first.0]);
    assert!(find(row(3, "x").to_vec()).is_empty());
    assert!(find(row(Value::Null, "x").to_vec()).is_empty());
    t.delete_row(&def, first).unwrap();
    t.insert_row(&def, &row(2, "x")).unwrap();
    t.commit().unwrap();
}

#[test]
fn a_table_that_gets_very_many_keys_is_locked_whole() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    t.create_index(index(&t, &def, "t_key", true, &[(1, false, false)])).unwrap();
    t.commit().unwrap();

    let t = begin(&store);
    let def = Arc::clone(t.catalog().table("public", "t").unwrap());
    let count = (ESCALATION_LOCKS + 2 * ESCALATION_STEP) as i64;
    for i in 0..count {
        t.insert_row(&def, &row(i, 0)).unwrap();
    }
    assert!(!t.needs_row_locks(def.id).unwrap());
    assert!(matches!(t.insert_row(&def, &row(count - 1, 1)), Err(StorageError::DuplicateKey { .. })));
    let other = begin(&store);
    other.set_lock_timeout(Some(SHORT));
    assert!(matches!(other.insert_row(&def, &row(count, 1)), Err(StorageError::LockTimeout)));
}

#[test]
fn index_scans_equal_sorted_scans() {
    let mut random = StdRng::seed_from_u64(3);
    for (descending, nulls_first) in [(false, false), (true, true), (false, true), (true, false)] {
        let store = store();
        let t = begin(&store);
        let def = table(&t, "t");
        let columns = [(1, descending, nulls_first), (2, false, false)];
        for _ in 0..40 {
            t.insert_row(&def, &row(random.random_range(0..6_i64), random.random_range(0..3_i64))).unwrap();
        }
        let ordered = t.create_index(index(&t, &def, "i", false, &columns)).unwrap();
        t.commit().unwrap();
        let t = begin(&store);
        let def = Arc::clone(t.catalog().table("public", "t").unwrap());
        for _ in 0..20 {
            t.insert_row(&def, &row(Value::Null, random.random_range(0..3_i64))).unwrap();
            t.insert_row(&def, &row(random.random_range(0..6_i64), Value::Null)).unwrap();
        }
        for (id, values) in rows(&t, &def) {
            if random.random_bool(0.2) {
                t.delete_row(&def, id).unwrap();
            } else if random.random_bool(0.3) {
                t.update_row(&def, id, &[Value::Int(random.random_range(0..6)), values[1].clone()]).unwrap();
            }
        }
        let mut model = rows(&t, &def);
        model.sort_by(|(a_id, a), (b_id, b)| {
            let first = match (a[0].is_null(), b[0].is_null()) {
                (false, false) if descending => compare_values(&b[0], &a[0]),
                (false, false) | (true, true) => compare_values(&a[0], &b[0]),
                (a_null, _) => {
                    if a_null == nulls_first {
                        std::cmp::Ordering::Less
                    } else {
                        std::cmp::Ordering::Greater
                    }
                }
            };
            first.then_with(|| compare_values(&a[1], &b[1])).then(a_id.cmp(b_id))
        });
        let bound = |random: &mut StdRng| match random.random_range(0..3) {
            0 => Bound::Included(Value::Int(random.random_range(0..6))),
            1 => Bound::Excluded(Value::Int(random.random_range(0..6))),
            _ => Bound::Unbounded,
        };
        let within = |value: &Value, lower: &Bound<Value>, upper: &Bound<Value>| {
            let unbounded = (lower, upper) == (&Bound::Unbounded, &Bound::Unbounded);
            if value.is_null() {
                return unbounded;
            }
            (match lower {
                Bound::Included(l) => compare_values(value, l).is_ge(),
                Bound::Excluded(l) => compare_values(value, l).is_gt(),
                Bound::Unbounded => true,
            }) && (match upper {
                Bound::Included(u) => compare_values(value, u).is_le(),
                Bound::Excluded(u) => compare_values(value, u).is_lt(),
                Bound::Unbounded => true,
            })
        };
        for _ in 0..60 {
            let equal: Vec<Value> = if random.random() { vec![Value::Int(random.random_range(0..6))] } else { vec![] };
            let range = IndexRange { lower: bound(&mut random), upper: bound(&mut random), equal };
            let mut expected: Vec<u64> = model
                .iter()
                .filter(|(_, values)| match range.equal.first() {
                    Some(first) => &values[0] == first && within(&values[1], &range.lower, &range.upper),
                    None => within(&values[0], &range.lower, &range.upper),
                })
                .map(|(id, _)| id.0)
                .collect();
            let reverse = random.random();
            if reverse {
                expected.reverse();
            }
            let found: Vec<u64> = t.index_scan(&ordered, &range, reverse).unwrap().collect::<Result<_>>().unwrap();
            assert_eq!(found, expected, "{range:?} reverse {reverse} descending {descending}");
        }
        let null = IndexRange::equal(vec![Value::Null]);
        assert_eq!(t.index_scan(&ordered, &null, false).unwrap().count(), 0);
    }
}

#[test]
fn an_index_that_is_not_unique_cannot_be_built_unique() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    t.insert_row(&def, &row(1, 1)).unwrap();
    t.insert_row(&def, &row(1, 2)).unwrap();
    t.finish_statement().unwrap();
    t.begin_statement().unwrap();
    let refused = t.create_index(index(&t, &def, "i", true, &[(1, false, false)]));
    assert!(matches!(refused, Err(StorageError::DuplicateKey { .. })));
    t.abort_statement();
    assert!(t.catalog().index("public", "i").is_none());
    t.begin_statement().unwrap();
    t.create_index(index(&t, &def, "i", false, &[(1, false, false)])).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();
    assert!(begin(&store).catalog().index("public", "i").is_some());
}

#[test]
fn ddl_is_rolled_back_with_its_layer() {
    let store = store();
    let t = store.begin(Isolation::ReadCommitted);
    t.savepoint("s").unwrap();
    let def = table(&t, "t");
    t.insert_row(&def, &row(1, 1)).unwrap();
    let version = t.catalog().version;
    assert!(t.catalog().table("public", "t").is_some());
    assert!(store.begin(Isolation::ReadCommitted).catalog().table("public", "t").is_none());
    t.rollback_to_savepoint("s").unwrap();
    assert!(t.catalog().table("public", "t").is_none());
    assert_ne!(t.catalog().version, version);
    let def = table(&t, "t");
    t.create_schema("s").unwrap();
    assert!(matches!(t.create_schema("s"), Err(StorageError::ObjectExists { .. })));
    t.insert_row(&def, &row(1, 1)).unwrap();
    t.commit().unwrap();

    let t = begin(&store);
    assert_eq!(t.row_count(t.catalog().table("public", "t").unwrap()).unwrap(), 1);
    assert!(matches!(t.drop_schema("public"), Err(StorageError::DependentObjects { .. })));
    assert!(matches!(t.drop_schema("pg_catalog"), Err(StorageError::DependentObjects { .. })));
    t.drop_schema("s").unwrap();
    t.drop_table(def.id).unwrap();
    t.rollback();
    let t = begin(&store);
    t.drop_table(def.id).unwrap();
    assert!(matches!(t.drop_table(def.id), Err(StorageError::ObjectNotFound { .. })));
    // The name is free again within the same transaction.
    let again = table(&t, "t");
    assert_eq!(t.row_count(&again).unwrap(), 0);
    t.commit().unwrap();
    assert_eq!(begin(&store).catalog().tables.len(), 1);
}

#[test]
fn columns_are_added_without_rewriting_rows() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    t.create_index(index(&t, &def, "i", false, &[(2, false, false)])).unwrap();
    t.commit().unwrap();
    let t = begin(&store);
    let def = Arc::clone(t.catalog().table("public", "t").unwrap());
    t.insert_row(&def, &row(1, 1)).unwrap();
    t.commit().unwrap();
    let t = begin(&store);
    let mut wider = (*def).clone();
    let mut added = column(3, "c");
    added.default = Some(DefaultExpr {
        expression: "7".into(),
        constant: Some(crate::encoding::value::value_bytes(&Value::Int(7))),
    });
    wider.columns.push(added);
    wider.columns.remove(1);
    wider.next_column_id = 4;
    wider.name = "renamed".into();
    let altered = t.alter_table(wider.clone()).unwrap();
    assert!(matches!(t.alter_table(wider), Err(StorageError::WriteConflict { .. })));
    assert!(t.catalog().index("public", "i").is_none(), "an index goes with its column");
    assert_eq!(rows(&t, &altered), [(RowId(1), row(1, 7).to_vec())]);
    assert!(t.catalog().table("public", "t").is_none());
    let mut reused = (*altered).clone();
    reused.columns.push(column(2, "b"));
    assert!(matches!(t.alter_table(reused), Err(StorageError::Internal(_))));
    t.commit().unwrap();
    assert!(begin(&store).catalog().table("public", "renamed").is_some());
}

#[test]
fn writes_under_an_older_definition_are_refused() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    t.commit().unwrap();
    let late = store.begin(Isolation::RepeatableRead);
    late.begin_statement().unwrap();
    let t = begin(&store);
    t.create_index(index(&t, &def, "i", false, &[(1, false, false)])).unwrap();
    t.commit().unwrap();
    late.insert_row(&def, &row(1, 1)).unwrap();
    assert!(matches!(late.commit(), Err(StorageError::WriteConflict { .. })));
}

#[test]
fn a_write_after_a_rollback_takes_its_lock_again() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    t.commit().unwrap();
    let writer = begin(&store);
    writer.savepoint("s").unwrap();
    let builder = begin(&store);
    builder.set_lock_timeout(Some(SHORT));
    let build = || builder.create_index(index(&builder, &def, "i", false, &[(1, false, false)]));
    for _ in 0..2 {
        writer.insert_row(&def, &row(1, 1)).unwrap();
        writer.insert_row(&def, &row(2, 2)).unwrap();
        assert!(matches!(build(), Err(StorageError::LockTimeout)));
        writer.rollback_to_savepoint("s").unwrap();
    }
    build().unwrap();
}

#[test]
fn create_index_waits_for_writers_and_sees_their_rows() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    t.commit().unwrap();
    let writer = begin(&store);
    writer.insert_row(&def, &row(1, 1)).unwrap();
    let builder = std::thread::spawn({
        let (store, def) = (Arc::clone(&store), Arc::clone(&def));
        move || {
            let t = begin(&store);
            t.create_index(index(&t, &def, "i", false, &[(1, false, false)])).unwrap();
            t.commit().unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(50));
    assert!(begin(&store).catalog().index("public", "i").is_none());
    writer.commit().unwrap();
    builder.join().unwrap();
    let t = begin(&store);
    let ordered = Arc::clone(t.catalog().index("public", "i").unwrap());
    assert_eq!(t.index_scan(&ordered, &IndexRange::all(), false).unwrap().count(), 1);
}

#[test]
fn two_creations_of_one_name_wait_for_each_other() {
    let store = store();
    let (one, two) = (begin(&store), begin(&store));
    let def = table(&one, "t");
    two.set_lock_timeout(Some(SHORT));
    let again = || {
        let id = two.allocate_relation_id().unwrap();
        two.create_table(TableDef { id, ..TableDef::clone(&def) })
    };
    assert!(matches!(again(), Err(StorageError::LockTimeout)));
    one.commit().unwrap();
    let refused = again().map(drop).and_then(|()| two.commit().map(drop));
    assert!(matches!(refused, Err(StorageError::ObjectExists { .. })), "{refused:?}");
}

#[test]
fn truncate_empties_table_and_indexes() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    let unique = t.create_index(index(&t, &def, "i", true, &[(1, false, false)])).unwrap();
    let def = Arc::clone(t.catalog().table("public", "t").unwrap());
    for i in 0..10_i64 {
        t.insert_row(&def, &row(i, i)).unwrap();
    }
    t.commit().unwrap();
    let t = begin(&store);
    t.truncate_table(def.id).unwrap();
    t.insert_row(&def, &row(3, 3)).unwrap();
    assert_eq!(t.row_count(&def).unwrap(), 1);
    t.commit().unwrap();
    let t = begin(&store);
    assert_eq!(rows(&t, &def).len(), 1);
    assert_eq!(t.index_scan(&unique, &IndexRange::all(), false).unwrap().count(), 1);
}

#[test]
fn views_indexes_and_limits() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    let view = ViewDef {
        id: t.allocate_relation_id().unwrap(),
        schema: "public".into(),
        name: "v".into(),
        columns: vec![("a".into(), DataType::Int4)],
        query: "SELECT 1".into(),
        check_option: None,
    };
    let view = t.create_view(view).unwrap();
    assert!(matches!(t.create_view((*view).clone()), Err(StorageError::ObjectExists { .. })));
    t.drop_view(view.id).unwrap();
    let over = |name: &str, on: &[RelationId]| {
        let id = t.allocate_relation_id().unwrap();
        t.create_view_over(ViewDef { id, name: name.into(), ..(*view).clone() }, on).unwrap().id
    };
    let lower = over("lower", &[def.id]);
    let upper = over("upper", &[lower]);
    let refused = t.drop_table(def.id).unwrap_err();
    let StorageError::DependentObjects { object, detail } = refused else { panic!("{refused}") };
    assert_eq!((&object[..], &detail[..]), ("table t", "view lower depends on table t"));
    assert!(matches!(t.drop_view(lower), Err(StorageError::DependentObjects { .. })));
    t.drop_view(upper).unwrap();
    t.drop_view(lower).unwrap();
    assert!(t.catalog().dependents.is_empty());
    let made = t.create_index(index(&t, &def, "i", false, &[(1, false, false)])).unwrap();
    t.rename_index(made.id, "j").unwrap();
    assert!(t.catalog().index("public", "i").is_none());
    let long = Value::from("x".repeat(9_000));
    let def = Arc::clone(t.catalog().table("public", "t").unwrap());
    assert!(matches!(t.insert_row(&def, &row(long, 1)), Err(StorageError::LimitExceeded(_))));
    t.drop_index(made.id).unwrap();
    assert!(t.catalog().indexes_of(def.id).is_empty());
    let mut wide = (*def).clone();
    wide.columns = (1..=1_601).map(|i| column(i, &format!("c{i}"))).collect();
    wide.next_column_id = 2_000;
    assert!(matches!(t.create_table(wide), Err(StorageError::LimitExceeded(_))));
    assert_eq!(t.next_counter("n").unwrap(), 1);
    assert_eq!(t.next_counter("n").unwrap(), 2);
}

#[test]
fn message_numbers_continue_after_the_stored_ones() {
    let directory = tempfile::tempdir().unwrap();
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    for round in 0..3 {
        let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
        let t = begin(&store);
        if round == 0 {
            assert!(matches!(t.next_message_seq("x"), Err(StorageError::ObjectNotFound { .. })));
            let mut def = (*table(&t, "draft")).clone();
            def.id = RelationId(1_001);
            def.schema = "sinew".into();
            def.name = "messages".into();
            def.columns = vec![column(1, "conversation_id"), column(2, "seq")];
            def.behaviour = TableBehaviour::Messages;
            let def = t.create_table(def).unwrap();
            let mut key = index(&t, &def, "messages_pkey", true, &[(1, false, false), (2, false, false)]);
            key.schema = "sinew".into();
            key.constraint = Some(ConstraintKind::PrimaryKey);
            t.create_index(key).unwrap();
        }
        let def = Arc::clone(t.catalog().table("sinew", "messages").unwrap());
        for conversation in ["x", "y", "x"] {
            let seq = t.next_message_seq(conversation).unwrap();
            let last = expected.entry(conversation).or_insert(0);
            *last += 1;
            assert_eq!(seq, *last);
            t.insert_row(&def, &row(conversation, seq)).unwrap();
        }
        t.insert_row(&def, &row("x", expected["x"] + 10)).unwrap();
        *expected.get_mut("x").unwrap() += 10;
        t.commit().unwrap();
    }
}

/// Rows of the table against entries of its indexes, both ways.
fn assert_indexes_match(t: &Transaction, def: &TableDef) {
    let stored = rows(t, def);
    for index in t.catalog().indexes_of(def.id) {
        let IndexTarget::Table { columns, .. } = &index.target else { continue };
        let mut expected = stored.clone();
        let positions = crate::index::column_positions(def, columns).unwrap();
        expected.sort_by(|(a_id, a), (b_id, b)| {
            let orders = positions.iter().map(|position| compare_values(&a[*position], &b[*position]));
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(a_id.cmp(b_id))
        });
        let expected: Vec<u64> = expected.iter().map(|(id, _)| id.0).collect();
        let found: Vec<u64> = t.index_scan(index, &IndexRange::all(), false).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(found, expected, "index {}", index.name);
    }
    assert_eq!(t.row_count(def).unwrap(), stored.len() as u64);
}

#[test]
fn concurrent_transactions_keep_indexes_and_uniqueness() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    t.create_index(index(&t, &def, "u", true, &[(1, false, false)])).unwrap();
    t.create_index(index(&t, &def, "i", false, &[(2, false, false), (1, false, false)])).unwrap();
    t.commit().unwrap();
    let def = Arc::clone(begin(&store).catalog().table("public", "t").unwrap());
    let workers: Vec<_> = (0..4)
        .map(|seed| {
            let (store, def) = (Arc::clone(&store), Arc::clone(&def));
            std::thread::spawn(move || {
                let mut random = StdRng::seed_from_u64(seed);
                let mut committed = 0;
                for round in 0..120 {
                    let isolation = if round % 3 == 0 { Isolation::RepeatableRead } else { Isolation::ReadCommitted };
                    let t = store.begin(isolation);
                    for _ in 0..random.random_range(1..6) {
                        t.begin_statement().unwrap();
                        let ids: Vec<RowId> = rows(&t, &def).into_iter().map(|(id, _)| id).collect();
                        let value = row(random.random_range(0..40_i64), random.random_range(0..5_i64));
                        let result = match random.random_range(0..3) {
                            0 if !ids.is_empty() => t.update_row(&def, ids[random.random_range(0..ids.len())], &value),
                            1 if !ids.is_empty() => {
                                t.delete_row(&def, ids[random.random_range(0..ids.len())]).map(drop)
                            }
                            _ => t.insert_row(&def, &value).map(drop),
                        };
                        match result {
                            Ok(()) if random.random_bool(0.9) => t.finish_statement().unwrap(),
                            _ => t.abort_statement(),
                        }
                    }
                    match t.commit() {
                        Ok(_) => committed += 1,
                        Err(StorageError::WriteConflict { .. } | StorageError::DuplicateKey { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                committed
            })
        })
        .collect();
    let committed: u32 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    assert!(committed > 100);
    assert_indexes_match(&begin(&store), &def);
}

#[test]
fn many_rows_are_appended_in_one_pass() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    t.commit().unwrap();
    for round in 0..3_i64 {
        let t = begin(&store);
        for i in 0..1_000 {
            t.insert_row(&def, &row(i, round)).unwrap();
        }
        t.commit().unwrap();
    }
    let t = begin(&store);
    let ids: Vec<u64> = rows(&t, &def).iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids.len(), 3_000);
    assert!(ids.is_sorted());
}

#[test]
fn graph_indexes_are_filled_and_followed() {
    let store = store();
    let t = begin(&store);
    let (person, name) = (t.ensure_label("Person").unwrap(), t.ensure_property_key("name").unwrap());
    let node = |t: &Transaction, value: &str| t.create_node(&[person], vec![(name, Value::from(value))]);
    let (bob, ann) = (node(&t, "Bob").unwrap(), node(&t, "Ann").unwrap());
    t.create_node(&[person], vec![]).unwrap();
    t.commit().unwrap();
    // A writer that does not know the index yet is refused.
    let late = store.begin(Isolation::RepeatableRead);
    late.begin_statement().unwrap();
    late.snapshot_lsn();

    let t = begin(&store);
    let def = IndexDef {
        id: t.allocate_relation_id().unwrap(),
        schema: "sinew".into(),
        name: "person_name".into(),
        target: IndexTarget::Nodes { labels: vec![person], properties: vec![name] },
        kind: IndexKind::Ordered { unique: true },
        constraint: Some(ConstraintKind::Unique),
        options: Default::default(),
    };
    let made = t.create_index(def).unwrap();
    let scan = |t: &Transaction| -> Vec<u64> {
        t.index_scan(&made, &IndexRange::all(), false).unwrap().collect::<Result<_>>().unwrap()
    };
    assert_eq!(scan(&t), [ann.0, bob.0]);
    t.commit().unwrap();
    assert!(matches!(node(&late, "Late"), Err(StorageError::WriteConflict { .. })));
    drop(late);

    let t = begin(&store);
    assert!(matches!(node(&t, "Ann"), Err(StorageError::DuplicateKey { .. })));
    t.abort_statement();
    t.begin_statement().unwrap();
    let zoe = node(&t, "Zoe").unwrap();
    t.delete_node(ann).unwrap();
    assert_eq!(scan(&t), [bob.0, zoe.0]);
    t.commit().unwrap();

    // A relationship to a node that is deleted at the same time: one waits for the other and then finds the change.
    let knows = begin(&store).ensure_relationship_type("KNOWS").unwrap();
    let (linking, deleting) = (begin(&store), begin(&store));
    linking.create_relationship(knows, bob, zoe, vec![]).unwrap();
    deleting.set_lock_timeout(Some(SHORT));
    assert!(matches!(deleting.delete_node(zoe), Err(StorageError::LockTimeout)));
    linking.commit().unwrap();
    assert!(matches!(deleting.delete_node(zoe), Err(StorageError::WriteConflict { .. })));
    drop(deleting);

    let t = begin(&store);
    t.drop_index(made.id).unwrap();
    t.commit().unwrap();
    assert!(store.catalog().index("sinew", "person_name").is_none());
}

fn foreign_key(name: &str, referenced: &TableDef, index: &IndexDef) -> ForeignKeyDef {
    ForeignKeyDef {
        name: name.to_owned(),
        columns: vec![ColumnId(2)],
        referenced_table: referenced.id,
        referenced_columns: vec![ColumnId(1)],
        referenced_index: index.id,
        match_type: ForeignKeyMatch::Simple,
        on_delete: ReferentialAction::Cascade,
        on_update: ReferentialAction::NoAction,
        timing: Default::default(),
        not_valid: false,
    }
}

#[test]
fn what_a_foreign_key_needs_stays() {
    let store = store();
    let t = begin(&store);
    let parent = table(&t, "parent");
    let key = t.create_index(index(&t, &parent, "parent_a", true, &[(1, false, false)])).unwrap();
    let child = table(&t, "child");
    t.add_foreign_key(child.id, foreign_key("child_b_fkey", &parent, &key)).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();

    let t = begin(&store);
    let found: Vec<String> =
        t.catalog().references_to(parent.id).map(|(owner, key)| format!("{} {}", owner.name, key.name)).collect();
    assert_eq!(found, ["child child_b_fkey"]);
    assert!(matches!(t.drop_table(parent.id), Err(StorageError::DependentObjects { .. })));
    assert!(matches!(t.drop_index(key.id), Err(StorageError::DependentObjects { .. })));
    let mut without = (*t.catalog().tables[&parent.id]).clone();
    without.columns.remove(0);
    assert!(matches!(t.alter_table(without), Err(StorageError::DependentObjects { .. })));
    // A key of no unique index is refused.
    let plain = t.create_index(index(&t, &parent, "parent_b", false, &[(2, false, false)])).unwrap();
    assert!(t.add_foreign_key(child.id, foreign_key("other", &parent, &plain)).is_err());
    t.drop_foreign_key(child.id, "child_b_fkey").unwrap();
    assert!(matches!(t.drop_foreign_key(child.id, "child_b_fkey"), Err(StorageError::ObjectNotFound { .. })));
    assert_eq!(t.catalog().references_to(parent.id).count(), 0);
    t.drop_table(parent.id).unwrap();
}

#[test]
fn a_foreign_key_goes_with_its_column_and_with_its_table() {
    let store = store();
    let t = begin(&store);
    let parent = table(&t, "parent");
    let key = t.create_index(index(&t, &parent, "parent_a", true, &[(1, false, false)])).unwrap();
    for name in ["first", "second"] {
        let child = table(&t, name);
        t.add_foreign_key(child.id, foreign_key("fkey", &parent, &key)).unwrap();
    }
    let catalog = t.catalog();
    let mut first = (**catalog.table("public", "first").unwrap()).clone();
    first.columns.remove(1);
    assert!(t.alter_table(first).unwrap().foreign_keys.is_empty());
    t.drop_table(catalog.relation_id("public", "second").unwrap()).unwrap();
    t.drop_table(parent.id).unwrap();
}

#[test]
fn writers_who_did_not_know_of_a_foreign_key_are_refused() {
    let store = store();
    let t = begin(&store);
    let parent = table(&t, "parent");
    let key = t.create_index(index(&t, &parent, "parent_a", true, &[(1, false, false)])).unwrap();
    let child = table(&t, "child");
    t.finish_statement().unwrap();
    t.commit().unwrap();

    let stale = store.begin(Isolation::RepeatableRead);
    stale.begin_statement().unwrap();
    let known = Arc::clone(&stale.catalog().tables[&parent.id]);
    let t = begin(&store);
    t.add_foreign_key(child.id, foreign_key("fkey", &parent, &key)).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();
    let written = stale.insert_row(&known, &row(1, 1));
    stale.finish_statement().unwrap();
    assert!(written.is_err() || matches!(stale.commit(), Err(StorageError::WriteConflict { .. })));
}

#[test]
fn the_newest_state_is_own_writes_over_what_is_committed_now() {
    let store = store();
    let t = begin(&store);
    let def = table(&t, "t");
    let unique = t.create_index(index(&t, &def, "t_a", true, &[(1, false, false)])).unwrap();
    let plain = t.create_index(index(&t, &def, "t_b", false, &[(2, false, false)])).unwrap();
    t.finish_statement().unwrap();
    t.commit().unwrap();

    let reader = store.begin(Isolation::RepeatableRead);
    reader.begin_statement().unwrap();
    let def = Arc::clone(&reader.catalog().tables[&def.id]);
    assert_eq!(reader.row_count(&def).unwrap(), 0);
    let writer = begin(&store);
    let committed = writer.insert_row(&def, &row(1, 7)).unwrap();
    writer.finish_statement().unwrap();
    writer.commit().unwrap();
    let own = reader.insert_row(&def, &row(2, 7)).unwrap();

    assert_eq!(reader.newest_row_by_key(&unique, &[Value::Int(1)]).unwrap(), Some(committed));
    assert_eq!(reader.newest_row_by_key(&unique, &[Value::Int(2)]).unwrap(), Some(own));
    assert_eq!(reader.newest_row_by_key(&unique, &[Value::Int(3)]).unwrap(), None);
    assert_eq!(reader.newest_row_by_key(&unique, &[Value::Null]).unwrap(), None);
    let seven = IndexRange::equal(vec![Value::Int(7)]);
    assert_eq!(reader.newest_rows_by_index(&plain, &seven).unwrap(), [committed, own]);
    let scanned: Vec<RowId> = reader.newest_rows_scan(&def).unwrap().map(|row| row.unwrap().0).collect();
    assert_eq!(scanned, [committed, own]);
    assert_eq!(reader.newest_row(&def, committed).unwrap(), Some(row(1, 7).to_vec()));
    // The statement itself still reads its snapshot.
    assert_eq!(reader.get_row(&def, committed, &[0]).unwrap(), None);
}
