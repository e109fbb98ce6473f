//! TPC-B-like transactions on the store alone: pgbench's five statements without SQL and wire.
//!
//! A transaction that loses against another one ([`StorageError::WriteConflict`]) is run again; its latency contains
//! all attempts. At the end the branches' balances must be the sum of the history: an update that was lost shows there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sinew_benches::disk::scratch;
use sinew_benches::measure::{Figure, Round, median_of, print_ratio, print_rounds, run_for};
use sinew_benches::{create_primary_key, create_table};
use sinew_storage::catalog::{IndexDef, TableDef};
use sinew_storage::error::Result;
use sinew_storage::{DataType, IndexRange, Isolation, RowId, StorageError, Store, StoreOptions, Transaction, Value};

use crate::ROUNDS;

const LEVELS: [usize; 3] = [1, 8, 32];
const ROUND_TIME: Duration = Duration::from_secs(2);

const ACCOUNTS: i64 = 100_000;
const TELLERS: i64 = 100;
const BRANCHES: i64 = 10;

/// Of the balance in the columns of accounts, tellers and branches: key, branch, balance, filler.
const BALANCE: usize = 2;
/// Of the amount in the columns of the history.
const DELTA: usize = 3;

/// A table whose rows have a balance and are found by their primary key.
struct Balances {
    table: Arc<TableDef>,
    primary_key: Arc<IndexDef>,
}

struct Bank {
    store: Arc<Store>,
    accounts: Balances,
    tellers: Balances,
    branches: Balances,
    history: Arc<TableDef>,
    conflict_count: AtomicU64,
}

/// The parameters of one transaction.
struct Transfer {
    account: i64,
    teller: i64,
    branch: i64,
    delta: i64,
}

impl Transfer {
    fn random(random: &mut StdRng) -> Transfer {
        Transfer {
            account: random.random_range(1..=ACCOUNTS),
            teller: random.random_range(1..=TELLERS),
            branch: random.random_range(1..=BRANCHES),
            delta: random.random_range(-5_000..=5_000),
        }
    }
}

impl Balances {
    /// Creates and fills a table with keys from 1 to `count`.
    fn create(transaction: &Transaction, name: &str, count: i64, filler_bytes: usize) -> Result<()> {
        let columns = [
            ("id", DataType::Int4),
            ("branch", DataType::Int4),
            ("balance", DataType::Int4),
            ("filler", DataType::Text),
        ];
        let table = create_table(transaction, name, &columns);
        create_primary_key(transaction, &table);
        let table = transaction.catalog().table("public", name).expect("created above").clone();
        let filler = Value::from(" ".repeat(filler_bytes));
        transaction.begin_statement()?;
        for id in 1..=count {
            let branch = (id - 1) * BRANCHES / count + 1;
            transaction.insert_row(&table, &[Value::Int(id), Value::Int(branch), Value::Int(0), filler.clone()])?;
        }
        transaction.finish_statement()?;
        Ok(())
    }

    fn open(store: &Store, name: &str) -> Balances {
        let catalog = store.catalog();
        let table = catalog.table("public", name).expect("the table was committed").clone();
        let primary_key = catalog.primary_key(table.id).expect("the index was committed").clone();
        Balances { table, primary_key }
    }

    /// The row of a key with all its columns.
    fn find(&self, transaction: &Transaction, id: i64) -> Result<(RowId, Vec<Value>)> {
        let range = IndexRange::equal(vec![Value::Int(id)]);
        let found = transaction.index_scan(&self.primary_key, &range, false)?.next();
        let row = RowId(found.expect("the key exists")?);
        let values = transaction.get_row(&self.table, row, &[0, 1, 2, 3])?;
        Ok((row, values.expect("an index entry has its row")))
    }

    /// `UPDATE … SET balance = balance + delta WHERE id = …`. Reading and writing are one statement, so that the row
    /// read is the one whose change since would be a conflict.
    fn add(&self, transaction: &Transaction, id: i64, delta: i64) -> Result<()> {
        transaction.begin_statement()?;
        let (row, mut values) = self.find(transaction, id)?;
        values[BALANCE] = Value::Int(values[BALANCE].as_int().expect("a balance is a number") + delta);
        transaction.update_row(&self.table, row, &values)?;
        transaction.finish_statement()?;
        Ok(())
    }
}

