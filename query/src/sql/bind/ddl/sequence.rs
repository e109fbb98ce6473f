//! CREATE, ALTER and DROP SEQUENCE, and the sequences behind serial and identity columns.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::{ColumnDef, IdentityKind, SequenceDef, SequenceOwner, SequenceValue, TableDef};
use sinew_storage::ids::RelationId;
use sqlparser::ast::{Expr as Ast, ObjectName, SequenceOptions, Spanned, UnaryOperator, Value as Literal};
use sqlparser::tokenizer::Span;

use super::super::Binder;
use super::super::identity::sequence_default;
use super::super::names::Relation;
use super::super::stored_sequences::sequences_named;
use super::{Pending, unassigned};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::definition::{SequenceOption, SequenceOptionKind as Kind};
use crate::statement::{Ddl, NewSequence, SequencePosition};
use crate::types::type_name;

/// Options of a sequence, each given once at most.
#[derive(Default)]
pub struct SequenceSettings {
    ty: Option<(DataType, Span)>,
    increment: Option<(i64, Span)>,
    /// NO MINVALUE is None within.
    min_value: Option<(Option<i64>, Span)>,
    max_value: Option<(Option<i64>, Span)>,
    start: Option<(i64, Span)>,
    restart: Option<(Option<i64>, Span)>,
    cache: Option<(i64, Span)>,
    cycle: Option<(bool, Span)>,
    owner: Option<(Option<ObjectName>, Span)>,
    name: Option<(ObjectName, Span)>,
}

fn invalid(message: impl Into<String>) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

