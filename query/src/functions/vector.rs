//! Functions of vectors, as pgvector computes them: distances in double precision over single elements.

use sinew_storage::Value;

use super::args::{int, vector};
use super::registry::Table;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::cast::float_error;
use crate::types::vector::{check, same_dimensions};

pub(crate) fn euclidean_distance(a: &[f32], b: &[f32]) -> Result<f64> {
    same_dimensions(a, b)?;
    Ok(a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt())
}

pub(crate) fn l1_distance(a: &[f32], b: &[f32]) -> Result<f64> {
    same_dimensions(a, b)?;
    Ok(a.iter().zip(b).map(|(x, y)| f64::from((x - y).abs())).sum())
}

pub(crate) fn inner_product(a: &[f32], b: &[f32]) -> Result<f64> {
    same_dimensions(a, b)?;
    Ok(dot(a, b))
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// 1 - cosine; NaN when a vector has no direction.
pub(crate) fn cosine_distance(a: &[f32], b: &[f32]) -> Result<f64> {
    same_dimensions(a, b)?;
    let similarity = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    // Rounding may leave the range of a cosine.
    Ok(1.0 - similarity.clamp(-1.0, 1.0))
}

/// Element by element; 22003 when a result is not finite.
pub(crate) fn combine(a: &Value, b: &Value, apply: fn(f32, f32) -> f32) -> Result<Value> {
    let (a, b) = (vector(a)?, vector(b)?);
    same_dimensions(a, b)?;
    let out: Vec<f32> = a.iter().zip(b).map(|(x, y)| apply(*x, *y)).collect();
    if out.iter().any(|x| !x.is_finite()) {
        return Err(float_error("overflow"));
    }
    Ok(Value::Vector(out.into()))
}

pub(super) fn register(t: &mut Table) {
    t.section("Vector functions");
    t.f("vector_dims(vector) -> int4", |_, a| Ok(Value::Int(vector(&a[0])?.len() as i64)));
    t.f("vector_norm(vector) -> float8", |_, a| {
        let v = vector(&a[0])?;
        Ok(Value::Float(dot(v, v).sqrt()))
    });
    t.f("l2_norm(vector) -> float8", |_, a| {
        let v = vector(&a[0])?;
        Ok(Value::Float(dot(v, v).sqrt()))
    });
    t.f("l2_normalize(vector) -> vector", |_, a| {
        let v = vector(&a[0])?;
        let norm = dot(v, v).sqrt();
        if norm == 0.0 {
            return Ok(a[0].clone());
        }
        Ok(Value::Vector(v.iter().map(|x| (f64::from(*x) / norm) as f32).collect()))
    });
    t.f("l2_distance(vector, vector) -> float8", |_, a| {
        Ok(Value::Float(euclidean_distance(vector(&a[0])?, vector(&a[1])?)?))
    });
    t.f("l1_distance(vector, vector) -> float8", |_, a| Ok(Value::Float(l1_distance(vector(&a[0])?, vector(&a[1])?)?)));
    t.f("inner_product(vector, vector) -> float8", |_, a| {
        Ok(Value::Float(inner_product(vector(&a[0])?, vector(&a[1])?)?))
    });
    t.f("cosine_distance(vector, vector) -> float8", |_, a| {
        Ok(Value::Float(cosine_distance(vector(&a[0])?, vector(&a[1])?)?))
    });
    t.f("subvector(vector, int4, int4) -> vector", |_, a| {
        let v = vector(&a[0])?;
        let (start, count) = (int(&a[1])?, int(&a[2])?);
        if count < 1 {
            return Err(QueryError::new(sqlstate::DATA_EXCEPTION, "vector must have at least 1 dimension"));
        }
        let from = (start.max(1) - 1).min(v.len() as i64) as usize;
        let to = (start - 1).saturating_add(count).clamp(from as i64, v.len() as i64) as usize;
        Ok(Value::Vector(check(v[from..to].to_vec(), None)?.into()))
    });
}
