//! CREATE TABLE … AS and SELECT INTO.

use sinew_storage::DataType;
use sinew_storage::catalog::{ColumnDef, MaterializedDef, TableBehaviour, TableDef};
use sinew_storage::ids::ColumnId;
use sqlparser::ast::{
    CreateTable, Expr as Ast, Ident, ObjectName, ObjectNamePart, Query, SelectInto, SetExpr, Spanned,
};

use super::super::names::fold;
use super::super::{Binder, Bound};
use super::unassigned;
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::lexical_like::UNTYPED_MARK;
use crate::statement::{BoundStatement, CreateTableAs, Ddl, OnCommit, OutputColumn, QueryKind};
use crate::types::{is_dynamic, type_name};

/// Beside the query.
pub(super) struct Target<'a> {
    pub name: &'a ObjectName,
    pub columns: Vec<&'a Ident>,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub on_commit: OnCommit,
    pub options: Vec<(String, String)>,
    pub with_data: bool,
    /// Text of the query, of a materialized view.
    pub materialized: Option<String>,
}

impl Binder<'_> {
    pub fn create_table_as(self, create: &CreateTable, query: &Query) -> Result<BoundStatement> {
        let span = create.name.span();
        self.reject_table_options(create)?;
        if !create.constraints.is_empty() {
            return Err(QueryError::syntax("CREATE TABLE AS cannot have constraints", self.at(span)));
        }
        for column in &create.columns {
            let is_untyped = matches!(
                &column.data_type,
                sqlparser::ast::DataType::Custom(name, _)
                    if name.0.first().and_then(ObjectNamePart::as_ident).is_some_and(|ident| ident.value == UNTYPED_MARK)
            );
            if !is_untyped || !column.options.is_empty() {
                return Err(QueryError::syntax("CREATE TABLE AS takes column names only", self.at(column.name.span)));
            }
        }
        let (temporary, on_commit) = self.temporary_options(create)?;
        if on_commit.is_some() && !temporary {
            return Err(QueryError::new("42P16", "ON COMMIT can only be used on temporary tables").at(self.at(span)));
        }
        let target = Target {
            name: &create.name,
            columns: create.columns.iter().map(|column| &column.name).collect(),
            temporary,
            if_not_exists: create.if_not_exists,
            on_commit: on_commit.unwrap_or_default(),
            options: self.table_options(&create.table_options, span)?,
            with_data: create.with_data.as_ref().is_none_or(|with| with.data),
            materialized: None,
        };
        self.table_from_query(&target, query, "CREATE TABLE AS")
    }

    /// The INTO of a query's first SELECT, with the query that remains without it.
    pub fn select_into(query: &Query) -> Option<(SelectInto, Query)> {
        fn first_into(body: &SetExpr) -> Option<&SelectInto> {
            match body {
                SetExpr::Select(select) => select.into.as_ref(),
                SetExpr::SetOperation { left, .. } => first_into(left),
                _ => None,
            }
        }
        fn clear(body: &mut SetExpr) {
            match body {
                SetExpr::Select(select) => select.into = None,
                SetExpr::SetOperation { left, .. } => clear(left),
                _ => {}
            }
        }
        let into = first_into(&query.body)?.clone();
        let mut rest = query.clone();
        clear(&mut rest.body);
        Some((into, rest))
    }

    pub fn select_into_table(self, into: &SelectInto, query: &Query) -> Result<BoundStatement> {
        let span = into.targets.first().map_or_else(sqlparser::tokenizer::Span::empty, Spanned::span);
        if into.unlogged {
            return Err(self.unsupported("SELECT INTO UNLOGGED", span));
        }
        let parts: Option<Vec<ObjectNamePart>> = match into.targets.as_slice() {
            [Ast::Identifier(name)] => Some(vec![ObjectNamePart::Identifier(name.clone())]),
            [Ast::CompoundIdentifier(parts)] => Some(parts.iter().cloned().map(ObjectNamePart::Identifier).collect()),
            _ => None,
        };
        let Some(parts) = parts else {
            return Err(QueryError::syntax("SELECT INTO takes one table name", self.at(span)));
        };
        let name = ObjectName(parts);
        let target = Target {
            name: &name,
            columns: Vec::new(),
            temporary: into.temporary,
            if_not_exists: false,
            on_commit: OnCommit::PreserveRows,
            options: Vec::new(),
            with_data: true,
            materialized: None,
        };
        self.table_from_query(&target, query, "SELECT INTO")
    }

    pub(super) fn table_from_query(
        mut self,
        target: &Target<'_>,
        query: &Query,
        tag: &'static str,
    ) -> Result<BoundStatement> {
        let span = target.name.span();
        let qualified = self.qualified_name(target.name)?;
        let schema = self.creation_schema_of(&qualified, target.temporary, span)?;
        if self.catalog.relation_id(&schema, &qualified.name).is_some() {
            if target.if_not_exists {
                let notice = Some(format!("relation \"{}\" already exists, skipping", qualified.name));
                return Ok(BoundStatement::Ddl(vec![Ddl::Nothing { tag, notice }]));
            }
            return Err(self.relation_exists(&qualified.name, span));
        }
        self.refuses_parameters = false;
        let bound = self.bind_query(query, false)?;
        let mut bound = self.with_settled_outputs(bound)?;
        if target.columns.len() > bound.output.len() {
            return Err(QueryError::syntax("too many column names were specified", self.at(span)));
        }
        for (column, name) in bound.output.iter_mut().zip(&target.columns) {
            column.name = fold(name).into();
        }
        let table = TableDef {
            id: unassigned(),
            schema,
            name: qualified.name,
            columns: self.columns_of(&bound.output, span)?,
            next_column_id: u16::try_from(bound.output.len() + 1)
                .map_err(|_| QueryError::new("54011", "tables can have at most 1600 columns"))?,
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            behaviour: TableBehaviour::Plain,
            version: 0,
            comment: None,
            options: target.options.clone(),
            materialized: target
                .materialized
                .clone()
                .map(|query| MaterializedDef { query, is_populated: target.with_data }),
        };
        let (on_commit, with_data) = (target.on_commit, target.with_data);
        let query = self.finish(bound, QueryKind::Select)?;
        Ok(BoundStatement::CreateTableAs(Box::new(CreateTableAs { query, table, on_commit, with_data })))
    }

    /// Literals of no type are text, values of Cypher that have no SQL type are jsonb.
    pub(super) fn with_settled_outputs(&mut self, mut bound: Bound) -> Result<Bound> {
        for index in 0..bound.output.len() {
            let settled = match &bound.output[index].ty {
                DataType::Unknown => DataType::Text,
                ty if is_dynamic(ty) => DataType::Jsonb,
                _ => continue,
            };
            self.coerce_output(&mut bound, index, &settled)?;
        }
        self.settle_outputs(&mut bound)?;
        Ok(bound)
    }

    /// Columns that can hold a query's result. 42701, 42P16, 54011.
    pub(super) fn columns_of(
        &self,
        output: &[OutputColumn],
        span: sqlparser::tokenizer::Span,
    ) -> Result<Vec<ColumnDef>> {
        if output.len() > sinew_storage::ddl::MAX_COLUMNS {
            return Err(QueryError::new("54011", "tables can have at most 1600 columns"));
        }
        let mut columns: Vec<ColumnDef> = Vec::with_capacity(output.len());
        for (index, column) in output.iter().enumerate() {
            let name = column.name.to_string();
            if columns.iter().any(|other| other.name == name) {
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                )
                .at(self.at(span)));
            }
            if matches!(column.ty, DataType::Record | DataType::Void | DataType::Any) {
                return Err(QueryError::new(
                    "42P16",
                    format!("column \"{name}\" has pseudo-type {}", type_name(&column.ty)),
                )
                .at(self.at(span)));
            }
            columns.push(ColumnDef {
                id: ColumnId(index as u16 + 1),
                name,
                ty: column.ty.clone(),
                not_null: false,
                default: None,
                identity: None,
                virtual_expression: None,
                comment: None,
            });
        }
        Ok(columns)
    }
}
