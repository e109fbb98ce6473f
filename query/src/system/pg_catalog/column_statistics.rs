//! What ANALYZE found out: `pg_statistic` and its readable form `pg_stats`.

use sinew_storage::Value;
use sinew_storage::catalog::{ColumnStatistics, StatisticsValue, TableDef};

use super::{NULL, Row, Rows, SystemRelation, row, table, view};
use crate::context::{EvalContext, ExecContext};
use crate::error::Result;
use crate::types;

pub(super) static RELATIONS: &[SystemRelation] = &[
    table(
        "pg_statistic",
        "starelid oid, staattnum int2, stainherit bool, stanullfrac float4, stawidth int4, stadistinct float4",
        statistic,
    ),
    view(
        "pg_stats",
        "schemaname name, tablename name, attname name, inherited bool, null_frac float4, avg_width int4, \
         n_distinct float4, most_common_vals anyarray, most_common_freqs float4[], histogram_bounds anyarray, \
         correlation float4, most_common_elems anyarray, most_common_elem_freqs float4[], \
         elem_count_histogram float4[]",
        stats,
    ),
];

/// A row of each analyzed column that still has the type it was analyzed with.
fn for_each(
    context: &ExecContext,
    make: impl Fn(&TableDef, usize, &ColumnStatistics) -> Result<Row>,
) -> Result<Vec<Row>> {
    let catalog = context.transaction.catalog();
    let mut rows = Vec::new();
    for statistics in catalog.statistics.values() {
        context.cancel.check()?;
        let Some(table) = catalog.tables.get(&statistics.table) else { continue };
        for (position, column) in table.columns.iter().enumerate() {
            if let Some(known) = statistics.column(column) {
                rows.push(make(table, position, known)?);
            }
        }
    }
    Ok(rows)
}

/// As a float4 holds it.
fn single(number: f64) -> Value {
    Value::Float(f64::from(number as f32))
}

fn statistic(context: &ExecContext) -> Rows {
    for_each(context, |table, position, known| {
        Ok(row![
            table.id.0,
            i64::from(table.columns[position].id.0),
            false,
            single(known.null_fraction),
            i64::from(known.average_width),
            single(known.distinct),
        ])
    })
}

fn stats(context: &ExecContext) -> Rows {
    let evaluation = EvalContext::new(context);
    for_each(context, |table, position, known| {
        let values = |values: &mut dyn Iterator<Item = &StatisticsValue>| -> Result<Value> {
            let texts = values.map(|value| Ok(Value::from(types::to_text(&evaluation, &value.value()?, &known.ty)?)));
            let texts: Vec<Value> = texts.collect::<Result<_>>()?;
            Ok(if texts.is_empty() { NULL } else { Value::List(texts.into()) })
        };
        let shares: Vec<Value> = known.most_common.iter().map(|(_, share)| single(*share)).collect();
        Ok(row![
            &table.schema,
            &table.name,
            &table.columns[position].name,
            false,
            single(known.null_fraction),
            i64::from(known.average_width),
            single(known.distinct),
            values(&mut known.most_common.iter().map(|(value, _)| value))?,
            if shares.is_empty() { NULL } else { Value::List(shares.into()) },
            values(&mut known.histogram.iter())?,
            known.correlation.map_or(NULL, single),
            NULL,
            NULL,
            NULL,
        ])
    })
}
