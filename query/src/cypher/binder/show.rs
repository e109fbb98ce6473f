//! SHOW: listings of definitions as rows of constants, which YIELD, WHERE and RETURN then take like any others.

use std::collections::BTreeMap;

use sinew_storage::catalog::{
    Carrier, GraphConstraint, GraphConstraintKind, IndexDef, IndexKind, IndexTarget, VectorMetric,
};
use sinew_storage::{PropertyKeyId, Transaction};

use super::schema::quoted;
use super::*;
use crate::functions::TableFunction;
use ast::{ConstraintFilter, ShowCommand, ShowIndexKind, ShowKind, ShowRule};

/// A column, and whether it is there without YIELD.
struct ListingColumn {
    name: &'static str,
    ty: DataType,
    by_default: bool,
}

struct Listing {
    columns: Vec<ListingColumn>,
    rows: Vec<Vec<Value>>,
}

fn columns(by_default: &[(&'static str, DataType)], further: &[(&'static str, DataType)]) -> Vec<ListingColumn> {
    let column =
        |by_default| move |(name, ty): &(&'static str, DataType)| ListingColumn { name, ty: ty.clone(), by_default };
    by_default.iter().map(column(true)).chain(further.iter().map(column(false))).collect()
}

impl Binder<'_> {
    pub(super) fn show(mut self, command: &ShowCommand) -> Result<BoundStatement> {
        let listing = match &command.kind {
            ShowKind::Indexes(kind) => self.indexes(*kind),
            ShowKind::Constraints(filter) => self.constraints(*filter),
            ShowKind::Functions { built_in } => functions(*built_in),
            ShowKind::Procedures => self.procedures(),
        };
        let mut output = Columns::new();
        for column in &listing.columns {
            let name: Arc<str> = column.name.into();
            output.push((name.clone(), self.new_var(&name, column.ty.clone())));
        }
        let typed = |row: Vec<Value>| {
            let types = listing.columns.iter().map(|column| column.ty.clone());
            row.into_iter().zip(types).map(|(value, ty)| Expr::Literal(value, ty)).collect()
        };
        let rows = listing.rows.into_iter().map(typed).collect();
        let mut plan = Plan::Values { rows, output: output.iter().map(|(_, var)| *var).collect() };
        self.scope = Scope::from_columns(&output);
        let Some(yields) = &command.yields else {
            if let Some(filter) = &command.filter {
                plan = filtered(plan, self.conjuncts(filter)?);
            }
            let shown = output.into_iter().zip(&listing.columns).filter(|(_, column)| column.by_default);
            let shown: Columns = shown.map(|(named, _)| named).collect();
            let items = shown.iter().map(|(_, var)| (*var, self.column(*var))).collect();
            let plan = Plan::Project { input: Box::new(plan), items };
            return Ok(BoundStatement::Query(self.finish(plan, shown, QueryKind::CypherRead)));
        };
        let mut projection = yields.clone();
        if let Some(span) = projection.star.take() {
            // In the listing's order, where a star of RETURN would sort them by name.
            for (name, _) in &output {
                let expr = ast::Expr { kind: ast::ExprKind::Variable(name.clone()), span };
                projection.items.push(ast::ProjectionItem { expr, alias: None, text: name.clone() });
            }
        }
        for item in &projection.items {
            if self.scope.get(&item.text).is_none() {
                return Err(self.unknown_column(&item.text, &listing.columns, item.expr.span));
            }
        }
        let (mut plan, mut shown) = self.projection(plan, &projection, false, command.span)?;
        if let Some((returns, span)) = &command.returns {
            (plan, shown) = self.projection(plan, returns, true, *span)?;
        }
        let (plan, shown) = self.sql_columns(plan, shown);
        Ok(BoundStatement::Query(self.finish(plan, shown, QueryKind::CypherRead)))
    }

    fn unknown_column(&self, name: &str, columns: &[ListingColumn], span: Span) -> QueryError {
        let error = errors::syntax("UndefinedVariable", format!("there is no column \"{name}\" to YIELD"));
        let names = || columns.iter().map(|column| column.name);
        let hint = match errors::near_miss(name, names()) {
            Some(near) => format!("Perhaps you meant \"{near}\"."),
            None => format!("Columns are {}.", names().collect::<Vec<_>>().join(", ")),
        };
        self.at(error.hint(hint), span)
    }

    fn indexes(&self, kind: Option<ShowIndexKind>) -> Listing {
        let transaction = self.context.transaction;
        let catalog = transaction.catalog();
        let text_list = DataType::array_of(DataType::Text);
        let columns = columns(
            &[
                ("id", DataType::Int8),
                ("name", DataType::Text),
                ("state", DataType::Text),
                ("populationPercent", DataType::Float8),
                ("type", DataType::Text),
                ("entityType", DataType::Text),
                ("labelsOrTypes", text_list.clone()),
                ("properties", text_list),
                ("indexProvider", DataType::Text),
                ("owningConstraint", DataType::Text),
            ],
            &[("options", DataType::Map), ("failureMessage", DataType::Text), ("createStatement", DataType::Text)],
        );
        let is_wanted = |index: &&Arc<IndexDef>| match kind {
            None => true,
            Some(ShowIndexKind::Range) => matches!(index.kind, IndexKind::Ordered { .. }),
            Some(ShowIndexKind::FullText) => matches!(index.kind, IndexKind::FullText { .. }),
            Some(ShowIndexKind::Vector) => matches!(index.kind, IndexKind::Vector(_)),
            Some(ShowIndexKind::Absent) => false,
        };
        let mut rows = Vec::new();
        for index in catalog.indexes.values().filter(is_wanted) {
            let Some(over) = Over::index(transaction, index) else { continue };
            let (kind, provider) = match &index.kind {
                IndexKind::Ordered { .. } => ("RANGE", "range-1.0"),
                IndexKind::FullText { .. } => ("FULLTEXT", "fulltext-1.0"),
                IndexKind::Vector(_) => ("VECTOR", "vector-1.0"),
            };
            let owner = GraphConstraint::of_index(index);
            let create = match &owner {
                Some(constraint) => constraint_statement(transaction, constraint),
                None => index_statement(index, &over),
            };
            rows.push(vec![
                Value::Int(i64::from(index.id.0)),
                Value::text(index.name.as_str()),
                // Whoever searches one that is still being built reads the rows meanwhile.
                Value::text("ONLINE"),
                Value::Float(100.0),
                Value::text(kind),
                Value::text(over.entity()),
                text_values(&over.names),
                text_values(&over.properties),
                Value::text(provider),
                owner.map_or(Value::Null, |constraint| Value::text(constraint.name)),
                index_options(index, provider),
                Value::text(""),
                Value::text(create),
            ]);
        }
        Listing { columns, rows }
    }

    fn constraints(&self, filter: ConstraintFilter) -> Listing {
        let transaction = self.context.transaction;
        let catalog = transaction.catalog();
        let text_list = DataType::array_of(DataType::Text);
        let columns = columns(
            &[
                ("id", DataType::Int8),
                ("name", DataType::Text),
                ("type", DataType::Text),
                ("entityType", DataType::Text),
                ("labelsOrTypes", text_list.clone()),
                ("properties", text_list),
                ("ownedIndex", DataType::Text),
                ("propertyType", DataType::Text),
            ],
            &[("options", DataType::Map), ("createStatement", DataType::Text)],
        );
        let mut rows = Vec::new();
        for constraint in catalog.constraints_of_graph() {
            let over = Over::constraint(transaction, &constraint);
            let rule = match constraint.kind {
                GraphConstraintKind::Unique => ShowRule::Unique,
                GraphConstraintKind::Key => ShowRule::Key,
                GraphConstraintKind::Exists => ShowRule::Exists,
                GraphConstraintKind::Type(_) => ShowRule::Type,
            };
            if filter.rule.is_some_and(|wanted| wanted != rule)
                || filter.relationship.is_some_and(|wanted| wanted != over.relationship)
            {
                continue;
            }
            let kind = match (rule, over.relationship) {
                (ShowRule::Unique, false) => "UNIQUENESS",
                (ShowRule::Unique, true) => "RELATIONSHIP_UNIQUENESS",
                (ShowRule::Key, false) => "NODE_KEY",
                (ShowRule::Key, true) => "RELATIONSHIP_KEY",
                (ShowRule::Exists, false) => "NODE_PROPERTY_EXISTENCE",
                (ShowRule::Exists, true) => "RELATIONSHIP_PROPERTY_EXISTENCE",
                (ShowRule::Type, false) => "NODE_PROPERTY_TYPE",
                (ShowRule::Type, true) => "RELATIONSHIP_PROPERTY_TYPE",
            };
            let index = catalog.indexes.get(&constraint.id);
            rows.push(vec![
                Value::Int(i64::from(constraint.id.0)),
                Value::text(constraint.name),
                Value::text(kind),
                Value::text(over.entity()),
                text_values(&over.names),
                text_values(&over.properties),
                index.map_or(Value::Null, |index| Value::text(index.name.as_str())),
                match constraint.kind {
                    GraphConstraintKind::Type(types) => Value::text(types.to_string()),
                    _ => Value::Null,
                },
                index.map_or(Value::Null, |index| index_options(index, "range-1.0")),
                Value::text(constraint_statement(transaction, &constraint)),
            ]);
        }
        Listing { columns, rows }
    }

    fn procedures(&self) -> Listing {
        let registry = &self.context.session.functions;
        let columns = columns(
            &[
                ("name", DataType::Text),
                ("description", DataType::Text),
                ("mode", DataType::Text),
                ("worksOnSystem", DataType::Bool),
            ],
            &[("signature", DataType::Text)],
        );
        let mut procedures: Vec<Arc<dyn TableFunction>> =
            registry.table_function_names().iter().filter_map(|name| registry.table_function(name)).collect();
        // The others are functions of SQL.
        procedures.retain(|procedure| !procedure.description().is_empty());
        procedures.sort_by_key(|procedure| procedure.name().to_lowercase());
        let row = |procedure: Arc<dyn TableFunction>| {
            vec![
                Value::text(procedure.name()),
                Value::text(procedure.description()),
                Value::text(if procedure.writes() { "WRITE" } else { "READ" }),
                Value::Bool(false),
                Value::text(signature(&*procedure)),
            ]
        };
        Listing { columns, rows: procedures.into_iter().map(row).collect() }
    }
}

