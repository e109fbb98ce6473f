//! Cypher's errors: SQLSTATE together with openCypher's type, phase and detail.

use std::cell::OnceCell;

use crate::error::{QueryError, sqlstate};

pub const COMPILE_TIME: &str = "compile time";
pub const RUNTIME: &str = "runtime";

/// 1-based position in characters of a byte offset.
pub fn position(text: &str, offset: usize) -> usize {
    character_count(&text.as_bytes()[..offset.min(text.len())]) + 1
}

/// Bytes that begin a character.
fn character_count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

/// Answers [`position`] for one text in constant time: a long statement is asked about at each of its operators.
pub struct Positions<'t> {
    text: &'t str,
    /// Characters before each block of the text.
    marks: OnceCell<Vec<usize>>,
}

const BLOCK_BYTES: usize = 1024;

impl<'t> Positions<'t> {
    pub fn new(text: &'t str) -> Positions<'t> {
        Positions { text, marks: OnceCell::new() }
    }

    /// 1-based position in characters of a byte offset.
    pub fn of(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        let bytes = self.text.as_bytes();
        let block = offset / BLOCK_BYTES;
        let marks = self.marks.get_or_init(|| {
            let counts = bytes.chunks(BLOCK_BYTES).map(character_count);
            let starts = counts.scan(0, |before, count| Some(std::mem::replace(before, *before + count)));
            starts.chain([character_count(bytes)]).collect()
        });
        // The text's end may be the begin of a block that is not there.
        let before = marks.get(block).copied().unwrap_or_default();
        before + character_count(&bytes[block * BLOCK_BYTES..offset]) + 1
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_long_texts_count_characters() {
        for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 5] {
            let text: String = "aé𝄞b".chars().cycle().take(length).collect();
            let positions = Positions::new(&text);
            let offsets = text.char_indices().map(|(offset, _)| offset).chain([text.len(), text.len() + 7]);
            for offset in offsets {
                assert_eq!(positions.of(offset), position(&text, offset), "{offset} of {length}");
            }
        }
    }
}
