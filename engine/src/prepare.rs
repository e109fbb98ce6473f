//! Parsing, binding and planning one statement.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use sinew_query::cypher::NamedParameters;
use sinew_query::exec::{self, PreparedPlan};
use sinew_query::near_miss::near_miss;
use sinew_query::statement::{CopyOptions, CopyTarget, CreateTableAs, Ddl, ExplainOptions, OnCommit, OutputColumn};
use sinew_query::statement_statistics::Fingerprint;
use sinew_query::{BindContext, BoundStatement, QueryError, QueryKind, Result, sqlstate};
use sinew_storage::catalog::TableDef;
use sinew_storage::{DataType, Value};

use crate::Session;
use crate::fingerprint::fingerprint;
use crate::maintenance;
use crate::plan_cache::{PlanCache, PlanContextRef};
use crate::statement::{Explain, Language, Scanner, TokenKind, route};
use crate::utility::{self, Utility};

/// A parsed, bound and planned statement; plans are shared between sessions. Re-planned when the catalog moved.
#[derive(Clone)]
pub struct Prepared {
    pub text: Arc<str>,
    pub params: Vec<DataType>,
    /// Empty when it returns no rows (RowDescription is NoData then).
    pub columns: Vec<OutputColumn>,
    pub returns_rows: bool,
    pub(crate) planned: Arc<PlannedStatement>,
    /// Nobody was told the columns: they may change when the statement has to be planned again before it runs.
    pub(crate) may_change: bool,
    /// Types the client declared, for planning again.
    pub(crate) declared: Vec<DataType>,
    pub(crate) named: Arc<NamedParameters>,
}

pub(crate) struct PlannedStatement {
    pub kind: PlannedKind,
    pub catalog_version: u64,
    pub params: Vec<DataType>,
    pub columns: Vec<OutputColumn>,
    pub returns_rows: bool,
    /// Of what `pg_stat_statements` counts.
    pub fingerprint: Option<Arc<Fingerprint>>,
}

pub(crate) enum PlannedKind {
    Empty,
    Utility(Utility),
    Query {
        plan: Arc<PreparedPlan>,
        kind: QueryKind,
    },
    Explain {
        plan: Arc<PreparedPlan>,
        options: ExplainOptions,
        /// How long it took to plan.
        planning: Duration,
    },
    Ddl(Vec<Ddl>),
    CreateTableAs {
        /// Of the query.
        plan: Arc<PreparedPlan>,
        table: Box<TableDef>,
        on_commit: OnCommit,
        with_data: bool,
    },
    CopyFrom {
        plan: Arc<PreparedPlan>,
        target: CopyTarget,
        options: CopyOptions,
    },
    CopyTo {
        plan: Arc<PreparedPlan>,
        options: CopyOptions,
    },
    /// Index into the database's statement handlers.
    Extension(usize),
}

impl PlannedStatement {
    fn without_rows(kind: PlannedKind) -> PlannedStatement {
        PlannedStatement {
            kind,
            catalog_version: 0,
            params: Vec::new(),
            columns: Vec::new(),
            returns_rows: false,
            fingerprint: None,
        }
    }

    /// The plan of a statement that reads or writes relations.
    pub(crate) fn plan(&self) -> Option<&Arc<PreparedPlan>> {
        match &self.kind {
            PlannedKind::Query { plan, .. }
            | PlannedKind::Explain { plan, .. }
            | PlannedKind::CopyFrom { plan, .. }
            | PlannedKind::CopyTo { plan, .. }
            | PlannedKind::CreateTableAs { plan, .. } => Some(plan),
            PlannedKind::Empty | PlannedKind::Utility(_) | PlannedKind::Ddl(_) | PlannedKind::Extension(_) => None,
        }
    }

    /// Must be planned again when the catalog has moved.
    pub(crate) fn depends_on_catalog(&self) -> bool {
        !matches!(self.kind, PlannedKind::Empty | PlannedKind::Utility(_) | PlannedKind::Extension(_))
    }
}

/// A text column of a result that no relation stands behind.
pub(crate) fn text_column(name: &str) -> OutputColumn {
    fixed_column(name, DataType::Text)
}

