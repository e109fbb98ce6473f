//! Index commands, DROP.

use sinew_storage::RelationId;
use sinew_storage::catalog::{ConstraintKind, IndexDef, IndexKind, IndexTarget, VectorIndexOptions, VectorMetric};

use sinew_storage::ddl::MAX_NAME_BYTES;

use super::*;
use crate::error::sqlstate;
use crate::statement::Ddl;
use ast::{ExprKind, IndexCommandKind, Name, SchemaCommand};

/// Indexes and constraints of the graph live here.
pub(super) const GRAPH_SCHEMA: &str = "sinew";

impl Binder<'_> {
    pub(super) fn schema_command(mut self, command: &SchemaCommand) -> Result<BoundStatement> {
        let ddl = match command {
            SchemaCommand::Show(command) => return self.show(command),
            SchemaCommand::CreateIndex { name, if_not_exists, relationship, labels, properties, kind } => {
                let name = self.index_name(name.as_ref(), labels, properties, "idx");
                let kind = self.index_kind(kind)?;
                self.check_shape(&kind, labels, properties)?;
                let target = self.target(*relationship, labels, properties)?;
                Ddl::CreateIndex { index: index_over(name, target, kind, None), if_not_exists: *if_not_exists }
            }
            SchemaCommand::CreateConstraint { name, if_not_exists, relationship, label, properties, rule } => {
                let constraint = self.constraint(name.as_ref(), *relationship, label, properties, rule)?;
                Ddl::CreateGraphConstraint { constraint, if_not_exists: *if_not_exists }
            }
            SchemaCommand::DropIndex { name, if_exists } => self.drop_index(name, *if_exists)?,
            SchemaCommand::DropConstraint { name, if_exists } => self.drop_constraint(name, *if_exists)?,
        };
        Ok(BoundStatement::Ddl(vec![ddl]))
    }

    /// The given name, or `label_property_suffix` with a number when taken.
    pub(super) fn index_name(&self, name: Option<&Name>, labels: &[Name], properties: &[Name], suffix: &str) -> String {
        if let Some(name) = name {
            return name.text.to_string();
        }
        let parts: Vec<String> = labels.iter().chain(properties).map(|part| part.text.to_lowercase()).collect();
        let mut base = parts.join("_");
        // With room for the suffix and a number.
        let longest = MAX_NAME_BYTES - suffix.len() - 6;
        while base.len() > longest {
            base.pop();
        }
        let catalog = self.context.transaction.catalog();
        let mut candidate = format!("{base}_{suffix}");
        let mut number = 1;
        while catalog.relation_id(GRAPH_SCHEMA, &candidate).is_some()
            || catalog.graph_constraint(GRAPH_SCHEMA, &candidate).is_some()
        {
            candidate = format!("{base}_{suffix}{number}");
            number += 1;
        }
        candidate
    }

    fn check_shape(&self, kind: &IndexKind, labels: &[Name], properties: &[Name]) -> Result<()> {
        let single = !matches!(kind, IndexKind::FullText { .. });
        if single && labels.len() > 1 {
            return Err(self.syntax("UnexpectedSyntax", "only a full-text index spans several labels", labels[1].span));
        }
        if matches!(kind, IndexKind::Vector(_)) && properties.len() > 1 {
            return Err(self.syntax("UnexpectedSyntax", "a vector index is over one property", properties[1].span));
        }
        Ok(())
    }

    pub(super) fn target(&self, relationship: bool, names: &[Name], properties: &[Name]) -> Result<IndexTarget> {
        let transaction = self.context.transaction;
        let properties = properties
            .iter()
            .map(|property| transaction.ensure_property_key(&property.text))
            .collect::<Result<Vec<_>, _>>()?;
        if relationship {
            let types = names
                .iter()
                .map(|name| transaction.ensure_relationship_type(&name.text))
                .collect::<Result<Vec<_>, _>>()?;
            return Ok(IndexTarget::Relationships { types, properties });
        }
        let labels = names.iter().map(|name| transaction.ensure_label(&name.text)).collect::<Result<Vec<_>, _>>()?;
        Ok(IndexTarget::Nodes { labels, properties })
    }

    fn index_kind(&mut self, kind: &IndexCommandKind) -> Result<IndexKind> {
        match kind {
            IndexCommandKind::Ordered => Ok(IndexKind::Ordered { unique: false }),
            IndexCommandKind::FullText { options } => {
                let mut analyzer = "english".to_owned();
                for (key, value, span) in self.index_config(options.as_ref())? {
                    match (&*key, value) {
                        ("fulltext.analyzer", Value::Text(name)) => analyzer = name.to_string(),
                        // Search always sees its snapshot.
                        ("fulltext.eventually_consistent", Value::Bool(false)) => {}
                        (key, _) => return Err(self.unknown_option(key, span)),
                    }
                }
                Ok(IndexKind::FullText { analyzer })
            }
            IndexCommandKind::Vector { options } => self.vector_options(options.as_ref()).map(IndexKind::Vector),
        }
    }

    fn vector_options(&mut self, options: Option<&ast::Expr>) -> Result<VectorIndexOptions> {
        let mut dimension_count = None;
        let mut vector = VectorIndexOptions {
            metric: VectorMetric::Cosine,
            dimension_count: 0,
            embedder: None,
            connections: 16,
            construction_width: 100,
        };
        for (key, value, span) in self.index_config(options)? {
            let small = |value: &Value| value.as_int().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
            match (&*key, &value) {
                ("vector.dimensions", Value::Int(count)) => {
                    dimension_count = u32::try_from(*count).ok().filter(|count| (1..=16_000).contains(count));
                    if dimension_count.is_none() {
                        let message = format!("vector.dimensions must be from 1 to 16000, got {count}");
                        return Err(self.at(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message), span));
                    }
                }
                ("vector.similarity_function", Value::Text(name)) => {
                    vector.metric = match name.to_lowercase().as_str() {
                        "cosine" => VectorMetric::Cosine,
                        "euclidean" => VectorMetric::Euclidean,
                        other => {
                            let message =
                                format!("vector.similarity_function must be 'cosine' or 'euclidean', got '{other}'");
                            return Err(self.at(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message), span));
                        }
                    }
                }
                ("vector.hnsw.m", value) if small(value).is_some() => {
                    vector.connections = small(value).unwrap_or(vector.connections);
                }
                ("vector.hnsw.ef_construction", value) if small(value).is_some() => {
                    vector.construction_width = small(value).unwrap_or(vector.construction_width);
                }
                ("vector.embedder", Value::Text(name)) => vector.embedder = Some(name.to_string()),
                (key, _) => return Err(self.unknown_option(key, span)),
            }
        }
        vector.dimension_count = dimension_count.ok_or_else(|| {
            let message = "a vector index needs OPTIONS {indexConfig: {`vector.dimensions`: n}}";
            QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
        })?;
        Ok(vector)
    }

    fn unknown_option(&self, key: &str, span: Span) -> QueryError {
        self.at(QueryError::unsupported(format!("index option \"{key}\" (or its value)")), span)
    }

    /// The entries of `OPTIONS {indexConfig: {…}}`, which are literals.
    fn index_config(&mut self, options: Option<&ast::Expr>) -> Result<Vec<(Arc<str>, Value, Span)>> {
        let Some(options) = options else { return Ok(Vec::new()) };
        let ExprKind::Map(entries) = &options.kind else { return Ok(Vec::new()) };
        let mut config = Vec::new();
        for (key, value) in entries {
            match (&**key, &value.kind) {
                ("indexConfig", ExprKind::Map(settings)) => {
                    for (key, setting) in settings {
                        match self.expr(setting)? {
                            Expr::Literal(literal, _) => config.push((key.clone(), literal, setting.span)),
                            _ => return Err(self.unknown_option(key, setting.span)),
                        }
                    }
                }
                (key, _) => return Err(self.unknown_option(key, value.span)),
            }
        }
        Ok(config)
    }

    fn drop_index(&self, name: &Name, if_exists: bool) -> Result<Ddl> {
        let catalog = self.context.transaction.catalog();
        let path = self.context.session.search_path();
        let schemas = std::iter::once(GRAPH_SCHEMA).chain(path.iter().map(String::as_str));
        let found = schemas
            .filter_map(|schema| catalog.index(schema, &name.text))
            .find(|index| !matches!(index.target, IndexTarget::Table { .. }));
        let is_constraint = |name: &str| catalog.constraints_of_graph().iter().any(|known| known.name == name);
        match found {
            Some(index) if index.constraint.is_some() => {
                let message = format!("cannot drop index \"{0}\" because constraint \"{0}\" requires it", index.name);
                let error = QueryError::new(sqlstate::DEPENDENT_OBJECTS_STILL_EXIST, message);
                Err(self.at(error.hint(format!("Use DROP CONSTRAINT {}.", shown_name(&index.name))), name.span))
            }
            Some(index) => Ok(Ddl::DropIndex { indexes: vec![(index.name.clone(), index.id)] }),
            None if if_exists => {
                let notice = Some(format!("index \"{}\" does not exist, skipping", name.text));
                Ok(Ddl::Nothing { tag: "DROP INDEX", notice })
            }
            None => {
                let error =
                    QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("index \"{}\" does not exist", name.text));
                let indexes = catalog.indexes.values().filter(|index| index.constraint.is_none());
                Err(self.at(
                    if is_constraint(&name.text) {
                        error.hint(format!("It is a constraint: use DROP CONSTRAINT {}.", shown_name(&name.text)))
                    } else {
                        near_hint(error, &name.text, indexes.map(|index| index.name.as_str()))
                    },
                    name.span,
                ))
            }
        }
    }

    fn drop_constraint(&self, name: &Name, if_exists: bool) -> Result<Ddl> {
        let catalog = self.context.transaction.catalog();
        let constraints = catalog.constraints_of_graph();
        if let Some(found) = constraints.iter().find(|known| known.name == &*name.text) {
            return Ok(Ddl::DropGraphConstraint { id: found.id });
        }
        if if_exists {
            let notice = Some(format!("constraint \"{}\" does not exist, skipping", name.text));
            return Ok(Ddl::Nothing { tag: "DROP CONSTRAINT", notice });
        }
        let error = QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("constraint \"{}\" does not exist", name.text));
        let error = if catalog.index(GRAPH_SCHEMA, &name.text).is_some() {
            error.hint(format!("It is an index: use DROP INDEX {}.", shown_name(&name.text)))
        } else {
            near_hint(error, &name.text, constraints.iter().map(|known| known.name))
        };
        Err(self.at(error, name.span))
    }
}

/// A definition whose id is not allocated yet.
pub(super) fn index_over(
    name: String,
    target: IndexTarget,
    kind: IndexKind,
    constraint: Option<ConstraintKind>,
) -> IndexDef {
    let (id, schema) = (RelationId(0), GRAPH_SCHEMA.to_owned());
    IndexDef { id, schema, name, target, kind, constraint, options: Default::default() }
}

fn near_hint<'n>(error: QueryError, name: &str, known: impl Iterator<Item = &'n str>) -> QueryError {
    match errors::near_miss(name, known) {
        Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
        None => error,
    }
}

/// As it is written in a statement.
fn shown_name(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_numeric());
    if plain && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

/// In backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
