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

pub use crate::near_miss::near_miss;

/// A TypeError at run time, `InvalidArgumentValue`.
pub fn type_error(message: impl Into<String>) -> QueryError {
    runtime("TypeError", "InvalidArgumentValue", message)
}
