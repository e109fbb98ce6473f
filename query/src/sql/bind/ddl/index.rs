//! CREATE INDEX: btree, hnsw, bm25.

use sinew_storage::DataType;
use sinew_storage::catalog::{
    EXPRESSION_COLUMN, IndexColumn, IndexDef, IndexExpression, IndexKind, IndexOptions, IndexTarget, TableDef,
    VectorIndexOptions, VectorMetric,
};
use sinew_storage::ids::ColumnId;
use sqlparser::ast::{
    BinaryOperator, CreateIndex, Expr as Ast, IndexColumn as AstColumn, IndexType, OrderBySort, Spanned,
    Value as Literal,
};
use sqlparser::tokenizer::Span;

use super::super::Binder;
use super::super::names::fold;
use super::create_table::check_ordered;
use super::unassigned;
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::Ddl;
use crate::types::type_name;

/// pgvector's defaults and limits.
const HNSW_M: (i64, i64, i64) = (16, 2, 100);
const HNSW_EF_CONSTRUCTION: (i64, i64, i64) = (64, 4, 1000);
/// The analyzer of full-text indexes over tables.
const ANALYZER: &str = "english";

/// A part of an index's key as it is written.
enum KeyPart {
    /// Position in the table.
    Column(usize),
    Expression(IndexExpression),
}

/// What PostgreSQL calls an expression in the name of its index: the function's name, or "expr".
pub(super) fn expression_name(ast: &Ast) -> String {
    match ast {
        Ast::Nested(inner) | Ast::Collate { expr: inner, .. } => expression_name(inner),
        Ast::Function(function) => {
            function.name.0.last().and_then(|part| part.as_ident()).map_or_else(|| "expr".to_owned(), fold)
        }
        Ast::Identifier(ident) => fold(ident),
        Ast::Cast { expr, .. } => expression_name(expr),
        Ast::Substring { .. } => "substring".to_owned(),
        Ast::Trim { .. } => "btrim".to_owned(),
        Ast::Extract { .. } => "extract".to_owned(),
        _ => "expr".to_owned(),
    }
}

/// Numbered when another column of the index has the name.
pub(super) fn distinct_name(name: String, taken: &[String]) -> String {
    let mut candidate = name.clone();
    let mut number = 0u32;
    while taken.contains(&candidate) {
        number += 1;
        candidate = format!("{name}{number}");
    }
    candidate
}

