//! Parameters: `$n` takes the type of the first place that wants one.

use sinew_storage::DataType;
use sqlparser::tokenizer::Span;

use super::Binder;
use crate::algebra::Expr;
use crate::error::{QueryError, Result, sqlstate};

/// The wire carries a 16-bit parameter count.
const PARAMETER_LIMIT: usize = 65_535;

impl Binder<'_> {
    /// `$n`, with the type known so far. 42P02 where none may stand.
    pub fn bind_placeholder(&mut self, text: &str, span: Span) -> Result<Expr> {
        let number = text.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        let allowed = number.filter(|number| !self.refuses_parameters && (1..=PARAMETER_LIMIT).contains(number));
        let Some(number) = allowed else {
            return Err(QueryError::new(sqlstate::UNDEFINED_PARAMETER, format!("there is no parameter {text}"))
                .at(self.at(span)));
        };
        let mut params = self.context.params.write();
        if params.len() < number {
            params.resize(number, DataType::Unknown);
        }
        Ok(Expr::Parameter(number - 1, params[number - 1].clone()))
    }

    /// Settles the type of a parameter that was open; a type it has already stays.
    pub fn settle_param(&mut self, index: usize, ty: &DataType) -> DataType {
        let mut params = self.context.params.write();
        if let Some(slot) = params.get_mut(index) {
            if *slot == DataType::Unknown {
                // Modifiers are the target's business: `$1` for a numeric(10,2) column is numeric.
                *slot = super::data_type::without_modifier(ty);
            }
            return slot.clone();
        }
        ty.clone()
    }

    /// All parameter types; what is still open is text.
    pub fn finish_params(&mut self) -> Vec<DataType> {
        let mut params = self.context.params.write();
        for slot in params.iter_mut() {
            if *slot == DataType::Unknown {
                *slot = DataType::Text;
            }
        }
        params.clone()
    }
}
