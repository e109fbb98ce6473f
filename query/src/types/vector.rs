//! `vector`: pgvector's type. Text `[1,2,3]`, wire two bytes dimension count, two bytes zero, then singles.

use crate::error::{QueryError, Result, sqlstate};

use super::float;

/// Most dimensions of a vector.
pub(crate) const MAX_DIMENSIONS: usize = 16_000;

pub(crate) fn output(vector: &[f32]) -> String {
    let mut out = String::with_capacity(2 + vector.len() * 8);
    out.push('[');
    for (i, x) in vector.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&float::output4(f64::from(*x)));
    }
    out.push(']');
    out
}

pub(crate) fn input(text: &str) -> Result<Vec<f32>> {
    let malformed = || {
        QueryError::new(
            sqlstate::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type vector: \"{text}\""),
        )
    };
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let inner = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(malformed)?;
    if inner.trim().is_empty() {
        return Err(no_dimensions());
    }
    let mut out = Vec::new();
    for part in inner.split(',') {
        if out.len() == MAX_DIMENSIONS {
            return Err(too_many_dimensions());
        }
        let part = part.trim_matches(|c: char| c.is_ascii_whitespace());
        let lower = part.to_ascii_lowercase();
        let word = lower.trim_start_matches(['+', '-']);
        if word == "nan" {
            return Err(nan());
        }
        if word == "inf" || word == "infinity" {
            return Err(infinite());
        }
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
        {
            return Err(malformed());
        }
        let x: f32 = part.parse().map_err(|_| malformed())?;
        if x.is_infinite() {
            return Err(QueryError::new(
                sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
                format!("\"{part}\" is out of range for type vector"),
            ));
        }
        out.push(x);
    }
    Ok(out)
}

/// Elements from a computation or an array: finite, 1 to 16,000 of them, `dimensions` when declared (22000).
pub(crate) fn check(vector: Vec<f32>, dimensions: Option<u32>) -> Result<Vec<f32>> {
    if vector.is_empty() {
        return Err(no_dimensions());
    }
    if vector.len() > MAX_DIMENSIONS {
        return Err(too_many_dimensions());
    }
    if vector.iter().any(|x| x.is_nan()) {
        return Err(nan());
    }
    if vector.iter().any(|x| x.is_infinite()) {
        return Err(infinite());
    }
    check_dimensions(vector.len(), dimensions)?;
    Ok(vector)
}

/// 22000 `expected 3 dimensions, not 2`.
pub(crate) fn check_dimensions(actual: usize, expected: Option<u32>) -> Result<()> {
    match expected {
        Some(expected) if expected as usize != actual => {
            Err(QueryError::new(sqlstate::DATA_EXCEPTION, format!("expected {expected} dimensions, not {actual}")))
        }
        _ => Ok(()),
    }
}

/// 22000 `different vector dimensions 3 and 2`.
pub(crate) fn same_dimensions(a: &[f32], b: &[f32]) -> Result<()> {
    if a.len() == b.len() {
        return Ok(());
    }
    Err(QueryError::new(sqlstate::DATA_EXCEPTION, format!("different vector dimensions {} and {}", a.len(), b.len())))
}

fn no_dimensions() -> QueryError {
    QueryError::new(sqlstate::DATA_EXCEPTION, "vector must have at least 1 dimension")
}

fn too_many_dimensions() -> QueryError {
    QueryError::new(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!("vector cannot have more than {MAX_DIMENSIONS} dimensions"),
    )
}

fn nan() -> QueryError {
    QueryError::new(sqlstate::DATA_EXCEPTION, "NaN not allowed in vector")
}

fn infinite() -> QueryError {
    QueryError::new(sqlstate::DATA_EXCEPTION, "infinite value not allowed in vector")
}