impl Binder<'_> {
    pub fn create_index(&mut self, create: &CreateIndex) -> Result<Vec<Ddl>> {
        let span = create.table_name.span();
        if !create.index_options.is_empty() || !create.alter_options.is_empty() || create.r#async {
            return Err(self.unsupported("this option of CREATE INDEX", span));
        }
        let table = self.stored_relation(&create.table_name)?;
        let method = match &create.using {
            None | Some(IndexType::BTree) => "btree".to_owned(),
            Some(IndexType::Custom(ident)) => fold(ident),
            Some(other) => {
                return Err(self.unsupported(format_args!("index method {}", other.to_string().to_lowercase()), span));
            }
        };
        let is_btree = method == "btree";
        // Where nothing is unique, the words say nothing.
        let nulls_not_distinct = create.unique && create.nulls_distinct == Some(false);
        let mut options = IndexOptions { nulls_not_distinct, ..IndexOptions::default() };
        let mut names: Vec<String> = Vec::with_capacity(create.columns.len());
        let mut parts = Vec::with_capacity(create.columns.len());
        for column in &create.columns {
            let part = self.key_part(&table, column, &mut options.reads)?;
            if !is_btree && !matches!(part, KeyPart::Column(_)) {
                return Err(
                    self.unsupported(format_args!("an expression in a {method} index"), column.column.expr.span())
                );
            }
            let name = match &part {
                KeyPart::Column(position) => table.columns[*position].name.clone(),
                KeyPart::Expression(_) => expression_name(&column.column.expr),
            };
            names.push(distinct_name(name, &names));
            parts.push(part);
        }
        if !is_btree && (create.predicate.is_some() || !create.include.is_empty()) {
            return Err(self.unsupported(format_args!("WHERE and INCLUDE of a {method} index"), span));
        }
        if let Some(predicate) = &create.predicate {
            options.predicate = Some(self.index_predicate(&table, predicate, &mut options.reads)?);
        }
        for included in &create.include {
            let position = self.table_column(&table, included)?;
            if table.columns[position].virtual_expression.is_some() {
                return Err(self.unsupported("an index on a virtual generated column", included.span));
            }
            options.included.push(table.columns[position].id);
            names.push(distinct_name(table.columns[position].name.clone(), &names));
        }
        options.reads.sort_unstable();
        options.reads.dedup();
        let positions: Vec<usize> = parts
            .iter()
            .filter_map(|part| match part {
                KeyPart::Column(position) => Some(*position),
                KeyPart::Expression(_) => None,
            })
            .collect();
        let (kind, columns) = match method.as_str() {
            "btree" => self.btree(create, &table, parts)?,
            "hnsw" => self.hnsw(create, &table, &positions)?,
            "bm25" => self.bm25(create, &table, &positions)?,
            "ivfflat" | "hash" | "gin" | "gist" | "brin" | "spgist" => {
                return Err(self.unsupported(format_args!("index method {method}"), span));
            }
            other => {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("access method \"{other}\" does not exist"),
                )
                .hint("The index methods are btree, hnsw and bm25.")
                .at(self.at(span)));
            }
        };
        let name = match &create.name {
            Some(name) => {
                let qualified = self.qualified_name(name)?;
                if qualified.schema.is_some() {
                    return Err(QueryError::syntax(
                        "an index is created in the schema of its table and has an unqualified name",
                        self.at(name.span()),
                    ));
                }
                if self.catalog.relation_id(&table.schema, &qualified.name).is_some() {
                    if create.if_not_exists {
                        let notice = Some(format!("relation \"{}\" already exists, skipping", qualified.name));
                        return Ok(vec![Ddl::Nothing { tag: "CREATE INDEX", notice }]);
                    }
                    return Err(QueryError::new(
                        sqlstate::DUPLICATE_TABLE,
                        format!("relation \"{}\" already exists", qualified.name),
                    )
                    .at(self.at(name.span())));
                }
                qualified.name
            }
            None if create.if_not_exists => {
                return Err(QueryError::syntax("IF NOT EXISTS needs an index name", self.at(span)));
            }
            None => {
                let columns = names.join("_");
                self.free_relation_name(&table.schema, &[&table.name, &columns], "idx", &[])
            }
        };
        let index = IndexDef {
            id: unassigned(),
            schema: table.schema.clone(),
            name,
            target: IndexTarget::Table { table: table.id, columns },
            kind,
            constraint: None,
            options,
        };
        let mut ddl = Vec::new();
        if create.concurrently {
            // It asks for weaker locks, not for another result: the index is built like any other.
            ddl.push(Ddl::OutsideBlock { what: "CREATE INDEX CONCURRENTLY", tag: "CREATE INDEX" });
        }
        ddl.push(Ddl::CreateIndex { index, if_not_exists: create.if_not_exists });
        Ok(ddl)
    }

    /// A column by its name, or an expression: a call, or anything in parentheses.
    fn key_part(&mut self, table: &TableDef, column: &AstColumn, reads: &mut Vec<ColumnId>) -> Result<KeyPart> {
        let mut ast = &column.column.expr;
        loop {
            match ast {
                Ast::Nested(inner) => ast = inner,
                Ast::Collate { expr, collation } => {
                    let name = self.qualified_name(collation)?.name;
                    if !matches!(name.as_str(), "C" | "POSIX" | "default") {
                        return Err(QueryError::new(
                            sqlstate::UNDEFINED_OBJECT,
                            format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
                        )
                        .at(self.at(collation.span())));
                    }
                    ast = expr;
                }
                _ => break,
            }
        }
        let Ast::Identifier(ident) = ast else {
            return self.index_expression(table, ast, reads).map(KeyPart::Expression);
        };
        let position = match table.column_position(&fold(ident)) {
            Some(position) => position,
            None => {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column \"{}\" does not exist", fold(ident)),
                )
                .at(self.at(ident.span)));
            }
        };
        if table.columns[position].virtual_expression.is_some() {
            return Err(self.unsupported("an index on a virtual generated column", ident.span));
        }
        Ok(KeyPart::Column(position))
    }

    fn btree(
        &self,
        create: &CreateIndex,
        table: &TableDef,
        parts: Vec<KeyPart>,
    ) -> Result<(IndexKind, Vec<IndexColumn>)> {
        if let Some(option) = create.with.first() {
            return Err(self.unsupported(format_args!("the btree option {option}"), option.span()));
        }
        let mut columns = Vec::with_capacity(parts.len());
        for (column, part) in create.columns.iter().zip(parts) {
            let place = column.column.expr.span();
            let (ty, name) = match &part {
                KeyPart::Column(position) => (&table.columns[*position].ty, table.columns[*position].name.as_str()),
                KeyPart::Expression(expression) => (&expression.ty, "expr"),
            };
            if let Some(class) = &column.operator_class {
                let name = self.qualified_name(class)?.name;
                if !matches!(name.as_str(), "text_pattern_ops" | "varchar_pattern_ops") && !name.ends_with("_ops") {
                    return Err(QueryError::new(
                        sqlstate::UNDEFINED_OBJECT,
                        format!("operator class \"{name}\" does not exist for access method \"btree\""),
                    )
                    .at(self.at(class.span())));
                }
            }
            check_ordered(ty, name).map_err(|error| error.at(self.at(place)))?;
            let descending = match &column.column.options.sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(OrderBySort::Using(_)) => return Err(self.unsupported("USING in an index column", place)),
            };
            let nulls_first = column.column.options.nulls_first.unwrap_or(descending);
            columns.push(match part {
                KeyPart::Column(position) => {
                    IndexColumn { column: table.columns[position].id, descending, nulls_first, expression: None }
                }
                KeyPart::Expression(expression) => {
                    IndexColumn { column: EXPRESSION_COLUMN, descending, nulls_first, expression: Some(expression) }
                }
            });
        }
        Ok((IndexKind::Ordered { unique: create.unique }, columns))
    }

    fn refuse_unique(&self, create: &CreateIndex, method: &str) -> Result<()> {
        if create.unique {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("access method \"{method}\" does not support unique indexes"),
            )
            .at(self.at(create.table_name.span())));
        }
        Ok(())
    }

    fn plain_column(&self, column: &AstColumn, method: &str) -> Result<()> {
        if column.column.options.sort.is_some() || column.column.options.nulls_first.is_some() {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("access method \"{method}\" does not support ASC/DESC options"),
            )
            .at(self.at(column.column.expr.span())));
        }
        Ok(())
    }

    fn hnsw(
        &self,
        create: &CreateIndex,
        table: &TableDef,
        positions: &[usize],
    ) -> Result<(IndexKind, Vec<IndexColumn>)> {
        self.refuse_unique(create, "hnsw")?;
        let ([column], [position]) = (create.columns.as_slice(), positions) else {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "access method \"hnsw\" does not support multicolumn indexes",
            )
            .at(self.at(create.table_name.span())));
        };
        self.plain_column(column, "hnsw")?;
        let span = column.column.expr.span();
        let definition = &table.columns[*position];
        let DataType::Vector(dimension_count) = definition.ty else {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "an hnsw index needs a vector column, \"{}\" is {}",
                    definition.name,
                    type_name(&definition.ty)
                ),
            )
            .at(self.at(span)));
        };
        let Some(dimension_count) = dimension_count else {
            return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "column does not have dimensions")
                .hint("Declare the column as vector(n).")
                .at(self.at(span)));
        };
        let metric = match &column.operator_class {
            None => VectorMetric::Euclidean,
            Some(class) => match self.qualified_name(class)?.name.as_str() {
                "vector_l2_ops" => VectorMetric::Euclidean,
                "vector_cosine_ops" => VectorMetric::Cosine,
                "vector_ip_ops" => VectorMetric::InnerProduct,
                other => {
                    return Err(QueryError::new(
                        sqlstate::UNDEFINED_OBJECT,
                        format!("operator class \"{other}\" does not exist for access method \"hnsw\""),
                    )
                    .hint("Use vector_l2_ops, vector_cosine_ops or vector_ip_ops.")
                    .at(self.at(class.span())));
                }
            },
        };
        let (mut connections, mut construction_width) = (HNSW_M.0, HNSW_EF_CONSTRUCTION.0);
        for option in &create.with {
            let (name, value) = self.integer_option(option)?;
            let (slot, (_, least, most)) = match name.as_str() {
                "m" => (&mut connections, HNSW_M),
                "ef_construction" => (&mut construction_width, HNSW_EF_CONSTRUCTION),
                other => {
                    return Err(QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("unrecognized parameter \"{other}\""),
                    )
                    .hint("The parameters are m and ef_construction.")
                    .at(self.at(option.span())));
                }
            };
            if !(least..=most).contains(&value) {
                return Err(QueryError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("value {value} out of bounds for option \"{name}\""),
                )
                .detail(format!("Valid values are between \"{least}\" and \"{most}\"."))
                .at(self.at(option.span())));
            }
            *slot = value;
        }
        if construction_width < 2 * connections {
            return Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "ef_construction must be greater than or equal to 2 * m",
            )
            .at(self.at(create.table_name.span())));
        }
        let options = VectorIndexOptions {
            metric,
            dimension_count,
            embedder: None,
            connections: connections as u16,
            construction_width: construction_width as u16,
        };
        let columns =
            vec![IndexColumn { column: definition.id, descending: false, nulls_first: false, expression: None }];
        Ok((IndexKind::Vector(options), columns))
    }

    /// `USING bm25 (id, title, body)`: text columns are searched together, others are left out.
    fn bm25(
        &self,
        create: &CreateIndex,
        table: &TableDef,
        positions: &[usize],
    ) -> Result<(IndexKind, Vec<IndexColumn>)> {
        self.refuse_unique(create, "bm25")?;
        let mut analyzer = ANALYZER.to_owned();
        for option in &create.with {
            let (name, value) = self.option(option)?;
            match name.as_str() {
                // The key field is our row id, whatever column is named.
                "key_field" => {
                    let known = table.columns.iter().any(|column| column.name == value);
                    if !known {
                        return Err(QueryError::new(
                            sqlstate::UNDEFINED_COLUMN,
                            format!("key field \"{value}\" is no column of \"{}\"", table.name),
                        )
                        .at(self.at(option.span())));
                    }
                }
                "analyzer" => analyzer = value,
                other => {
                    return Err(QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("unrecognized parameter \"{other}\""),
                    )
                    .hint("The parameters are analyzer and key_field.")
                    .at(self.at(option.span())));
                }
            }
        }
        let mut columns = Vec::new();
        for (index, (column, &position)) in create.columns.iter().zip(positions).enumerate() {
            self.plain_column(column, "bm25")?;
            if let Some(class) = &column.operator_class {
                return Err(self.unsupported("an operator class of a bm25 index", class.span()));
            }
            let definition = &table.columns[position];
            match definition.ty {
                DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) => {
                    columns.push(IndexColumn {
                        column: definition.id,
                        descending: false,
                        nulls_first: false,
                        expression: None,
                    });
                }
                // The first column is the key by custom.
                _ if index == 0 && create.columns.len() > 1 => {}
                _ => {
                    return Err(QueryError::new(
                        sqlstate::DATATYPE_MISMATCH,
                        format!(
                            "a bm25 index searches text, column \"{}\" is {}",
                            definition.name,
                            type_name(&definition.ty)
                        ),
                    )
                    .at(self.at(column.column.expr.span())));
                }
            }
        }
        if columns.is_empty() {
            return Err(QueryError::new(sqlstate::DATATYPE_MISMATCH, "a bm25 index needs a text column")
                .at(self.at(create.table_name.span())));
        }
        Ok((IndexKind::FullText { analyzer }, columns))
    }

    /// `name = value` of WITH (…).
    fn option(&self, option: &Ast) -> Result<(String, String)> {
        if let Ast::BinaryOp { left, op: BinaryOperator::Eq, right } = option
            && let Ast::Identifier(name) = &**left
        {
            return Ok((fold(name), super::super::explain::word(right)));
        }
        Err(QueryError::syntax(format!("invalid index option {option}"), self.at(option.span())))
    }

    fn integer_option(&self, option: &Ast) -> Result<(String, i64)> {
        let span: Span = option.span();
        let (name, text) = self.option(option)?;
        let is_number = match option {
            Ast::BinaryOp { right, .. } => {
                matches!(&**right, Ast::Value(value) if matches!(value.value, Literal::Number(..) | Literal::SingleQuotedString(_)))
            }
            _ => false,
        };
        match text.parse() {
            Ok(value) if is_number => Ok((name, value)),
            _ => Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("invalid value for integer option \"{name}\": {text}"),
            )
            .at(self.at(span))),
        }
    }
}
