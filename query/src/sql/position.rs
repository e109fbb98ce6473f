//! Places in a statement's text: sqlparser's (line, column) pairs to PostgreSQL's character positions.

use sqlparser::tokenizer::{Location, Span};

/// 1-based position, in characters, of a location; None for the empty location.
pub fn character_position(text: &str, location: Location) -> Option<usize> {
    if location.line == 0 || location.column == 0 {
        return None;
    }
    let mut position = 0usize;
    for (number, line) in text.split('\n').enumerate() {
        if number as u64 + 1 == location.line {
            return Some(position + location.column as usize);
        }
        position += line.chars().count() + 1;
    }
    None
}

/// Byte offset of a location.
pub fn byte_offset(text: &str, location: Location) -> Option<usize> {
    let position = character_position(text, location)?;
    Some(text.char_indices().nth(position - 1).map_or(text.len(), |(offset, _)| offset))
}

/// Position of the operator between two operands: the first character after `left` that is no space, comment or
/// closing parenthesis.
pub fn operator_position(text: &str, left: Span, right: Span) -> Option<usize> {
    if left == Span::empty() {
        return None;
    }
    let from = byte_offset(text, left.end)?;
    let until = if right == Span::empty() { text.len() } else { byte_offset(text, right.start)? };
    let between = text.get(from..until)?;
    let skipped = between.find(|c: char| !c.is_whitespace() && c != ')')?;
    Some(text[..from + skipped].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_become_characters() {
        let text = "select é,\n  b\nfrom t";
        assert_eq!(character_position(text, Location { line: 1, column: 8 }), Some(8));
        assert_eq!(character_position(text, Location { line: 2, column: 3 }), Some(13));
        assert_eq!(character_position(text, Location { line: 3, column: 1 }), Some(15));
        assert_eq!(character_position(text, Location { line: 0, column: 0 }), None);
    }

    #[test]
    fn operators_are_found_between_their_operands() {
        let text = "select (1)  + 'x'";
        let left = Span::new(Location { line: 1, column: 9 }, Location { line: 1, column: 10 });
        let right = Span::new(Location { line: 1, column: 15 }, Location { line: 1, column: 18 });
        assert_eq!(operator_position(text, left, right), Some(13));
    }
}