/// A column of a result that no relation stands behind.
pub(crate) fn fixed_column(name: &str, ty: DataType) -> OutputColumn {
    OutputColumn { name: name.into(), var: sinew_query::algebra::VarId(0), ty, origin: None }
}

impl Session {
    /// Parses and plans. `param_types` may be shorter than the statement needs; `Unknown` ones are inferred.
    pub fn prepare(&mut self, text: &str, param_types: &[DataType]) -> Result<Prepared> {
        self.prepare_named(text, param_types, Arc::clone(&self.no_names))
    }

    /// As [`Self::prepare`] for a statement that is run once, at once, and described by its result.
    pub fn prepare_once(&mut self, text: &str) -> Result<Prepared> {
        let prepared = self.prepare(text, &[])?;
        Ok(Prepared { may_change: true, ..prepared })
    }

    pub(crate) fn prepare_named(
        &mut self,
        text: &str,
        declared: &[DataType],
        named: Arc<NamedParameters>,
    ) -> Result<Prepared> {
        let planned = match self.plan_without_transaction(text)? {
            Some(mut planned) => {
                if let PlannedKind::Utility(Utility::Declare { text, offset_chars, .. }) = &planned.kind {
                    let query = self.prepare(text, declared).map_err(|mut error| {
                        error.0.position = error.0.position.map(|position| position + offset_chars);
                        error
                    })?;
                    planned.params = query.params;
                }
                if let PlannedKind::Utility(Utility::Positioned(statement)) = &planned.kind {
                    let described = self.prepare_positioned(&statement.clone(), declared)?;
                    planned.params = described.params;
                    planned.columns = described.columns;
                    planned.returns_rows = described.returns_rows;
                }
                Arc::new(planned)
            }
            None => with_stack(|| self.plan(text, declared, &named))?,
        };
        Ok(Prepared {
            text: text.into(),
            params: planned.params.clone(),
            columns: planned.columns.clone(),
            returns_rows: planned.returns_rows,
            planned,
            may_change: false,
            declared: declared.to_vec(),
            named,
        })
    }

    /// Statements that are understood without looking at the catalog.
    fn plan_without_transaction(&self, text: &str) -> Result<Option<PlannedStatement>> {
        if is_plain_query(text) {
            return Ok(None);
        }
        let routed = route(text);
        if routed.words.is_empty() {
            return Ok(Some(PlannedStatement::without_rows(PlannedKind::Empty)));
        }
        let handlers = self.database.inner.handlers.read();
        if let Some(index) = handlers.iter().position(|handler| handler.claims(&routed.words)) {
            return Ok(Some(PlannedStatement::without_rows(PlannedKind::Extension(index))));
        }
        drop(handlers);
        if routed.language == Language::Cypher {
            return Ok(None);
        }
        let Some(utility) = utility::parse(text)? else { return Ok(None) };
        let columns = match &utility {
            Utility::Show(Some(name)) => {
                let shown = sinew_query::settings::find(name).map_or(name.as_str(), |setting| setting.name);
                vec![text_column(shown)]
            }
            Utility::Show(None) => vec![text_column("name"), text_column("setting"), text_column("description")],
            Utility::Backup(_) => maintenance::backup_columns(),
            Utility::CheckDatabase => maintenance::check_columns(),
            Utility::Fetch { name, skip: false, .. } => self.cursor_columns(name)?,
            Utility::Execute { name, .. } => self.kept_statement(name)?.columns.clone(),
            Utility::ExplainExecute { name, .. } => {
                self.kept_statement(name)?;
                vec![text_column("QUERY PLAN")]
            }
            _ => Vec::new(),
        };
        let returns_rows = !columns.is_empty();
        Ok(Some(PlannedStatement {
            columns,
            returns_rows,
            ..PlannedStatement::without_rows(PlannedKind::Utility(utility))
        }))
    }

