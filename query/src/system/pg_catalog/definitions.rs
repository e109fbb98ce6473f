//! Definitions as SQL text: what `pg_get_indexdef`, `pg_get_constraintdef` and `pg_get_viewdef` print.

use std::borrow::Cow;

use sinew_storage::DataType;
use sinew_storage::catalog::{
    Catalog, CheckOption, ColumnDef, ConstraintKind, ConstraintTiming, ForeignKeyMatch, IndexDef, IndexKind,
    IndexTarget, ReferentialAction, TableDef, VectorMetric,
};

use super::identity::{self, Constraint, ConstraintBody, ForeignKey};
use crate::context::{EvalContext, ExecContext};
use crate::types::names::without_modifier;
use crate::types::reg::{self, quote_identifier};
use crate::types::type_name;

/// Operator class written after a vector index's column.
pub(crate) fn vector_operator_class(metric: VectorMetric) -> &'static str {
    match metric {
        VectorMetric::Euclidean => "vector_l2_ops",
        VectorMetric::Cosine => "vector_cosine_ops",
        VectorMetric::InnerProduct => "vector_ip_ops",
    }
}

/// An index's key columns by quoted name.
fn column_names(index: &IndexDef, table: &TableDef) -> Vec<String> {
    match &index.target {
        IndexTarget::Table { columns, .. } => columns
            .iter()
            .filter_map(|column| match &column.expression {
                Some(expression) => Some(index_expression(&expression.text)),
                None => {
                    let position = table.position_of(column.column)?;
                    Some(quote_identifier(&table.columns[position].name))
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A call stands as it is, anything else in parentheses.
fn index_expression(text: &str) -> String {
    let is_call = text.split_once('(').is_some_and(|(name, rest)| {
        name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') && closes_at_end(rest)
    });
    if is_call { text.to_owned() } else { format!("({})", in_parentheses(text)) }
}

/// Whether the parenthesis that was opened before `rest` closes with its last character.
fn closes_at_end(rest: &str) -> bool {
    let mut depth = 1usize;
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return at + 1 == rest.len();
                }
            }
            _ => {}
        }
    }
    false
}

fn in_parentheses(text: &str) -> String {
    let is_name = text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_enclosed = text.strip_prefix('(').is_some_and(closes_at_end);
    if is_name || is_enclosed { text.to_owned() } else { format!("({text})") }
}

/// One key column as CREATE INDEX writes it, 1-based. None when there is no such column.
pub(crate) fn index_column_definition(index: &IndexDef, table: &TableDef, number: usize) -> Option<String> {
    column_names(index, table).into_iter().nth(number.checked_sub(1)?)
}

/// What CREATE INDEX takes when it is not told otherwise.
const DEFAULT_ANALYZER: &str = "english";
const DEFAULT_CONNECTIONS: u16 = 16;
const DEFAULT_CONSTRUCTION_WIDTH: u16 = 64;

/// `reloptions` of an index, `name=value`: those that are not the default. None when there are none.
pub(crate) fn index_options(index: &IndexDef) -> Option<Vec<String>> {
    let mut all = Vec::new();
    match &index.kind {
        IndexKind::Ordered { .. } => {}
        IndexKind::FullText { analyzer } => {
            if !analyzer.is_empty() && analyzer != DEFAULT_ANALYZER {
                all.push(format!("analyzer={analyzer}"));
            }
        }
        IndexKind::Vector(options) => {
            if options.connections != DEFAULT_CONNECTIONS {
                all.push(format!("m={}", options.connections));
            }
            if options.construction_width != DEFAULT_CONSTRUCTION_WIDTH {
                all.push(format!("ef_construction={}", options.construction_width));
            }
            if let Some(embedder) = &options.embedder {
                all.push(format!("embedder={embedder}"));
            }
        }
    }
    (!all.is_empty()).then_some(all)
}

/// `CREATE UNIQUE INDEX name ON schema.table USING btree (a, b DESC)`.
pub(crate) fn index_definition(index: &IndexDef, table: &TableDef) -> String {
    let IndexTarget::Table { columns, .. } = &index.target else { return String::new() };
    let unique = if matches!(index.kind, IndexKind::Ordered { unique: true }) { "UNIQUE " } else { "" };
    let (method, _) = identity::access_method(&index.kind);
    let keys: Vec<String> = column_names(index, table)
        .into_iter()
        .zip(columns)
        .map(|(name, column)| match &index.kind {
            IndexKind::Vector(options) => format!("{name} {}", vector_operator_class(options.metric)),
            IndexKind::FullText { .. } => name,
            IndexKind::Ordered { .. } => {
                let direction = if column.descending { " DESC" } else { "" };
                let nulls = match (column.descending, column.nulls_first) {
                    (false, true) => " NULLS FIRST",
                    (true, false) => " NULLS LAST",
                    _ => "",
                };
                format!("{name}{direction}{nulls}")
            }
        })
        .collect();
    let (included, predicate) = included_and_predicate(index, table);
    let nulls = if index.options.nulls_not_distinct { " NULLS NOT DISTINCT" } else { "" };
    let options = index_options(index).map_or_else(String::new, |options| {
        let options: Vec<String> = options
            .iter()
            .filter_map(|option| option.split_once('='))
            .map(|(name, value)| format!("{name}='{}'", value.replace('\'', "''")))
            .collect();
        format!(" WITH ({})", options.join(", "))
    });
    format!(
        "CREATE {unique}INDEX {} ON {}.{} USING {method} ({}){included}{nulls}{options}{predicate}",
        quote_identifier(&index.name),
        quote_identifier(&table.schema),
        quote_identifier(&table.name),
        keys.join(", ")
    )
}

fn included_and_predicate(index: &IndexDef, table: &TableDef) -> (String, String) {
    let names: Vec<String> = index
        .options
        .included
        .iter()
        .filter_map(|column| table.position_of(*column))
        .map(|position| quote_identifier(&table.columns[position].name))
        .collect();
    let included = if names.is_empty() { String::new() } else { format!(" INCLUDE ({})", names.join(", ")) };
    let predicate = match &index.options.predicate {
        Some(text) => format!(" WHERE {}", in_parentheses(text)),
        None => String::new(),
    };
    (included, predicate)
}

/// `PRIMARY KEY (a, b)`, `UNIQUE (a)`, `CHECK ((a > 0))`, `FOREIGN KEY (a) REFERENCES p(id) ON DELETE CASCADE`.
fn constraint_definition(context: &EvalContext<'_>, constraint: &Constraint<'_>) -> String {
    match &constraint.body {
        ConstraintBody::Key(kind, index) => {
            let word = match kind {
                ConstraintKind::PrimaryKey => "PRIMARY KEY",
                ConstraintKind::Unique => "UNIQUE",
            };
            let nulls = if index.options.nulls_not_distinct { " NULLS NOT DISTINCT" } else { "" };
            let (included, _) = included_and_predicate(index, constraint.table);
            format!("{word}{nulls} ({}){included}", column_names(index, constraint.table).join(", "))
        }
        ConstraintBody::Check(check) => format!("CHECK ({}){}", check.expression, validity(check.not_valid)),
        ConstraintBody::ForeignKey(foreign) => foreign_key_definition(context, constraint, foreign),
    }
}

fn foreign_key_definition(context: &EvalContext<'_>, constraint: &Constraint<'_>, foreign: &ForeignKey<'_>) -> String {
    let names = |columns: Vec<&ColumnDef>| {
        let names: Vec<String> = columns.into_iter().map(|column| quote_identifier(&column.name)).collect();
        names.join(", ")
    };
    let mut text = format!(
        "FOREIGN KEY ({}) REFERENCES {}({})",
        names(constraint.columns()),
        reg::qualified_unless_visible(context, &foreign.table.schema, &foreign.table.name, foreign.table.id.0),
        names(foreign.referenced_columns())
    );
    if foreign.key.match_type == ForeignKeyMatch::Full {
        text.push_str(" MATCH FULL");
    }
    for (event, action) in [("UPDATE", foreign.key.on_update), ("DELETE", foreign.key.on_delete)] {
        if action != ReferentialAction::NoAction {
            text.push_str(&format!(" ON {event} {}", action_name(action)));
        }
    }
    text.push_str(match foreign.key.timing {
        ConstraintTiming::NotDeferrable => "",
        ConstraintTiming::InitiallyImmediate => " DEFERRABLE",
        ConstraintTiming::InitiallyDeferred => " DEFERRABLE INITIALLY DEFERRED",
    });
    text.push_str(validity(foreign.key.not_valid));
    text
}

fn validity(not_valid: bool) -> &'static str {
    if not_valid { " NOT VALID" } else { "" }
}