impl Bank {
    fn create(directory: &Path) -> Result<Bank> {
        let store = Store::open(directory, StoreOptions::default())?;
        let transaction = store.begin(Isolation::ReadCommitted);
        Balances::create(&transaction, "accounts", ACCOUNTS, 84)?;
        Balances::create(&transaction, "tellers", TELLERS, 84)?;
        Balances::create(&transaction, "branches", BRANCHES, 88)?;
        let columns = [
            ("teller", DataType::Int4),
            ("branch", DataType::Int4),
            ("account", DataType::Int4),
            ("delta", DataType::Int4),
            ("time", DataType::Timestamp),
            ("filler", DataType::Text),
        ];
        let history = create_table(&transaction, "history", &columns);
        transaction.commit()?;
        let [accounts, tellers, branches] =
            ["accounts", "tellers", "branches"].map(|name| Balances::open(&store, name));
        Ok(Bank { store, accounts, tellers, branches, history, conflict_count: AtomicU64::new(0) })
    }

    /// One transaction, until it is durable.
    fn run(&self, transfer: &Transfer) {
        loop {
            match self.try_run(transfer) {
                Ok(()) => return,
                Err(StorageError::WriteConflict { .. }) => {
                    self.conflict_count.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => panic!("a transfer failed: {error}"),
            }
        }
    }

    fn try_run(&self, transfer: &Transfer) -> Result<()> {
        let Transfer { account, teller, branch, delta } = *transfer;
        let transaction = self.store.begin(Isolation::ReadCommitted);
        self.accounts.add(&transaction, account, delta)?;
        transaction.begin_statement()?;
        self.accounts.find(&transaction, account)?;
        transaction.finish_statement()?;
        self.tellers.add(&transaction, teller, delta)?;
        self.branches.add(&transaction, branch, delta)?;
        transaction.begin_statement()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        let [teller, branch, account, delta] = [teller, branch, account, delta].map(Value::Int);
        let filler = Value::from(" ".repeat(22));
        transaction.insert_row(&self.history, &[teller, branch, account, delta, Value::Timestamp(now), filler])?;
        transaction.finish_statement()?;
        transaction.commit().map(drop)
    }

    /// The sum of a column of numbers.
    fn sum(&self, table: &TableDef, column: usize) -> Result<i64> {
        let transaction = self.store.begin(Isolation::RepeatableRead);
        let mut sum = 0;
        for row in transaction.scan_rows(table, &[column])? {
            sum += row?.1[0].as_int().expect("the column holds numbers");
        }
        Ok(sum)
    }
}

pub fn bench(root: &Path) {
    println!(
        "\ntpcb: {ACCOUNTS} accounts, {TELLERS} tellers, {BRANCHES} branches; medians of {ROUNDS} rounds of \
         {ROUND_TIME:?}"
    );
    let directory = scratch(root);
    let bank = Bank::create(directory.path()).expect("the bank can be created");
    let bank = &bank;
    let mut levels = LEVELS.map(|_| Vec::new());
    let mut conflict_counts = LEVELS.map(|_| 0);
    for round in 0..ROUNDS {
        for ((rounds, conflict_count), thread_count) in levels.iter_mut().zip(&mut conflict_counts).zip(LEVELS) {
            let conflicts_before = bank.conflict_count.load(Ordering::Relaxed);
            rounds.push(run_for(thread_count, ROUND_TIME, move |number| {
                let mut random = StdRng::seed_from_u64((round * 1_000 + number) as u64);
                move || bank.run(&Transfer::random(&mut random))
            }));
            *conflict_count += bank.conflict_count.load(Ordering::Relaxed) - conflicts_before;
        }
    }

    for ((rounds, conflict_count), thread_count) in levels.iter().zip(conflict_counts).zip(LEVELS) {
        print_rounds("sinew", thread_count, rounds);
        let transaction_count: usize = rounds.iter().map(Round::call_count).sum();
        println!("             {conflict_count} conflicts in {transaction_count} transactions, each tried again");
    }
    let sum = |table: &TableDef, column| bank.sum(table, column).expect("readable");
    let (balances, deltas) = (sum(&bank.branches.table, BALANCE), sum(&bank.history, DELTA));
    assert_eq!(balances, deltas, "updates were lost: the branches' balances are not the sum of the history");
    let [one, eight, thirty_two] =
        levels.each_ref().map(|rounds| Figure::PerSecond(median_of(rounds, Round::per_second)));
    print_ratio("tpcb_8_to_1", eight, one);
    print_ratio("tpcb_32_to_1", thirty_two, one);
}