    pub(crate) fn plan(
        &mut self,
        text: &str,
        declared: &[DataType],
        named: &NamedParameters,
    ) -> Result<Arc<PlannedStatement>> {
        // Planning reads the catalog as the statement would: in the session's transaction, or in a passing one.
        self.refuse_failed_block()?;
        let own = self.active.as_ref().map(|active| Arc::clone(&active.transaction));
        let ran_ddl = self.active.as_ref().is_some_and(|active| active.ran_ddl);
        // Observed property types that only this transaction has seen type its own plans alone.
        let own_graph = own.as_ref().is_some_and(|own| own.has_writes()) && reads_graph(text);
        let cacheable = !ran_ddl && !own_graph && named.0.is_empty();
        if cacheable && let Some(planned) = self.cached_plan(text, declared) {
            return Ok(planned);
        }
        let transaction = own.unwrap_or_else(|| Arc::new(self.database.inner.store.begin(Default::default())));
        transaction.set_cancel_token(self.cancel_token());
        let catalog_version = transaction.catalog().version;
        self.note_planning();
        let optimize = self.current_settings().optimize;
        let bind =
            BindContext { transaction: &transaction, session: &self.context, params: RwLock::new(declared.to_vec()) };
        let begin = Instant::now();
        let bound = bind_statement(&bind, text, named)?;
        let mut planned = plan_bound(bound, &transaction, catalog_version, optimize)?;
        // What began to run would forget a request that came meanwhile.
        transaction.cancel_token().check()?;
        if matches!(planned.kind, PlannedKind::Query { .. }) {
            let fingerprint = fingerprint(text);
            self.count_planned(&fingerprint, begin.elapsed());
            planned.fingerprint = Some(fingerprint);
        }
        let planned = Arc::new(planned);
        let shared = matches!(planned.kind, PlannedKind::Query { .. } | PlannedKind::CopyFrom { .. });
        if cacheable && shared {
            let context = PlanContextRef {
                params: declared,
                catalog_version,
                search_path: &self.plan_search_path(),
                user: &self.user,
                optimize,
            };
            self.database.inner.plan_cache.insert(text, context, Arc::clone(&planned));
        }
        Ok(planned)
    }

    /// The search path with what it holds for this session alone: its temporary relations come first.
    fn plan_search_path(&mut self) -> Arc<str> {
        let path = Arc::clone(&self.current_settings().search_path);
        if self.context.has_temporary.load(std::sync::atomic::Ordering::Relaxed) {
            return format!("{} {path}", self.context.temporary_schema()).into();
        }
        path
    }

    /// Version of the catalog that the next statement sees, or of one that is no older than it.
    pub(crate) fn catalog_version(&self) -> u64 {
        match &self.active {
            Some(active) => active.transaction.catalog().version,
            None => self.database.inner.store.catalog().version,
        }
    }

    /// A plan that was made before, for the current catalog and settings.
    pub(crate) fn cached_plan(&mut self, text: &str, declared: &[DataType]) -> Option<Arc<PlannedStatement>> {
        self.with_plan_cache(declared, |cache, context| cache.get(text, context))
    }

    /// The plan cache with the key, but for the text, of what would be planned now.
    pub(crate) fn with_plan_cache<T>(
        &mut self,
        declared: &[DataType],
        ask: impl FnOnce(&PlanCache, PlanContextRef<'_>) -> T,
    ) -> T {
        let catalog_version = self.catalog_version();
        let search_path = self.plan_search_path();
        let optimize = self.current_settings().optimize;
        let context =
            PlanContextRef { params: declared, catalog_version, search_path: &search_path, user: &self.user, optimize };
        ask(&self.database.inner.plan_cache, context)
    }

    /// The same statement planned on the current catalog. 0A000 when its result changed shape.
    pub(crate) fn replan_if_stale(&mut self, prepared: &Prepared) -> Result<Arc<PlannedStatement>> {
        if !self.is_stale(prepared) {
            return Ok(Arc::clone(&prepared.planned));
        }
        let planned = self.replan(prepared)?;
        if !prepared.may_change && !has_columns(&planned, &prepared.columns, |new, old| new == old) {
            let message = "cached plan must not change result type";
            let mut error = QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, message);
            // Drivers prepare the statement anew when they read this name.
            error.0.routine = Some("RevalidateCachedQuery");
            return Err(error);
        }
        Ok(planned)
    }