/// A view's check option as its storage parameter names it.
pub(crate) fn option_name(option: CheckOption) -> &'static str {
    match option {
        CheckOption::Local => "local",
        CheckOption::Cascaded => "cascaded",
    }
}

/// An action as SQL writes it.
pub(crate) fn action_name(action: ReferentialAction) -> &'static str {
    match action {
        ReferentialAction::NoAction => "NO ACTION",
        ReferentialAction::Restrict => "RESTRICT",
        ReferentialAction::Cascade => "CASCADE",
        ReferentialAction::SetNull => "SET NULL",
        ReferentialAction::SetDefault => "SET DEFAULT",
    }
}

/// A default as PostgreSQL shows it: a string has its column's type behind it, and a negative number is one too.
pub(crate) fn typed_default<'e>(expression: &'e str, ty: &DataType) -> Cow<'e, str> {
    let text = expression.trim();
    let is_string = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''))
        .is_some_and(|inside| !inside.replace("''", "").contains('\''));
    if is_string && !matches!(ty, DataType::Vector(_)) {
        return Cow::Owned(format!("{text}::{}", type_name(&without_modifier(ty))));
    }
    let Some(digits) = text.strip_prefix('-').map(str::trim_start) else { return Cow::Borrowed(expression) };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !digits.is_empty();
    if !is_number {
        return Cow::Borrowed(expression);
    }
    let number_type = match digits.parse::<i64>() {
        Ok(number) if number <= i64::from(i32::MAX) + 1 => "integer",
        Ok(_) => "bigint",
        Err(_) => "numeric",
    };
    Cow::Owned(format!("'-{digits}'::{number_type}"))
}

