//! Procedures that scenarios ask for: `name(in :: TYPE?, …) :: (out :: TYPE?, …)` over a table of rows.

use sinew_query::context::ExecContext;
use sinew_query::cypher::functions::equivalent;
use sinew_query::functions::{Param, TableFunction};
use sinew_query::{Batch, Column, Result, RowStream};
use sinew_storage::{DataType, Value};

use super::notation;

#[derive(Debug)]
pub struct TckProcedure {
    name: String,
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
    /// Inputs, then outputs.
    rows: Vec<Vec<Value>>,
}

fn data_type(name: &str) -> std::result::Result<DataType, String> {
    match name.trim().trim_end_matches('?') {
        "INTEGER" => Ok(DataType::Int8),
        "FLOAT" => Ok(DataType::Float8),
        "NUMBER" => Ok(DataType::Numeric(None)),
        "STRING" => Ok(DataType::Text),
        other => Err(format!("unknown type {other} of a procedure")),
    }
}

/// `a :: TYPE?, b :: TYPE?`, possibly empty.
fn fields(text: &str) -> std::result::Result<Vec<(String, DataType)>, String> {
    let field = |field: &str| {
        let (name, ty) = field.split_once("::").ok_or(format!("malformed field {field}"))?;
        Ok((name.trim().to_owned(), data_type(ty)?))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(field).collect()
}

impl TckProcedure {
    pub fn parse(signature: &str, table: &[Vec<String>]) -> std::result::Result<TckProcedure, String> {
        let malformed = || format!("malformed signature {signature}");
        let (name, rest) = signature.split_once('(').ok_or_else(malformed)?;
        let (inputs, rest) = rest.split_once(')').ok_or_else(malformed)?;
        let outputs = rest.trim().strip_prefix("::").ok_or_else(malformed)?.trim();
        let outputs = outputs.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or_else(malformed)?.0;
        let params = fields(inputs)?
            .into_iter()
            // Signatures are a handful of short strings of a test run.
            .map(|(name, ty)| Param { name: Box::leak(name.into_boxed_str()), ty, default: None })
            .collect();
        let mut rows = Vec::new();
        for row in table.iter().skip(1) {
            let values = row.iter().map(|cell| notation::parse(cell)?.to_value());
            rows.push(values.collect::<std::result::Result<Vec<_>, String>>()?);
        }
        Ok(TckProcedure { name: name.trim().to_owned(), params, columns: fields(outputs)?, rows })
    }
}

impl TableFunction for TckProcedure {
    fn name(&self) -> &str {
        &self.name
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, _: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let input_count = self.params.len();
        let matches = |row: &&Vec<Value>| row.iter().zip(args).all(|(cell, arg)| equivalent(cell, arg));
        let found: Vec<&Vec<Value>> = self.rows.iter().filter(matches).collect();
        let columns = self.columns.iter().enumerate().map(|(index, (_, ty))| {
            Column::from_values(ty, found.iter().map(|row| row[input_count + index].clone()).collect())
        });
        let batch = Batch::new(columns.collect(), found.len());
        Ok(Box::new(OneBatch(Some(batch).filter(|batch| batch.row_count > 0))))
    }
}

struct OneBatch(Option<Batch>);

impl RowStream for OneBatch {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        Ok(self.0.take())
    }
}
