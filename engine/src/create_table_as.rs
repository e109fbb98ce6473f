//! CREATE TABLE AS and CREATE MATERIALIZED VIEW: the table, and then the query's rows as COPY would write them.

use std::sync::Arc;

use sinew_query::exec::{self, PreparedPlan};
use sinew_query::statement::{Ddl, OnCommit};
use sinew_query::{ExecContext, QueryError, Result};
use sinew_storage::catalog::TableDef;
use sinew_storage::ids::RelationId;

use crate::Session;
use crate::ddl::quote;
use crate::materialized::set_materialized;
use crate::prepare::PlannedKind;

impl Session {
    /// Gives the tag. The statement has begun, and what the query reads is locked.
    pub(crate) fn create_table_as(
        &mut self,
        plan: &Arc<PreparedPlan>,
        context: ExecContext,
        mut table: TableDef,
        on_commit: OnCommit,
        with_data: bool,
    ) -> Result<String> {
        // Until it is filled it is a table like any other.
        let materialized = table.materialized.take();
        let (schema, name) = (table.schema.clone(), table.name.clone());
        let into = format!("COPY {}.{} FROM STDIN", quote(&table.schema), quote(&table.name));
        let has_columns = !table.columns.is_empty();
        self.run_ddl(vec![Ddl::CreateTable {
            table,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            sequences: Vec::new(),
            if_not_exists: false,
            on_commit,
        }])?;
        self.mark_ddl();
        let transaction = Arc::clone(&context.transaction);
        let finish = |tag: String| match &materialized {
            None => Ok(tag),
            Some(of) => {
                let id = transaction.catalog().relation_id(&schema, &name);
                set_materialized(&transaction, id.unwrap_or(RelationId(0)), of.clone()).map(|()| tag)
            }
        };
        if !with_data {
            let tag = if materialized.is_some() { "CREATE MATERIALIZED VIEW" } else { "CREATE TABLE AS" };
            return finish(tag.to_owned());
        }
        if !has_columns {
            return Err(QueryError::unsupported("CREATE TABLE AS of a query without columns"));
        }
        let count = self.fill(&into, plan, context)?;
        finish(format!("SELECT {count}"))
    }

    /// Writes a query's rows into a table that it does not read, as the statement `into` (COPY FROM) would. Gives their
    /// number.
    pub(crate) fn fill(&mut self, into: &str, plan: &Arc<PreparedPlan>, context: ExecContext) -> Result<u64> {
        let rows = exec::execute(plan, context.clone())?;
        let insert = self.nested(|session| session.prepare(into, &[]))?;
        let PlannedKind::CopyFrom { plan: insert, .. } = &insert.planned.kind else {
            return Err(QueryError::internal("rows cannot be copied into a new table"));
        };
        let mut written = exec::execute_supplied(insert, ExecContext { params: Arc::from([]), ..context }, rows)?;
        while written.next_batch()?.is_some() {}
        Ok(written.rows_affected())
    }
}