fn functions(built_in: bool) -> Listing {
    let columns = columns(
        &[("name", DataType::Text), ("category", DataType::Text), ("description", DataType::Text)],
        &[("signature", DataType::Text), ("isBuiltIn", DataType::Bool), ("aggregating", DataType::Bool)],
    );
    let row = |function: functions::FunctionInfo| {
        vec![
            Value::text(function.name),
            Value::text(function.category),
            Value::text(function.description),
            Value::text(function.signature),
            Value::Bool(true),
            Value::Bool(function.aggregating),
        ]
    };
    // Functions of users do not exist.
    let functions = if built_in { functions::function_infos() } else { Vec::new() };
    Listing { columns, rows: functions.into_iter().map(row).collect() }
}

/// `name(param = default :: TYPE) :: (column :: TYPE)`, as Neo4j writes it.
fn signature(procedure: &dyn TableFunction) -> String {
    let params = procedure.params().iter().map(|param| match &param.default {
        None => format!("{} :: {}", param.name, shown_type(&param.ty)),
        Some(default) => {
            let default = match default {
                Value::Null => "null".to_owned(),
                Value::Map(map) if map.is_empty() => "{}".to_owned(),
                Value::Text(text) => format!("'{text}'"),
                Value::Bool(truth) => truth.to_string(),
                Value::Int(number) => number.to_string(),
                Value::Float(number) => functions::format_float(*number),
                _ => "…".to_owned(),
            };
            format!("{} = {default} :: {}", param.name, shown_type(&param.ty))
        }
    });
    let columns = procedure.columns().iter().map(|(name, ty)| format!("{name} :: {}", shown_type(ty)));
    let (params, columns): (Vec<String>, Vec<String>) = (params.collect(), columns.collect());
    format!("{}({}) :: ({})", procedure.name(), params.join(", "), columns.join(", "))
}

