//! COMMENT ON TABLE and COLUMN.

use sqlparser::ast::{CommentObject, ObjectName, Spanned, Statement};

use super::super::Binder;
use crate::error::{QueryError, Result};
use crate::statement::Ddl;

impl Binder<'_> {
    pub fn comment(&mut self, statement: &Statement) -> Result<Vec<Ddl>> {
        let Statement::Comment { object_type, object_name, comment, if_exists } = statement else {
            return Err(QueryError::internal("COMMENT was expected"));
        };
        if *if_exists {
            return Err(self.unsupported("COMMENT IF EXISTS", object_name.span()));
        }
        let comment = comment.clone().filter(|comment| !comment.is_empty());
        match object_type {
            CommentObject::Table => {
                let table = self.target_table(object_name)?;
                Ok(vec![Ddl::Comment { relation: table.id, column: None, comment }])
            }
            CommentObject::Column => {
                let mut parts = object_name.0.clone();
                let Some(column) = parts.pop() else {
                    return Err(QueryError::syntax("COMMENT ON COLUMN needs a name", None));
                };
                if parts.is_empty() {
                    return Err(QueryError::syntax("column name must be qualified", self.at(object_name.span())));
                }
                let table = self.target_table(&ObjectName(parts))?;
                let Some(ident) = column.as_ident() else {
                    return Err(QueryError::syntax("COMMENT ON COLUMN needs a name", self.at(object_name.span())));
                };
                let position = self.table_column(&table, ident)?;
                let column = Some(table.columns[position].name.clone());
                Ok(vec![Ddl::Comment { relation: table.id, column, comment }])
            }
            other => Err(self.unsupported(format_args!("COMMENT ON {other}"), object_name.span())),
        }
    }
}
