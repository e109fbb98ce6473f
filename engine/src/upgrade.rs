//! Definitions of earlier versions, brought to their present form when a database is opened.

use sinew_query::Result;
use sinew_query::sql::sequence_default;
use sinew_storage::catalog::{Catalog, IdentityKind, SequenceDef, SequenceOwner, SequenceValue, TableDef};

use crate::Database;

/// How identity columns GENERATED ALWAYS were told from others.
const ALWAYS_MARK: &str = " /* GENERATED ALWAYS AS IDENTITY */";
const COUNTER_START: &str = "nextval('";

/// Serial and identity columns had a counter that only their default named; now they have a sequence.
pub(crate) fn run(database: &Database) -> Result<()> {
    let has_counters = |table: &TableDef| {
        table
            .columns
            .iter()
            .any(|column| column.default.as_ref().is_some_and(|default| counter_of(&default.expression).is_some()))
    };
    if !database.store().catalog().tables.values().any(|table| has_counters(table)) {
        return Ok(());
    }
    let transaction = database.store().begin(Default::default());
    transaction.begin_statement()?;
    for table in transaction.catalog().tables.values().filter(|table| has_counters(table)) {
        let mut changed = TableDef::clone(table);
        for column in &mut changed.columns {
            let Some(default) = &mut column.default else { continue };
            let Some((counter, always)) = counter_of(&default.expression) else { continue };
            let last_value = transaction.next_counter(&counter)?;
            let name = free_name(&transaction.catalog(), &table.schema, &format!("{}_{}_seq", table.name, column.name));
            let mut sequence =
                SequenceDef::ascending(transaction.allocate_relation_id()?, &table.schema, &name, column.ty.clone());
            sequence.initial = SequenceValue { last_value, is_called: false };
            sequence.owner = Some(SequenceOwner { table: table.id, column: column.id, is_identity: always });
            transaction.create_sequence(sequence)?;
            default.expression = sequence_default(&table.schema, &name).expression;
            if always {
                column.identity = Some(IdentityKind::Always);
            }
        }
        transaction.alter_table(changed)?;
    }
    transaction.finish_statement()?;
    transaction.commit()?;
    Ok(())
}

/// The counter of an old default, and whether it was GENERATED ALWAYS.
fn counter_of(expression: &str) -> Option<(String, bool)> {
    let (text, always) = match expression.strip_suffix(ALWAYS_MARK) {
        Some(text) => (text, true),
        None => (expression, false),
    };
    Some((text.strip_prefix(COUNTER_START)?.strip_suffix("')")?.replace("''", "'"), always))
}

fn free_name(catalog: &Catalog, schema: &str, wanted: &str) -> String {
    let mut end = wanted.len().min(sinew_storage::ddl::MAX_NAME_BYTES - 4);
    while !wanted.is_char_boundary(end) {
        end -= 1;
    }
    let base = if wanted.len() <= sinew_storage::ddl::MAX_NAME_BYTES { wanted } else { &wanted[..end] };
    let mut name = base.to_owned();
    let mut number = 0u32;
    while catalog.relation_id(schema, &name).is_some() {
        number += 1;
        name = format!("{}{number}", &wanted[..end]);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_defaults_are_recognised() {
        assert_eq!(counter_of("nextval('public.t_a_seq')"), Some(("public.t_a_seq".to_owned(), false)));
        assert_eq!(
            counter_of("nextval('public.t_a_seq') /* GENERATED ALWAYS AS IDENTITY */"),
            Some(("public.t_a_seq".to_owned(), true))
        );
        assert_eq!(counter_of("nextval('public.t_a_seq'::regclass)"), None);
        assert_eq!(counter_of("1"), None);
    }
}