    /// The statement with the columns that it has now, to tell a client of them before it runs; None when they are those of
    /// `prepared`. What is stored in the graph gives types to columns, so that these change more often than a catalog does, and a client
    /// that asks again need not prepare again. Other changes are for running it to refuse.
    pub fn described_anew(&mut self, prepared: &Prepared) -> Option<Prepared> {
        let is_query = matches!(prepared.planned.kind, PlannedKind::Query { .. });
        if !is_query || !reads_graph(&prepared.text) || !self.is_stale(prepared) {
            return None;
        }
        let planned = with_stack(|| self.replan(prepared)).ok()?;
        let differs = !has_columns(&planned, &prepared.columns, |new, old| new == old);
        (differs && has_columns(&planned, &prepared.columns, |_, _| true)).then(|| Prepared {
            columns: planned.columns.clone(),
            planned,
            ..prepared.clone()
        })
    }

    fn is_stale(&self, prepared: &Prepared) -> bool {
        let own_writes = || self.active.as_ref().is_some_and(|active| active.transaction.has_writes());
        prepared.planned.depends_on_catalog()
            && (self.catalog_version() != prepared.planned.catalog_version
                || own_writes() && reads_graph(&prepared.text))
    }

    fn replan(&mut self, prepared: &Prepared) -> Result<Arc<PlannedStatement>> {
        // Parameters are read as they were described, though what is stored would now give them other types.
        let keeps_types = prepared.named.0.is_empty() && reads_graph(&prepared.text);
        let types = if keeps_types { &prepared.params } else { &prepared.declared };
        self.plan(&prepared.text, types, &prepared.named)
    }
}

/// Whether the columns are these, by name and by what `same` says of their types.
fn has_columns(
    planned: &PlannedStatement,
    columns: &[OutputColumn],
    same: impl Fn(&DataType, &DataType) -> bool,
) -> bool {
    planned.columns.len() == columns.len()
        && planned.columns.iter().zip(columns).all(|(new, old)| new.name == old.name && same(&new.ty, &old.ty))
}

/// Stack that a statement at the parsers' depth limits needs in an unoptimized build, in bytes.
const STACK_NEEDED_BYTES: usize = 12 << 20;
/// Stack taken when the caller's is smaller, in bytes.
const STACK_TAKEN_BYTES: usize = 64 << 20;

/// Runs where the stack suffices for the deepest statement, whatever thread the caller is on.
pub(crate) fn with_stack<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_NEEDED_BYTES, STACK_TAKEN_BYTES, run)
}

/// The statement is Cypher or may embed some.
pub(crate) fn reads_graph(text: &str) -> bool {
    let embeds = || text.as_bytes().windows(6).any(|window| window.eq_ignore_ascii_case(b"cypher"));
    embeds() || !is_plain_query(text) && route(text).language == Language::Cypher
}

/// The statement begins with a word that stands for one kind of statement, in SQL.
fn is_plain_query(text: &str) -> bool {
    let text = text.trim_ascii_start();
    let first = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    let is = |words: &[&str]| words.iter().any(|word| first.eq_ignore_ascii_case(word));
    is(&["select", "insert"]) || is(&["update", "delete"]) && !mentions_current(text)
}

/// WHERE CURRENT OF may stand in it.
fn mentions_current(text: &str) -> bool {
    const WORD: &[u8] = b"current";
    text.as_bytes().windows(WORD.len()).any(|bytes| bytes.eq_ignore_ascii_case(WORD))
}