impl Binder<'_> {
    /// Gathers options; 42601 for one that is given twice.
    pub(super) fn sequence_settings(&self, options: &[SequenceOption]) -> Result<SequenceSettings> {
        let mut settings = SequenceSettings::default();
        for option in options {
            let span = option.span;
            let is_first = match &option.kind {
                Kind::As(ty) => {
                    let ty = self.data_type(ty, span)?;
                    settings.ty.replace((ty, span)).is_none()
                }
                Kind::Increment(by) => settings.increment.replace((*by, span)).is_none(),
                Kind::MinValue(value) => settings.min_value.replace((*value, span)).is_none(),
                Kind::MaxValue(value) => settings.max_value.replace((*value, span)).is_none(),
                Kind::Start(value) => settings.start.replace((*value, span)).is_none(),
                Kind::Restart(value) => settings.restart.replace((*value, span)).is_none(),
                Kind::Cache(count) => settings.cache.replace((*count, span)).is_none(),
                Kind::Cycle(cycle) => settings.cycle.replace((*cycle, span)).is_none(),
                Kind::OwnedBy(owner) => settings.owner.replace((owner.clone(), span)).is_none(),
                Kind::Name(name) => settings.name.replace((name.clone(), span)).is_none(),
            };
            if !is_first {
                return Err(QueryError::syntax("conflicting or redundant options", self.at(span)));
            }
        }
        Ok(settings)
    }

    /// The options of an identity column, as the parser reads them.
    pub(super) fn identity_settings(&self, options: &[SequenceOptions], span: Span) -> Result<SequenceSettings> {
        let mut list = Vec::with_capacity(options.len());
        for option in options {
            let number = |value: &Ast| self.sequence_number(value, span);
            let kind = match option {
                SequenceOptions::IncrementBy(value, _) => Kind::Increment(number(value)?),
                SequenceOptions::MinValue(value) => Kind::MinValue(value.as_ref().map(number).transpose()?),
                SequenceOptions::MaxValue(value) => Kind::MaxValue(value.as_ref().map(number).transpose()?),
                SequenceOptions::StartWith(value, _) => Kind::Start(number(value)?),
                SequenceOptions::Cache(value) => Kind::Cache(number(value)?),
                // The parser has NO CYCLE for true.
                SequenceOptions::Cycle(no) => Kind::Cycle(!no),
            };
            list.push(SequenceOption { kind, span });
        }
        self.sequence_settings(&list)
    }

    fn sequence_number(&self, value: &Ast, span: Span) -> Result<i64> {
        let text = match value {
            Ast::UnaryOp { op: UnaryOperator::Minus, expr } => format!("-{expr}"),
            Ast::UnaryOp { op: UnaryOperator::Plus, expr } => expr.to_string(),
            other => other.to_string(),
        };
        text.parse().map_err(|_| match value {
            Ast::Value(literal) if !matches!(literal.value, Literal::Number(..)) => {
                QueryError::syntax(format!("syntax error at or near \"{text}\""), self.at(span))
            }
            _ => QueryError::new(
                sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
                format!("value \"{text}\" is out of range for type bigint"),
            )
            .at(self.at(span)),
        })
    }

    /// Applies options as PostgreSQL's init_params does: what is not said stays, or for a new sequence is the default.
    /// Where it restarts, if it was told to.
    pub(super) fn apply_sequence_settings(
        &self,
        def: &mut SequenceDef,
        settings: &SequenceSettings,
        is_new: bool,
        is_identity: bool,
    ) -> Result<Option<i64>> {
        if let Some((_, span)) = &settings.name
            && !(is_identity && is_new)
        {
            return Err(QueryError::syntax("invalid sequence option SEQUENCE NAME", self.at(*span)));
        }
        let (mut reset_min, mut reset_max) = (is_new, is_new);
        if let Some((ty, span)) = &settings.ty {
            if !matches!(ty, DataType::Int2 | DataType::Int4 | DataType::Int8) {
                let what = if is_identity { "identity column" } else { "sequence" };
                return Err(invalid(format!("{what} type must be smallint, integer, or bigint")).at(self.at(*span)));
            }
            let (old_least, old_greatest) = SequenceDef::range_of(&def.ty);
            // Limits that were the old type's become the new one's.
            reset_max |= def.max_value == old_greatest;
            reset_min |= def.min_value == old_least;
            def.ty = ty.clone();
        }
        if let Some((increment, span)) = settings.increment {
            if increment == 0 {
                return Err(invalid("INCREMENT must not be zero").at(self.at(span)));
            }
            def.increment = increment;
        }
        if let Some((cycle, _)) = settings.cycle {
            def.cycle = cycle;
        }
        let (least, greatest) = SequenceDef::range_of(&def.ty);
        let ascending = def.increment > 0;
        match settings.max_value {
            Some((Some(value), _)) => def.max_value = value,
            Some((None, _)) => def.max_value = if ascending { greatest } else { -1 },
            None if reset_max => def.max_value = if ascending { greatest } else { -1 },
            None => {}
        }
        match settings.min_value {
            Some((Some(value), _)) => def.min_value = value,
            Some((None, _)) => def.min_value = if ascending { 1 } else { least },
            None if reset_min => def.min_value = if ascending { 1 } else { least },
            None => {}
        }
        for (word, value, given) in [
            ("MAXVALUE", def.max_value, settings.max_value.map(|(_, span)| span)),
            ("MINVALUE", def.min_value, settings.min_value.map(|(_, span)| span)),
        ] {
            if !(least..=greatest).contains(&value) {
                let ty = type_name(&def.ty);
                return Err(invalid(format!("{word} ({value}) is out of range for sequence data type {ty}"))
                    .at(given.and_then(|span| self.at(span))));
            }
        }
        if def.min_value >= def.max_value {
            return Err(invalid(format!(
                "MINVALUE ({}) must be less than MAXVALUE ({})",
                def.min_value, def.max_value
            )));
        }
        match settings.start {
            Some((start, _)) => def.start = start,
            None if is_new => def.start = if ascending { def.min_value } else { def.max_value },
            None => {}
        }
        let within = |word: &str, value: i64| {
            if value < def.min_value {
                return Err(invalid(format!(
                    "{word} value ({value}) cannot be less than MINVALUE ({})",
                    def.min_value
                )));
            }
            if value > def.max_value {
                return Err(invalid(format!(
                    "{word} value ({value}) cannot be greater than MAXVALUE ({})",
                    def.max_value
                )));
            }
            Ok(())
        };
        within("START", def.start)?;
        let restart = settings.restart.map(|(value, _)| value.unwrap_or(def.start));
        if let Some(value) = restart {
            within("RESTART", value)?;
        }
        if let Some((cache, span)) = settings.cache {
            if cache <= 0 {
                return Err(invalid(format!("CACHE ({cache}) must be greater than zero")).at(self.at(span)));
            }
            def.cache = cache;
        }
        if is_new {
            let last_value = restart.unwrap_or(def.start);
            def.initial = SequenceValue { last_value, is_called: false };
        }
        Ok(restart)
    }

    pub(super) fn create_sequence(
        &mut self,
        temporary: bool,
        if_not_exists: bool,
        name: &ObjectName,
        options: &[SequenceOption],
    ) -> Result<Vec<Ddl>> {
        let span = name.span();
        let settings = self.sequence_settings(options)?;
        if let Some((_, span)) = settings.restart {
            return Err(QueryError::syntax("syntax error at or near \"RESTART\"", self.at(span)));
        }
        let qualified = self.qualified_name(name)?;
        let schema = self.creation_schema_of(&qualified, temporary, span)?;
        if self.catalog.relation_id(&schema, &qualified.name).is_some() {
            if if_not_exists {
                let notice = Some(format!("relation \"{}\" already exists, skipping", qualified.name));
                return Ok(vec![Ddl::Nothing { tag: "CREATE SEQUENCE", notice }]);
            }
            return Err(self.relation_exists(&qualified.name, span));
        }
        let mut def = SequenceDef::ascending(unassigned(), &schema, &qualified.name, DataType::Int8);
        self.apply_sequence_settings(&mut def, &settings, true, false)?;
        if let Some((Some(owner), span)) = &settings.owner {
            def.owner = Some(self.sequence_owner(&def, owner, *span)?);
        }
        Ok(vec![Ddl::CreateSequence { sequence: def }])
    }

    pub(super) fn alter_sequence(
        &mut self,
        if_exists: bool,
        name: &ObjectName,
        options: &[SequenceOption],
    ) -> Result<Vec<Ddl>> {
        const TAG: &str = "ALTER SEQUENCE";
        let span = name.span();
        let qualified = self.qualified_name(name)?;
        if if_exists && self.find_relation(&qualified).is_none() {
            let notice = Some(format!("relation \"{qualified}\" does not exist, skipping"));
            return Ok(vec![Ddl::Nothing { tag: TAG, notice }]);
        }
        let sequence = self.target_sequence(name)?;
        let settings = self.sequence_settings(options)?;
        let mut def = SequenceDef::clone(&sequence);
        let restart = self.apply_sequence_settings(&mut def, &settings, false, false)?;
        if let Some((owner, owner_span)) = &settings.owner {
            if let Some(owner) = sequence.owner.filter(|owner| owner.is_identity) {
                let table = self.catalog.tables.get(&owner.table).map(|table| table.name.clone()).unwrap_or_default();
                return Err(QueryError::unsupported_as("cannot change ownership of identity sequence")
                    .detail(format!("Sequence \"{}\" is linked to table \"{table}\".", sequence.name))
                    .at(self.at(span)));
            }
            def.owner = match owner {
                Some(owner) => Some(self.sequence_owner(&def, owner, *owner_span)?),
                None => None,
            };
        }
        // Only the owner changes: nobody has to wait for that.
        let only_owner = SequenceDef { owner: sequence.owner, ..def.clone() } == *sequence && restart.is_none();
        let position = match restart {
            Some(value) => SequencePosition::At(value),
            None if only_owner => SequencePosition::Unchanged,
            None => SequencePosition::Checked,
        };
        Ok(vec![Ddl::AlterSequence { sequence: def, position, tag: TAG }])
    }

    /// `OWNED BY table.column`.
    fn sequence_owner(&self, sequence: &SequenceDef, owner: &ObjectName, span: Span) -> Result<SequenceOwner> {
        let mut parts = owner.0.clone();
        let column = parts.pop().and_then(|part| part.as_ident().cloned());
        let (Some(column), false) = (column, parts.is_empty()) else {
            return Err(QueryError::syntax("invalid OWNED BY option", self.at(span))
                .hint("Specify OWNED BY table.column or OWNED BY NONE."));
        };
        let table = self.target_table(&ObjectName(parts))?;
        if table.schema != sequence.schema {
            return Err(QueryError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "sequence must be in same schema as table it is linked to",
            )
            .at(self.at(span)));
        }
        let position = self.table_column(&table, &column)?;
        Ok(SequenceOwner { table: table.id, column: table.columns[position].id, is_identity: false })
    }

    /// 42P01, 42809 when it is something else.
    pub(super) fn target_sequence(&self, name: &ObjectName) -> Result<Arc<SequenceDef>> {
        let qualified = self.qualified_name(name)?;
        match self.find_relation(&qualified) {
            Some(Relation::Sequence(sequence)) => Ok(sequence),
            Some(_) => {
                Err(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, format!("\"{}\" is not a sequence", qualified.name))
                    .at(self.at(name.span())))
            }
            None => Err(self.missing_relation(&qualified, name.span())),
        }
    }

    /// DROP SEQUENCE: its owner goes on without, defaults that need it are in the way or, with CASCADE, go too.
    pub(super) fn drop_sequence(&self, sequence: &SequenceDef, cascade: bool, ddl: &mut Vec<Ddl>) -> Result<()> {
        if let Some(owner) = sequence.owner.filter(|owner| owner.is_identity)
            && let Some(table) = self.catalog.tables.get(&owner.table)
            && let Some(position) = table.position_of(owner.column)
        {
            let column = &table.columns[position].name;
            return Err(QueryError::new(
                sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                format!(
                    "cannot drop sequence {} because column {column} of table {} requires it",
                    sequence.name, table.name
                ),
            )
            .hint(format!("You can drop column {column} of table {} instead.", table.name)));
        }
        let users = self.sequence_users(sequence.id, &[]);
        if users.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = users
            .iter()
            .map(|(table, column)| format!("default value for column {column} of table {}", table.name))
            .collect();
        if !cascade {
            let detail: Vec<String> =
                lines.iter().map(|line| format!("{line} depends on sequence {}", sequence.name)).collect();
            return Err(QueryError::new(
                sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop sequence {} because other objects depend on it", sequence.name),
            )
            .detail(detail.join("\n"))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        for ((table, column), line) in users.iter().zip(lines) {
            ddl.push(Ddl::DropDefault { table: table.id, column: column.clone() });
            ddl.push(Ddl::Nothing { tag: "DROP SEQUENCE", notice: Some(format!("drop cascades to {line}")) });
        }
        Ok(())
    }

    /// Columns whose default takes numbers of a sequence, of tables that are not in `without`.
    pub(super) fn sequence_users(&self, sequence: RelationId, without: &[RelationId]) -> Vec<(Arc<TableDef>, String)> {
        let mut users = Vec::new();
        for table in self.catalog.tables.values().filter(|table| !without.contains(&table.id)) {
            for column in &table.columns {
                if let Some(default) = &column.default
                    && sequences_named(&default.expression, &self.catalog).contains(&sequence)
                {
                    users.push((Arc::clone(table), column.name.clone()));
                }
            }
        }
        users
    }

    /// A sequence of a column's own, named after table and column as PostgreSQL names it, to be made with the column, whose
    /// default it is.
    pub(super) fn column_sequence(
        &self,
        table: &TableDef,
        column: &mut ColumnDef,
        identity: Option<(IdentityKind, &SequenceSettings)>,
        pending: &mut Pending,
    ) -> Result<()> {
        let taken = pending.names(Some(table));
        let name = match identity.and_then(|(_, settings)| settings.name.as_ref()) {
            Some((name, span)) => self.sequence_name(table, name, *span, &taken)?,
            None => self.free_relation_name(&table.schema, &[&table.name, &column.name], "seq", &taken),
        };
        let mut def = SequenceDef::ascending(unassigned(), &table.schema, &name, column.ty.clone());
        if let Some((_, settings)) = identity {
            self.apply_sequence_settings(&mut def, settings, true, true)?;
        }
        column.default = Some(sequence_default(&table.schema, &name));
        pending.sequences.push(NewSequence { def, column: column.id, is_identity: identity.is_some() });
        Ok(())
    }

    /// The name that SEQUENCE NAME gives, in the table's schema. 42P07, 55000.
    fn sequence_name(&self, table: &TableDef, name: &ObjectName, span: Span, taken: &[String]) -> Result<String> {
        let qualified = self.qualified_name(name)?;
        if qualified.schema.is_some_and(|schema| schema != table.schema) {
            return Err(QueryError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "sequence must be in same schema as table it is linked to",
            )
            .at(self.at(span)));
        }
        if taken.contains(&qualified.name) || self.catalog.relation_id(&table.schema, &qualified.name).is_some() {
            return Err(self.relation_exists(&qualified.name, span));
        }
        Ok(qualified.name)
    }

    /// 42P07.
    pub(super) fn relation_exists(&self, name: &str, span: Span) -> QueryError {
        QueryError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")).at(self.at(span))
    }
}
