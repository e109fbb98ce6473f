//! Places in a statement's text: sqlparser's (line, column) pairs to PostgreSQL's character positions.

use sqlparser::tokenizer::{Location, Span};

/// One line of a text.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Characters and bytes before it.
    characters: usize,
    bytes: usize,
    is_ascii: bool,
}

/// Where the lines of a text begin, so that a place is found without reading the text again.
#[derive(Clone, Debug)]
pub struct LineIndex(Vec<Line>);

impl LineIndex {
    pub fn new(text: &str) -> LineIndex {
        let (mut characters, mut bytes) = (0, 0);
        let lines = text
            .split('\n')
            .map(|line| {
                let is_ascii = line.is_ascii();
                let here = Line { characters, bytes, is_ascii };
                characters += if is_ascii { line.len() } else { line.chars().count() } + 1;
                bytes += line.len() + 1;
                here
            })
            .collect();
        LineIndex(lines)
    }

    fn line(&self, location: Location) -> Option<(Line, usize)> {
        let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
        Some((*self.0.get(line)?, column))
    }

    /// 1-based position, in characters; None for the empty location.
    pub fn character_position(&self, location: Location) -> Option<usize> {
        let (line, column) = self.line(location)?;
        Some(line.characters + column + 1)
    }

    /// Offset in bytes. `text` is the text that the index is of.
    pub fn byte_offset(&self, text: &str, location: Location) -> Option<usize> {
        let (line, column) = self.line(location)?;
        if line.is_ascii {
            return Some((line.bytes + column).min(text.len()));
        }
        let rest = text.get(line.bytes..)?;
        Some(rest.char_indices().nth(column).map_or(text.len(), |(offset, _)| line.bytes + offset))
    }

    /// Position of the operator between two operands: the first character after `left` that is no space and no
    /// closing parenthesis.
    pub fn operator_position(&self, text: &str, left: Span, right: Span) -> Option<usize> {
        let from = self.byte_offset(text, left.end)?;
        let until = if right == Span::empty() { text.len() } else { self.byte_offset(text, right.start)? };
        let between = text.get(from..until)?;
        let skipped = between.find(|c: char| !c.is_whitespace() && c != ')')?;
        // What is skipped is of one byte each, except for spaces that are no ASCII.
        Some(self.character_position(left.end)? + between[..skipped].chars().count())
    }
}

/// 1-based position, in characters, of a location; None for the empty location.
pub fn character_position(text: &str, location: Location) -> Option<usize> {
    LineIndex::new(text).character_position(location)
}

/// Byte offset of a location.
pub fn byte_offset(text: &str, location: Location) -> Option<usize> {
    LineIndex::new(text).byte_offset(text, location)
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
        assert_eq!(byte_offset(text, Location { line: 1, column: 9 }), Some(9), "é has two bytes");
        assert_eq!(byte_offset(text, Location { line: 2, column: 3 }), Some(13));
    }

    #[test]
    fn operators_are_found_between_their_operands() {
        let text = "select (1)  + 'x'";
        let left = Span::new(Location { line: 1, column: 9 }, Location { line: 1, column: 10 });
        let right = Span::new(Location { line: 1, column: 15 }, Location { line: 1, column: 18 });
        assert_eq!(LineIndex::new(text).operator_position(text, left, right), Some(13));
    }
}
