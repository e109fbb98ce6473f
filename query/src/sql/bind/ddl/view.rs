//! CREATE VIEW.

use sqlparser::ast::{CreateTableOptions, CreateView, Ident, Query, Select, SelectItem, SetExpr, Spanned, SqlOption};
use sqlparser::tokenizer::Span;

use super::super::Binder;
use super::super::names::{Relation, fold};
use super::super::relation_names::with_schemas;
use super::unassigned;
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::printed_query;
use crate::statement::Ddl;
use sinew_storage::catalog::{CheckOption, ViewDef};

/// The query with these names for its first columns, so that its text says them. One whose columns do not stand in its text
/// each by itself (`*`) is left as it is.
pub(super) fn with_column_names(query: &Query, names: &[Ident]) -> Query {
    fn first_select(body: &mut SetExpr) -> Option<&mut Select> {
        match body {
            SetExpr::Select(select) => Some(select),
            SetExpr::Query(query) => first_select(&mut query.body),
            SetExpr::SetOperation { left, .. } => first_select(left),
            _ => None,
        }
    }
    let mut named = query.clone();
    let Some(select) = first_select(&mut named.body) else { return named };
    let is_listed = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    // What the query sorts by, it may call by its old names.
    if !select.projection.iter().all(is_listed) || query.order_by.is_some() {
        return query.clone();
    }
    for (item, name) in select.projection.iter_mut().zip(names) {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: name.clone() };
        }
    }
    named
}

impl Binder<'_> {
    pub fn create_view(&mut self, create: &CreateView) -> Result<Vec<Ddl>> {
        let span = create.name.span();
        let what = if create.materialized {
            "CREATE MATERIALIZED VIEW"
        } else if create.or_alter
            || create.secure
            || create.if_not_exists
            || create.name_before_not_exists
            || !create.cluster_by.is_empty()
            || create.comment.is_some()
            || create.with_no_schema_binding
            || create.copy_grants
            || create.to.is_some()
            || create.params.is_some()
        {
            "CREATE VIEW with options"
        } else {
            ""
        };
        if !what.is_empty() {
            return Err(self.unsupported(what, span));
        }
        let check_option = self.check_option(&create.options, span)?;
        let qualified = self.qualified_name(&create.name)?;
        let mut schema = self.creation_schema_of(&qualified, create.temporary, span)?;
        let params_before = self.context.params.read().len();
        let own = self.context.session.temporary_schema();
        self.used_relations.clear();
        let bound = self.bind_query(&create.query, false)?;
        let reads_temporary = self.used_relations.iter().any(|id| {
            let table = self.catalog.tables.get(id).map(|table| &table.schema);
            table.or_else(|| self.catalog.views.get(id).map(|view| &view.schema)) == Some(&own)
        });
        let mut notices = Vec::new();
        if reads_temporary && schema != own {
            if qualified.schema.is_some() {
                return Err(QueryError::new("42P16", "cannot create temporary relation in non-temporary schema")
                    .at(self.at(span)));
            }
            let notice = Some(format!("view \"{}\" will be a temporary view", qualified.name));
            notices.push(Ddl::Nothing { tag: "CREATE VIEW", notice });
            schema = own;
        }
        if self.context.params.read().len() > params_before {
            return Err(
                QueryError::new(sqlstate::UNDEFINED_PARAMETER, "views must not contain parameters").at(self.at(span))
            );
        }
        if create.columns.len() > bound.output.len() {
            return Err(QueryError::syntax("CREATE VIEW specifies more column names than columns", self.at(span)));
        }
        let mut columns: Vec<(String, sinew_storage::DataType)> = Vec::with_capacity(bound.output.len());
        for (index, column) in bound.output.iter().enumerate() {
            let name = match create.columns.get(index) {
                Some(named) => {
                    if named.data_type.is_some() || named.options.is_some() {
                        return Err(self.unsupported("types and options of view columns", named.name.span));
                    }
                    fold(&named.name)
                }
                None => column.name.to_string(),
            };
            if columns.iter().any(|(known, _)| *known == name) {
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                )
                .at(self.at(span)));
            }
            columns.push((name, column.ty.clone()));
        }
        let existing = self.catalog.relation_id(&schema, &qualified.name).and_then(|id| self.relation_by_id(id));
        match existing {
            None => {}
            Some(Relation::View(old)) if create.or_replace => {
                for (index, (old_name, old_ty)) in old.columns.iter().enumerate() {
                    let Some((name, ty)) = columns.get(index) else {
                        return Err(QueryError::new("42P16", "cannot drop columns from view").at(self.at(span)));
                    };
                    if name != old_name {
                        return Err(QueryError::new(
                            "42P16",
                            format!("cannot change name of view column \"{old_name}\" to \"{name}\""),
                        )
                        .at(self.at(span)));
                    }
                    if ty != old_ty {
                        use crate::types::type_name;
                        return Err(QueryError::new(
                            "42P16",
                            format!(
                                "cannot change data type of view column \"{name}\" from {} to {}",
                                type_name(old_ty),
                                type_name(ty)
                            ),
                        )
                        .at(self.at(span)));
                    }
                }
            }
            Some(other) if create.or_replace => {
                return Err(QueryError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not a view", qualified.name),
                )
                .detail(format!("It is a {}.", other.kind()))
                .at(self.at(span)));
            }
            Some(_) => {
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_TABLE,
                    format!("relation \"{}\" already exists", qualified.name),
                )
                .at(self.at(span)));
            }
        }
        let names: Vec<Ident> = create.columns.iter().map(|column| column.name.clone()).collect();
        let query = printed_query(with_column_names(&create.query, &names).to_string());
        let query = with_schemas(self.context, &query)?;
        let view = ViewDef { id: unassigned(), schema, name: qualified.name, columns, query, check_option };
        if check_option.is_some() {
            self.check_updatable(&view).map_err(|error| error.at(self.at(span)))?;
        }
        let mut ddl = vec![Ddl::CreateView { view, replace: create.or_replace }];
        ddl.extend(notices);
        Ok(ddl)
    }
    /// WITH CHECK OPTION, in either notation: the option `check_option`.
    fn check_option(&self, options: &CreateTableOptions, span: Span) -> Result<Option<CheckOption>> {
        let options = match options {
            CreateTableOptions::None => return Ok(None),
            CreateTableOptions::With(options) => options,
            _ => return Err(self.unsupported("CREATE VIEW with options", span)),
        };
        let mut found = None;
        for option in options {
            let (key, value) = match option {
                SqlOption::KeyValue { key, value } => (key, value.to_string()),
                other => return Err(self.unsupported(format_args!("the view option {other}"), span)),
            };
            let name = fold(key);
            if name != "check_option" {
                return Err(self.unsupported(format_args!("the view option {name}"), key.span));
            }
            if found.is_some() {
                let message = format!("parameter \"{name}\" specified more than once");
                return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message).at(self.at(key.span)));
            }
            found = Some(match value.trim_matches(['\'', '"']).to_lowercase().as_str() {
                "local" => CheckOption::Local,
                "cascaded" => CheckOption::Cascaded,
                other => {
                    let message = format!("invalid value for enum option \"check_option\": {other}");
                    return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
                        .detail("Valid values are \"local\" and \"cascaded\".")
                        .at(self.at(key.span)));
                }
            });
        }
        Ok(found)
    }
}
