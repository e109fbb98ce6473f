//! `vector.similarity`: of two vectors, or lists of numbers, of one length; between 0 and 1.

use sinew_storage::{DataType, Value};

use super::compare::as_float;
use super::{Builder, wrong_type};
use crate::error::{QueryError, Result, sqlstate};

pub(super) fn register(builder: &mut Builder) {
    builder.pure("vector.similarity.cosine", (2, 2), DataType::Float8, |_, args| {
        let (a, b) = pair("vector.similarity.cosine()", args)?;
        let dot: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
        let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let lengths = length(&a) * length(&b);
        if lengths == 0.0 || !lengths.is_finite() {
            let message = "vector.similarity.cosine() expected vectors with a finite length other than 0";
            return Err(QueryError::new(sqlstate::DATA_EXCEPTION, message));
        }
        Ok(Value::Float((1.0 + (dot / lengths).clamp(-1.0, 1.0)) / 2.0))
    });
    builder.pure("vector.similarity.euclidean", (2, 2), DataType::Float8, |_, args| {
        let (a, b) = pair("vector.similarity.euclidean()", args)?;
        let distance_squared: f64 = a.iter().zip(&b).map(|(x, y)| (x - y) * (x - y)).sum();
        Ok(Value::Float(1.0 / (1.0 + distance_squared)))
    });
}

fn pair(function: &str, args: &[Value]) -> Result<(Vec<f64>, Vec<f64>)> {
    let (a, b) = (components(function, &args[0])?, components(function, &args[1])?);
    if a.len() != b.len() {
        let message = format!("{function} got vectors of {} and {} dimensions", a.len(), b.len());
        return Err(QueryError::new(sqlstate::DATA_EXCEPTION, message));
    }
    Ok((a, b))
}

fn components(function: &str, value: &Value) -> Result<Vec<f64>> {
    match value {
        Value::Vector(items) => Ok(items.iter().map(|item| f64::from(*item)).collect()),
        Value::List(items) => items
            .iter()
            .map(|item| match item {
                Value::Int(_) | Value::Float(_) | Value::Numeric(_) => Ok(as_float(item)),
                other => Err(wrong_type(function, "numbers", other)),
            })
            .collect(),
        other => Err(wrong_type(function, "a vector or a list of numbers", other)),
    }
}