/// Parses and binds in the language that the leading tokens name.
fn bind_statement(bind: &BindContext<'_>, text: &str, named: &NamedParameters) -> Result<BoundStatement> {
    if let Some(copied) = copied_cypher(text) {
        return bind_cypher_copy(bind, text, copied, named);
    }
    let routed = route(text);
    if routed.language == Language::Sql {
        let statement = sinew_query::sql::parse(text).map_err(|error| likelier_error(bind, error, text))?;
        return sinew_query::sql::bind(bind, &statement, text);
    }
    let body = &text[routed.body..];
    let offset = text[..routed.body].chars().count();
    let shift = |mut error: QueryError| {
        error.0.position = error.0.position.map(|position| position + offset);
        error
    };
    let statement = sinew_query::cypher::parse(body, bind.session.activity.cancel_token()).map_err(shift)?;
    let bound = sinew_query::cypher::bind(bind, &statement, body, named).map_err(shift)?;
    match (routed.explain, bound) {
        (None, bound) => Ok(bound),
        (Some(Explain::Profile), BoundStatement::Query(query)) => Ok(BoundStatement::Explain {
            query,
            options: ExplainOptions { analyze: true, ..ExplainOptions::default() },
        }),
        (Some(Explain::Explain), BoundStatement::Query(query)) => {
            // The options are SQL's.
            let in_sql = format!("{}SELECT 1", &text[..routed.body]);
            let options = sinew_query::sql::bind_explain_options(bind, &in_sql)?;
            Ok(BoundStatement::Explain { query, options })
        }
        (Some(_), _) => Err(QueryError::unsupported("EXPLAIN of a statement without a plan")),
    }
}

/// Words that begin statements of Cypher.
const CYPHER_WORDS: &[&str] =
    &["CREATE", "DELETE", "DETACH", "FOREACH", "MATCH", "MERGE", "OPTIONAL", "RETURN", "UNWIND", "WITH"];

/// The error of text that is no SQL: Cypher's, when its first word is one of Cypher's with a typing error.
fn likelier_error(bind: &BindContext<'_>, error: QueryError, text: &str) -> QueryError {
    let first = text.trim_start().split(|c: char| !(c.is_alphanumeric() || c == '_')).next();
    let first = first.unwrap_or_default().to_uppercase();
    let is_meant = error.sqlstate() == sqlstate::SYNTAX_ERROR
        && !CYPHER_WORDS.contains(&&*first)
        && near_miss(&first, CYPHER_WORDS.iter().copied()).is_some();
    match sinew_query::cypher::parse(text, bind.session.activity.cancel_token()) {
        Err(meant) if is_meant => meant,
        _ => error,
    }
}

