//! Index and constraint commands, SHOW.

use sinew_storage::RelationId;
use sinew_storage::catalog::{ConstraintKind, IndexDef, IndexKind, IndexTarget, VectorIndexOptions, VectorMetric};

use super::*;
use crate::error::sqlstate;
use crate::statement::Ddl;
use ast::{ExprKind, IndexCommandKind, Name, SchemaCommand, ShowKind};

/// Graph indexes live here.
const SCHEMA: &str = "sinew";

impl Binder<'_> {
    pub(super) fn schema_command(mut self, command: &SchemaCommand) -> Result<BoundStatement> {
        let ddl = match command {
            SchemaCommand::Show(kind) => return self.show(*kind),
            SchemaCommand::CreateIndex { name, if_not_exists, relationship, labels, properties, kind } => {
                let name = self.index_name(name.as_ref(), labels, properties, "idx");
                let kind = self.index_kind(kind)?;
                self.check_shape(&kind, labels, properties)?;
                let target = self.target(*relationship, labels, properties)?;
                self.create_index(name, target, kind, None, *if_not_exists)
            }
            SchemaCommand::CreateConstraint { name, if_not_exists, label, properties } => {
                let labels = std::slice::from_ref(label);
                let name = self.index_name(name.as_ref(), labels, properties, "key");
                let target = self.target(false, labels, properties)?;
                let kind = IndexKind::Ordered { unique: true };
                self.create_index(name, target, kind, Some(ConstraintKind::Unique), *if_not_exists)
            }
            SchemaCommand::DropIndex { name, if_exists } => self.drop_index(name, *if_exists, false)?,
            SchemaCommand::DropConstraint { name, if_exists } => self.drop_index(name, *if_exists, true)?,
        };
        Ok(BoundStatement::Ddl(vec![ddl]))
    }

    fn create_index(
        &self,
        name: String,
        target: IndexTarget,
        kind: IndexKind,
        constraint: Option<ConstraintKind>,
        if_not_exists: bool,
    ) -> Ddl {
        let id = RelationId(0);
        let index =
            IndexDef { id, schema: SCHEMA.to_owned(), name, target, kind, constraint, options: Default::default() };
        Ddl::CreateIndex { index, if_not_exists }
    }

    /// The given name, or `label_property_idx` with a number when taken.
    fn index_name(&self, name: Option<&Name>, labels: &[Name], properties: &[Name], suffix: &str) -> String {
        if let Some(name) = name {
            return name.text.to_string();
        }
        let parts = labels.iter().chain(properties).map(|part| part.text.to_lowercase());
        let base = parts.chain([suffix.to_owned()]).collect::<Vec<_>>().join("_");
        let catalog = self.context.transaction.catalog();
        let mut candidate = base.clone();
        let mut number = 1;
        while catalog.relation_id(SCHEMA, &candidate).is_some() {
            candidate = format!("{base}{number}");
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

    fn target(&self, relationship: bool, names: &[Name], properties: &[Name]) -> Result<IndexTarget> {
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

    fn drop_index(&self, name: &Name, if_exists: bool, constraint: bool) -> Result<Ddl> {
        let catalog = self.context.transaction.catalog();
        let what = if constraint { "constraint" } else { "index" };
        let path = self.context.session.search_path();
        let schemas = std::iter::once(SCHEMA).chain(path.iter().map(String::as_str));
        let found = schemas.filter_map(|schema| catalog.index(schema, &name.text)).find(|index| {
            let over_graph = !matches!(index.target, IndexTarget::Table { .. });
            over_graph && constraint == index.constraint.is_some()
        });
        if let Some(index) = found {
            return Ok(Ddl::DropIndex { indexes: vec![(index.name.clone(), index.id)] });
        }
        if if_exists {
            let tag = if constraint { "DROP CONSTRAINT" } else { "DROP INDEX" };
            let notice = Some(format!("{what} \"{}\" does not exist, skipping", name.text));
            return Ok(Ddl::Nothing { tag, notice });
        }
        let error = QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("{what} \"{}\" does not exist", name.text));
        let names: Vec<&str> = catalog.indexes.values().map(|index| index.name.as_str()).collect();
        let error = match errors::near_miss(&name.text, names) {
            Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
            None => error,
        };
        Err(self.at(error, name.span))
    }

    fn show(mut self, kind: ShowKind) -> Result<BoundStatement> {
        let (names, rows): (&[&str], Vec<Vec<Value>>) = match kind {
            ShowKind::Indexes => (
                &["name", "type", "entityType", "labelsOrTypes", "properties", "owningConstraint"],
                self.index_rows(false),
            ),
            ShowKind::Constraints => (&["name", "type", "entityType", "labelsOrTypes", "properties"], {
                let rows = self.index_rows(true);
                rows.into_iter().map(|row| row[..5].to_vec()).collect()
            }),
            ShowKind::Functions => (&["name", "aggregating"], {
                let names = functions::function_names().into_iter();
                names.map(|(name, aggregating)| vec![Value::text(name), Value::Bool(aggregating)]).collect()
            }),
            ShowKind::Procedures => (&["name", "writes"], self.procedure_rows()),
        };
        let mut columns = Columns::new();
        for name in names {
            let ty = match *name {
                "labelsOrTypes" | "properties" => DataType::array_of(DataType::Text),
                "aggregating" | "writes" => DataType::Bool,
                _ => DataType::Text,
            };
            let name: Arc<str> = (*name).into();
            columns.push((name.clone(), self.new_var(&name, ty)));
        }
        let typed = |row: Vec<Value>| {
            row.into_iter()
                .zip(&columns)
                .map(|(value, (_, var))| Expr::Literal(value, self.vars.ty(*var).clone()))
                .collect()
        };
        let rows = rows.into_iter().map(typed).collect();
        let plan = Plan::Values { rows, output: columns.iter().map(|(_, var)| *var).collect() };
        Ok(BoundStatement::Query(self.finish(plan, columns, QueryKind::CypherRead)))
    }

    fn index_rows(&self, constraints: bool) -> Vec<Vec<Value>> {
        let transaction = self.context.transaction;
        let catalog = transaction.catalog();
        let mut rows = Vec::new();
        for index in catalog.indexes.values() {
            if constraints && index.constraint.is_none() {
                continue;
            }
            let (entity, names, properties) = match &index.target {
                IndexTarget::Table { .. } => continue,
                IndexTarget::Nodes { labels, properties } => {
                    let names: Vec<Value> =
                        labels.iter().map(|label| Value::Text(transaction.label_name(*label))).collect();
                    ("NODE", names, properties)
                }
                IndexTarget::Relationships { types, properties } => {
                    let names: Vec<Value> =
                        types.iter().map(|ty| Value::Text(transaction.relationship_type_name(*ty))).collect();
                    ("RELATIONSHIP", names, properties)
                }
            };
            let properties = properties.iter().map(|key| Value::Text(transaction.property_key_name(*key))).collect();
            let kind = match (&index.kind, constraints) {
                (_, true) => "UNIQUENESS",
                (IndexKind::Ordered { .. }, _) => "RANGE",
                (IndexKind::FullText { .. }, _) => "FULLTEXT",
                (IndexKind::Vector(_), _) => "VECTOR",
            };
            let owner = if index.constraint.is_some() { Value::text(index.name.as_str()) } else { Value::Null };
            rows.push(vec![
                Value::text(index.name.as_str()),
                Value::text(kind),
                Value::text(entity),
                Value::list(names),
                Value::list(properties),
                owner,
            ]);
        }
        rows
    }

    fn procedure_rows(&self) -> Vec<Vec<Value>> {
        let registry = &self.context.session.functions;
        let mut names = registry.table_function_names();
        names.sort_unstable();
        let row = |name: String| {
            let writes = registry.table_function(&name).is_some_and(|procedure| procedure.writes());
            vec![Value::text(name), Value::Bool(writes)]
        };
        names.into_iter().map(row).collect()
    }
}