/// Text of the catalog as it is shown: a sequence that the search path finds loses its schema.
pub(crate) fn shown_expression(context: &EvalContext<'_>, text: &str) -> String {
    crate::sql::with_sequence_names(text, |parts| match parts {
        [_, name] => {
            let bare = std::slice::from_ref(name);
            let is_visible = reg::find_relation(context, bare) == reg::find_relation(context, parts);
            is_visible.then(|| quote_identifier(name))
        }
        _ => None,
    })
}

/// By the index's oid. None when there is no such table index.
pub(crate) fn index_definition_by_oid(catalog: &Catalog, oid: u32) -> Option<String> {
    identity::table_indexes(catalog)
        .find(|(index, _)| index.id.0 == oid)
        .map(|(index, table)| index_definition(index, table))
}

/// By the index's oid and the column's 1-based number.
pub(crate) fn index_column_definition_by_oid(catalog: &Catalog, oid: u32, number: usize) -> Option<String> {
    let (index, table) = identity::table_indexes(catalog).find(|(index, _)| index.id.0 == oid)?;
    index_column_definition(index, table, number)
}

/// By the oid in `pg_constraint`.
pub(crate) fn constraint_definition_by_oid(context: &EvalContext<'_>, oid: u32) -> Option<String> {
    let catalog = context.exec.transaction.catalog();
    let constraints = identity::constraints(&catalog);
    let constraint = constraints.iter().find(|constraint| constraint.oid == oid)?;
    Some(constraint_definition(context, constraint))
}

/// A view's query with a semicolon, by the view's oid.
pub(crate) fn view_definition_by_oid(context: &ExecContext, oid: u32) -> Option<String> {
    let catalog = context.transaction.catalog();
    let view = catalog.stored_queries().find(|view| view.id.0 == oid)?;
    Some(view_definition(context, view.query))
}

/// Relations are named as the session's search path needs it.
pub(crate) fn view_definition(context: &ExecContext, query: &str) -> String {
    let query = crate::sql::without_visible_schemas(context, query.trim().trim_end_matches(';'));
    format!(" {};", query.trim())
}
