//! CREATE TABLE AS: the table, and then the query's rows as COPY would write them.

use std::sync::Arc;

use sinew_query::exec::{self, PreparedPlan};
use sinew_query::statement::{Ddl, OnCommit};
use sinew_query::{ExecContext, QueryError, Result};
use sinew_storage::catalog::TableDef;

use crate::Session;
use crate::ddl::quote;
use crate::prepare::PlannedKind;

impl Session {
    /// Gives the tag. The statement has begun, and what the query reads is locked.
    pub(crate) fn create_table_as(
        &mut self,
        plan: &Arc<PreparedPlan>,
        context: ExecContext,
        table: TableDef,
        on_commit: OnCommit,
        with_data: bool,
    ) -> Result<String> {
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
        if !with_data {
            return Ok("CREATE TABLE AS".to_owned());
        }
        let rows = exec::execute(plan, context.clone())?;
        if !has_columns {
            return Err(QueryError::unsupported("CREATE TABLE AS of a query without columns"));
        }
        let insert = self.nested(|session| session.prepare(&into, &[]))?;
        let PlannedKind::CopyFrom { plan: insert, .. } = &insert.planned.kind else {
            return Err(QueryError::internal("rows cannot be copied into a new table"));
        };
        // The source does not read what is written here: nobody knew of the table when it was planned.
        let mut written = exec::execute_supplied(insert, ExecContext { params: Arc::from([]), ..context }, rows)?;
        while written.next_batch()?.is_some() {}
        Ok(format!("SELECT {}", written.rows_affected()))
    }
}