fn shown_type(ty: &DataType) -> String {
    match ty {
        DataType::Array(element) => format!("LIST<{}>", shown_type(element)),
        DataType::Int2 | DataType::Int4 => "INTEGER".to_owned(),
        DataType::Float4 => "FLOAT".to_owned(),
        DataType::Json | DataType::Jsonb => "ANY".to_owned(),
        DataType::Vector(_) => "VECTOR".to_owned(),
        DataType::Numeric(_) => "NUMERIC".to_owned(),
        ty => TemporalKind::of_sql_type(ty).map_or_else(|| types::type_name(ty), |kind| kind.name().to_owned()),
    }
}

/// What an index or constraint is over, by name.
struct Over {
    relationship: bool,
    names: Vec<Arc<str>>,
    properties: Vec<Arc<str>>,
}

impl Over {
    fn new(transaction: &Transaction, carriers: &[Carrier], properties: &[PropertyKeyId]) -> Over {
        let name = |carrier: &Carrier| match carrier {
            Carrier::Label(label) => transaction.label_name(*label),
            Carrier::RelationshipType(ty) => transaction.relationship_type_name(*ty),
        };
        Over {
            relationship: matches!(carriers.first(), Some(Carrier::RelationshipType(_))),
            names: carriers.iter().map(name).collect(),
            properties: properties.iter().map(|key| transaction.property_key_name(*key)).collect(),
        }
    }

