//! Operators end to end, over an in-memory store. Reads run three ways (as bound, optimized, optimized with the short
//! path) and must agree.

mod cypher;
mod plans;

use std::sync::Arc;

use sinew_storage::{CancelToken, Embedder, Isolation, SessionLocks, Store, StoreOptions, Transaction, Value};

use super::{PrepareOptions, PreparedPlan, execute, prepare_with};
use crate::context::{BindContext, ExecContext, SessionContext};
use crate::cypher::NamedParameters;
use crate::error::Result;
use crate::statement::{BoundQuery, BoundStatement};

struct NoEmbedder;

impl Embedder for NoEmbedder {
    fn name(&self) -> &str {
        "none"
    }
    fn dimension_count(&self) -> u32 {
        1
    }
    fn embed(&self, _text: &str) -> Vec<f32> {
        vec![0.0]
    }
}

/// A store, a session and one transaction.
pub struct Fixture {
    pub session: Arc<SessionContext>,
    pub transaction: Arc<Transaction>,
    pub memory_limit_bytes: usize,
    _store: Arc<Store>,
}

type Rows = Vec<Vec<Value>>;

pub const WAYS: [PrepareOptions; 3] = [
    PrepareOptions { optimize: false, short_path: false },
    PrepareOptions { optimize: true, short_path: false },
    PrepareOptions { optimize: true, short_path: true },
];

impl Fixture {
    pub fn new() -> Fixture {
        let store = Store::in_memory(StoreOptions::default()).expect("a store in memory opens");
        let session = SessionContext {
            user: "tester".to_owned(),
            database: "sinew".to_owned(),
            process_id: 1,
            ..SessionContext::alone(
                SessionLocks::new(&store, 1),
                Arc::new(NoEmbedder),
                Arc::new(|text| text.split_whitespace().count() as u32),
            )
        };
        let transaction = Arc::new(store.begin(Isolation::ReadCommitted));
        Fixture { session: Arc::new(session), transaction, memory_limit_bytes: 64 << 20, _store: store }
    }

    pub fn context(&self, params: &[Value]) -> ExecContext {
        ExecContext {
            transaction: Arc::clone(&self.transaction),
            session: Arc::clone(&self.session),
            params: params.into(),
            cancel: CancelToken::default(),
            transaction_time_us: 1_000_000,
            statement_time_us: 1_000_000,
            memory_limit_bytes: self.memory_limit_bytes,
            allow_writes: true,
        }
    }

    pub fn prepare(&self, query: &BoundQuery, way: PrepareOptions) -> Result<Arc<PreparedPlan>> {
        prepare_with(query.clone(), &self.transaction, way)
    }

    /// All rows, with the count of rows written.
    pub fn execute(&self, plan: &Arc<PreparedPlan>, params: &[Value]) -> Result<(Rows, u64)> {
        self.transaction.begin_statement()?;
        let result = (|| {
            let mut stream = execute(plan, self.context(params))?;
            let mut rows = Vec::new();
            while let Some(batch) = stream.next_batch()? {
                assert_eq!(batch.columns.len(), plan.output.len());
                rows.extend((0..batch.row_count).map(|row| batch.row(row)));
            }
            Ok((rows, stream.rows_affected()))
        })();
        match &result {
            Ok(_) => self.transaction.finish_statement().unwrap(),
            Err(_) => self.transaction.abort_statement(),
        }
        result
    }

    pub fn bind_cypher(&self, text: &str) -> Result<BoundQuery> {
        let context =
            BindContext { transaction: &self.transaction, session: &self.session, params: Default::default() };
        let statement = crate::cypher::parse(text, &CancelToken::default())?;
        match crate::cypher::bind(&context, &statement, text, &NamedParameters::default())? {
            BoundStatement::Query(query) => Ok(query),
            _ => panic!("{text} is no query"),
        }
    }

    /// Runs a Cypher statement; one that only reads, all three ways.
    pub fn cypher(&self, text: &str) -> Result<Rows> {
        let query = self.bind_cypher(text)?;
        let plan = self.prepare(&query, WAYS[2])?;
        let (rows, _) = self.execute(&plan, &[])?;
        if !plan.writes {
            let ordered = text.contains("ORDER BY");
            for way in &WAYS[..2] {
                let (other, _) = self.execute(&self.prepare(&query, *way)?, &[])?;
                assert_eq!(shown(&other, ordered), shown(&rows, ordered), "{text} under {way:?}");
            }
        }
        Ok(rows)
    }

    /// Runs a statement for its effect.
    pub fn run(&self, text: &str) {
        if let Err(error) = self.cypher(text) {
            panic!("{text}: {error} {:?}", error.0);
        }
    }

    /// Asserts the rows of a statement, written as `a, b; c, d` with values as `show` prints them. Without ORDER BY,
    /// order does not count.
    #[track_caller]
    pub fn check(&self, text: &str, expected: &str) {
        let rows = self.cypher(text).unwrap_or_else(|error| panic!("{text}: {error} {:?}", error.0));
        let ordered = text.contains("ORDER BY");
        let mut wanted: Vec<String> =
            expected.split(';').map(|row| row.trim().to_owned()).filter(|row| !row.is_empty()).collect();
        if !ordered {
            wanted.sort();
        }
        assert_eq!(shown(&rows, ordered), wanted, "{text}");
    }

    /// Asserts openCypher's detail of an error.
    #[track_caller]
    pub fn check_error(&self, text: &str, detail: &str) {
        let error = self.cypher(text).expect_err(text);
        assert_eq!(error.0.cypher.map(|cypher| cypher.detail), Some(detail), "{text}: {error}");
    }
}

pub fn shown(rows: &Rows, ordered: bool) -> Vec<String> {
    let mut out: Vec<String> = rows.iter().map(|row| row.iter().map(show).collect::<Vec<_>>().join(", ")).collect();
    if !ordered {
        out.sort();
    }
    out
}

/// Short text of a value.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => format!("{f:?}"),
        Value::Text(text) => text.to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Node(_) => "node".to_owned(),
        Value::Relationship(_) => "rel".to_owned(),
        Value::Path(path) => format!("path{}", path.relationships.len()),
        Value::Map(map) => {
            format!(
                "{{{}}}",
                map.iter().map(|(key, value)| format!("{key}:{}", show(value))).collect::<Vec<_>>().join(" ")
            )
        }
        other => format!("{other:?}"),
    }
}
