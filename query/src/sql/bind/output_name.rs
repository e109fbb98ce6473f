//! Names of output columns that have no alias, as PostgreSQL's FigureColname gives them.

use sqlparser::ast::{AccessExpr, Expr as Ast, ObjectNamePart, Query, SelectItem, SetExpr, TrimWhereField};

use super::Binder;
use super::data_type::internal_type_name;
use super::names::fold;

/// What a column is called when nothing names it.
pub const UNNAMED: &str = "?column?";

impl Binder<'_> {
    pub fn output_name(&self, ast: &Ast) -> String {
        self.strong_name(ast).map_or_else(|| UNNAMED.to_owned(), |(name, _)| name)
    }

    /// The name and whether it is good enough to win over a type's name.
    fn strong_name(&self, ast: &Ast) -> Option<(String, bool)> {
        let strong = |name: &str| Some((name.to_owned(), true));
        match ast {
            Ast::Identifier(ident) => Some((fold(ident), true)),
            Ast::CompoundIdentifier(parts) => parts.last().map(|ident| (fold(ident), true)),
            Ast::CompoundFieldAccess { root, access_chain } => access_chain
                .iter()
                .rev()
                .find_map(|access| match access {
                    AccessExpr::Dot(Ast::Identifier(ident)) => Some((fold(ident), true)),
                    _ => None,
                })
                .or_else(|| self.strong_name(root)),
            Ast::Nested(inner) => self.strong_name(inner),
            Ast::Collate { expr, .. } => self.strong_name(expr),
            Ast::Function(function) => match function.name.0.last() {
                Some(ObjectNamePart::Identifier(ident)) => Some((fold(ident), true)),
                _ => None,
            },
            Ast::Cast { expr, data_type, .. } => match self.strong_name(expr) {
                Some((name, true)) => Some((name, true)),
                _ => {
                    let span = sqlparser::tokenizer::Span::empty();
                    let ty = self.data_type(data_type, span).ok()?;
                    Some((internal_type_name(&ty).trim_start_matches('_').to_owned(), false))
                }
            },
            Ast::TypedString(typed) => {
                let ty = self.data_type(&typed.data_type, typed.value.span).ok()?;
                Some((internal_type_name(&ty), false))
            }
            Ast::Interval(_) => Some(("interval".to_owned(), false)),
            Ast::Case { else_result, .. } => match else_result.as_deref().and_then(|ast| self.strong_name(ast)) {
                Some((name, true)) => Some((name, true)),
                _ => Some(("case".to_owned(), false)),
            },
            Ast::Exists { negated: false, .. } => strong("exists"),
            Ast::Array(_) => strong("array"),
            Ast::BinaryOp { op: sqlparser::ast::BinaryOperator::Overlaps, .. } => strong("overlaps"),
            Ast::Tuple(_) => strong("row"),
            Ast::Subquery(query) => self.first_column_name(query).map(|name| (name, true)),
            Ast::Extract { .. } => strong("extract"),
            Ast::Ceil { .. } => strong("ceil"),
            Ast::Floor { .. } => strong("floor"),
            Ast::Position { .. } => strong("position"),
            Ast::Substring { shorthand: true, .. } => strong("substr"),
            Ast::Substring { .. } => strong("substring"),
            Ast::Overlay { .. } => strong("overlay"),
            Ast::Trim { trim_where, .. } => strong(match trim_where {
                None | Some(TrimWhereField::Both) => "btrim",
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
            }),
            Ast::AtTimeZone { .. } => strong("timezone"),
            _ => None,
        }
    }

    /// A scalar subquery is called as its column.
    fn first_column_name(&self, query: &Query) -> Option<String> {
        let mut body = &*query.body;
        loop {
            match body {
                SetExpr::Select(select) => {
                    return match select.projection.first()? {
                        SelectItem::UnnamedExpr(expr) => Some(self.output_name(expr)),
                        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
                        _ => None,
                    };
                }
                SetExpr::Query(query) => body = &query.body,
                SetExpr::SetOperation { left, .. } => body = left,
                SetExpr::Values(_) => return Some("column1".to_owned()),
                _ => return None,
            }
        }
    }
}