    /// None for an index over a table.
    fn index(transaction: &Transaction, index: &IndexDef) -> Option<Over> {
        Some(match &index.target {
            IndexTarget::Table { .. } => return None,
            IndexTarget::Nodes { labels, properties } => {
                let labels: Vec<Carrier> = labels.iter().copied().map(Carrier::Label).collect();
                Over::new(transaction, &labels, properties)
            }
            IndexTarget::Relationships { types, properties } => {
                let types: Vec<Carrier> = types.iter().copied().map(Carrier::RelationshipType).collect();
                Over::new(transaction, &types, properties)
            }
        })
    }

    fn constraint(transaction: &Transaction, constraint: &GraphConstraint<'_>) -> Over {
        Over::new(transaction, &[constraint.carrier], constraint.properties)
    }

    fn entity(&self) -> &'static str {
        if self.relationship { "RELATIONSHIP" } else { "NODE" }
    }

    /// `(n:A|B)` or `()-[r:T]-()`.
    fn pattern(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| quoted(name)).collect();
        let names = names.join("|");
        if self.relationship { format!("()-[r:{names}]-()") } else { format!("(n:{names})") }
    }

    /// `n.a, n.b`
    fn property_list(&self) -> String {
        let variable = if self.relationship { "r" } else { "n" };
        let list: Vec<String> = self.properties.iter().map(|key| format!("{variable}.{}", quoted(key))).collect();
        list.join(", ")
    }
}

fn text_values(names: &[Arc<str>]) -> Value {
    Value::list(names.iter().cloned().map(Value::Text).collect())
}

/// The settings of an index, by the names that CREATE INDEX knows them under.
fn index_config(index: &IndexDef) -> Vec<(&'static str, Value)> {
    match &index.kind {
        IndexKind::Ordered { .. } => Vec::new(),
        IndexKind::FullText { analyzer } => vec![("fulltext.analyzer", Value::text(analyzer.as_str()))],
        IndexKind::Vector(options) => {
            let similarity = match options.metric {
                VectorMetric::Cosine => "cosine",
                VectorMetric::Euclidean => "euclidean",
                VectorMetric::InnerProduct => "inner product",
            };
            let mut config = vec![
                ("vector.dimensions", Value::Int(i64::from(options.dimension_count))),
                ("vector.similarity_function", Value::text(similarity)),
                ("vector.hnsw.m", Value::Int(i64::from(options.connections))),
                ("vector.hnsw.ef_construction", Value::Int(i64::from(options.construction_width))),
            ];
            config.extend(options.embedder.as_ref().map(|name| ("vector.embedder", Value::text(name.as_str()))));
            config
        }
    }
}

fn index_options(index: &IndexDef, provider: &str) -> Value {
    let map = |entries: Vec<(&'static str, Value)>| {
        let entries: BTreeMap<Arc<str>, Value> = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Value::Map(Arc::new(entries))
    };
    map(vec![("indexConfig", map(index_config(index))), ("indexProvider", Value::text(provider))])
}

/// The statement that makes such an index.
fn index_statement(index: &IndexDef, over: &Over) -> String {
    let (name, pattern, properties) = (quoted(&index.name), over.pattern(), over.property_list());
    let config: Vec<String> = index_config(index)
        .into_iter()
        .map(|(key, value)| match value {
            Value::Text(text) => format!("`{key}`: '{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            Value::Int(number) => format!("`{key}`: {number}"),
            _ => format!("`{key}`: null"),
        })
        .collect();
    let options = format!("OPTIONS {{indexConfig: {{{}}}}}", config.join(", "));
    match &index.kind {
        IndexKind::Ordered { .. } => format!("CREATE RANGE INDEX {name} FOR {pattern} ON ({properties})"),
        IndexKind::FullText { .. } => {
            format!("CREATE FULLTEXT INDEX {name} FOR {pattern} ON EACH [{properties}] {options}")
        }
        IndexKind::Vector(_) => format!("CREATE VECTOR INDEX {name} FOR {pattern} ON ({properties}) {options}"),
    }
}

/// The statement that makes such a constraint.
fn constraint_statement(transaction: &Transaction, constraint: &GraphConstraint<'_>) -> String {
    let over = Over::constraint(transaction, constraint);
    let requirement = match constraint.kind {
        GraphConstraintKind::Unique => "IS UNIQUE".to_owned(),
        GraphConstraintKind::Key if over.relationship => "IS RELATIONSHIP KEY".to_owned(),
        GraphConstraintKind::Key => "IS NODE KEY".to_owned(),
        GraphConstraintKind::Exists => "IS NOT NULL".to_owned(),
        GraphConstraintKind::Type(types) => format!("IS :: {types}"),
    };
    format!(
        "CREATE CONSTRAINT {} FOR {} REQUIRE ({}) {requirement}",
        quoted(constraint.name),
        over.pattern(),
        over.property_list()
    )
}
