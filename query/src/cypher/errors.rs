//! Cypher's errors: SQLSTATE together with openCypher's type, phase and detail.

use crate::error::{QueryError, sqlstate};

pub const COMPILE_TIME: &str = "compile time";
pub const RUNTIME: &str = "runtime";

/// 1-based position in characters of a byte offset.
pub fn position(text: &str, offset: usize) -> usize {
    // Bytes that begin a character.
    text.as_bytes().iter().take(offset).filter(|byte| (**byte & 0xc0) != 0x80).count() + 1
}

/// The SQLSTATE that fits an openCypher detail best.
fn code(detail: &str) -> &'static str {
    match detail {
        "UndefinedVariable" | "NoVariablesInScope" => sqlstate::UNDEFINED_COLUMN,
        "VariableAlreadyBound" => sqlstate::DUPLICATE_ALIAS,
        "ColumnNameConflict" => sqlstate::DUPLICATE_COLUMN,
        "VariableTypeConflict" | "InvalidArgumentType" | "DifferentColumnsInUnion" | "InvalidPropertyType" => {
            sqlstate::DATATYPE_MISMATCH
        }
        "InvalidAggregation" | "AmbiguousAggregationExpression" | "NestedAggregation" => sqlstate::GROUPING_ERROR,
        "UnknownFunction" | "InvalidNumberOfArguments" | "ProcedureNotFound" => sqlstate::UNDEFINED_FUNCTION,
        "IntegerOverflow" | "FloatingPointOverflow" | "NumberOutOfRange" => sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        "NegativeIntegerArgument" | "InvalidArgumentValue" | "MapElementAccessByNonString" => {
            sqlstate::INVALID_PARAMETER_VALUE
        }
        "MissingParameter" => sqlstate::UNDEFINED_PARAMETER,
        "DeletedEntityAccess" => sqlstate::UNDEFINED_OBJECT,
        "MergeReadOwnWrites" => sqlstate::NULL_VALUE_NOT_ALLOWED,
        _ => sqlstate::SYNTAX_ERROR,
    }
}

pub fn compile(ty: &'static str, detail: &'static str, message: impl Into<String>) -> QueryError {
    QueryError::new(code(detail), message).cypher(ty, COMPILE_TIME, detail)
}

/// A SyntaxError at compile time.
pub fn syntax(detail: &'static str, message: impl Into<String>) -> QueryError {
    compile("SyntaxError", detail, message)
}

pub fn runtime(ty: &'static str, detail: &'static str, message: impl Into<String>) -> QueryError {
    QueryError::new(code(detail), message).cypher(ty, RUNTIME, detail)
}

/// A TypeError at run time, `InvalidArgumentValue`.
pub fn type_error(message: impl Into<String>) -> QueryError {
    runtime("TypeError", "InvalidArgumentValue", message)
}

/// The known name nearest to `name`, when it is near enough to be meant.
pub fn near_miss<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let lower = name.to_lowercase();
    known
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (edit_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let next = (diagonal + usize::from(ca != *cb)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