/// The query of `COPY (MATCH …) TO …`, when it is Cypher.
fn copied_cypher(text: &str) -> Option<Range<usize>> {
    let mut scanner = Scanner::new(text, false);
    let is_copy = scanner.next_token().is_some_and(|token| scanner.text_of(token).eq_ignore_ascii_case("copy"));
    let open = scanner.next_token().filter(|token| is_copy && token.kind == TokenKind::Punct('('))?;
    if route(&text[open.end..]).language == Language::Sql {
        return None;
    }
    let mut scanner = Scanner::new(&text[open.end..], true);
    let mut depth = 1;
    while let Some(token) = scanner.next_token() {
        match token.kind {
            TokenKind::Punct('(') => depth += 1,
            TokenKind::Punct(')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open.end..open.end + token.start);
        }
    }
    None
}

/// The rest of the statement is SQL's: it is read with a query of SQL in the other one's place, whose characters it keeps.
fn bind_cypher_copy(
    bind: &BindContext<'_>,
    text: &str,
    copied: Range<usize>,
    named: &NamedParameters,
) -> Result<BoundStatement> {
    let body = &text[copied.clone()];
    let offset = text[..copied.start].chars().count();
    let shift = |mut error: QueryError| {
        error.0.position = error.0.position.map(|position| position + offset);
        error
    };
    let statement = sinew_query::cypher::parse(body, bind.session.activity.cancel_token()).map_err(shift)?;
    let BoundStatement::Query(query) = sinew_query::cypher::bind(bind, &statement, body, named).map_err(shift)? else {
        return Err(QueryError::unsupported("COPY of a statement that is no query"));
    };
    if query.kind == QueryKind::CypherWrite || !query.params.is_empty() {
        return Err(QueryError::unsupported("COPY of a query that writes or takes parameters").at(Some(offset + 1)));
    }
    // No query of Cypher that gives rows is shorter.
    let blanks = body.chars().skip(8).map(|c| if c == '\n' { '\n' } else { ' ' });
    let in_sql: String = text[..copied.start].chars().chain("SELECT 1".chars()).chain(blanks).collect();
    let options =
        sinew_query::sql::bind_copy_options(bind, &format!("{in_sql}{}", &text[copied.end..]), &query.output)?;
    Ok(BoundStatement::CopyTo { query, options })
}

fn plan_bound(
    bound: BoundStatement,
    transaction: &sinew_storage::Transaction,
    catalog_version: u64,
    optimize: bool,
) -> Result<PlannedStatement> {
    let prepare =
        |query| exec::prepare_with(query, transaction, exec::PrepareOptions { optimize, short_path: optimize });
    let planned = match bound {
        BoundStatement::Query(query) => {
            let (params, columns, kind) = (query.params.clone(), query.output.clone(), query.kind);
            let plan = prepare(query)?;
            PlannedStatement {
                kind: PlannedKind::Query { plan, kind },
                catalog_version,
                returns_rows: !columns.is_empty() || matches!(kind, QueryKind::Select),
                params,
                columns,
                fingerprint: None,
            }
        }
        BoundStatement::Explain { query, options } => {
            let params = query.params.clone();
            let begin = Instant::now();
            let plan = prepare(query)?;
            PlannedStatement {
                kind: PlannedKind::Explain { plan, options, planning: begin.elapsed() },
                catalog_version,
                params,
                columns: vec![text_column("QUERY PLAN")],
                returns_rows: true,
                fingerprint: None,
            }
        }
        BoundStatement::Ddl(list) => {
            PlannedStatement { catalog_version, ..PlannedStatement::without_rows(PlannedKind::Ddl(list)) }
        }
        BoundStatement::CreateTableAs(create) => {
            let CreateTableAs { query, table, on_commit, with_data } = *create;
            let params = query.params.clone();
            let plan = prepare(query)?;
            PlannedStatement {
                catalog_version,
                params,
                ..PlannedStatement::without_rows(PlannedKind::CreateTableAs {
                    plan,
                    table: Box::new(table),
                    on_commit,
                    with_data,
                })
            }
        }
        BoundStatement::CopyFrom { query, target, options } => {
            let plan = prepare(query)?;
            PlannedStatement {
                catalog_version,
                ..PlannedStatement::without_rows(PlannedKind::CopyFrom { plan, target, options })
            }
        }
        BoundStatement::CopyTo { query, options } => {
            let columns = query.output.clone();
            let plan = prepare(query)?;
            PlannedStatement {
                catalog_version,
                columns,
                ..PlannedStatement::without_rows(PlannedKind::CopyTo { plan, options })
            }
        }
    };
    Ok(planned)
}

/// Values for the statement's parameters: positional ones as given, then named ones by name.
pub(crate) fn bind_values(planned: &PlannedStatement, prepared: &Prepared, given: Vec<Value>) -> Result<Vec<Value>> {
    let names = match &planned.kind {
        PlannedKind::Query { plan, .. } => plan.param_names(),
        _ => &[],
    };
    let mut values = given;
    if !prepared.named.0.is_empty() {
        for position in values.len()..planned.params.len() {
            // `$1` may be given by the name `1`.
            let number = (position + 1).to_string();
            let name = names.get(position).filter(|name| !name.is_empty()).map_or(number.as_str(), |name| name);
            let found = prepared.named.0.iter().find(|(known, ..)| &**known == name);
            let value = found.and_then(|(_, _, value)| value.clone()).ok_or_else(|| {
                QueryError::new(sqlstate::UNDEFINED_PARAMETER, format!("parameter ${name} is missing")).cypher(
                    "ParameterMissing",
                    "compile time",
                    "MissingParameter",
                )
            })?;
            values.push(value);
        }
    }
    if values.len() < planned.params.len() {
        return Err(QueryError::new(
            sqlstate::UNDEFINED_PARAMETER,
            format!("the statement needs {} parameters, {} were given", planned.params.len(), values.len()),
        ));
    }
    Ok(values)
}
