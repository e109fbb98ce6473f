//! Texts and lists that grow piece by piece, for functions whose result may be many times their arguments: they stop at
//! the limit instead of finding out afterwards, and look at the cancel token while they work.

use sinew_storage::{CancelToken, Value};

use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::expr::size::{MAX_TEXT_BYTES, batch_too_large, check_element_count, held_bytes};

/// Work between two looks at the cancel token, in bytes.
const POLL_BYTES: usize = 1 << 20;
/// What one piece counts as besides its bytes.
const PIECE_WORK_BYTES: usize = 32;

/// 54000: a text would be longer than a text may be.
pub(crate) fn too_long() -> QueryError {
    QueryError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
        .detail(format!("A text may have {MAX_TEXT_BYTES} bytes."))
}

/// 54000 when a text of so many bytes would be too long.
pub(crate) fn check_text_length(length: usize) -> Result<()> {
    if length > MAX_TEXT_BYTES { Err(too_long()) } else { Ok(()) }
}

/// Counts work and looks at the cancel token now and then.
struct Poll<'a> {
    cancel: &'a CancelToken,
    left_bytes: usize,
}

impl<'a> Poll<'a> {
    fn new(context: &EvalContext<'a>) -> Poll<'a> {
        Poll { cancel: &context.exec.cancel, left_bytes: POLL_BYTES }
    }

    fn work(&mut self, bytes: usize) -> Result<()> {
        match self.left_bytes.checked_sub(bytes.saturating_add(PIECE_WORK_BYTES)) {
            Some(left) => self.left_bytes = left,
            None => {
                self.left_bytes = POLL_BYTES;
                self.cancel.check()?;
            }
        }
        Ok(())
    }
}

/// A text that grows: 54000 beyond [`MAX_TEXT_BYTES`].
pub(crate) struct TextBuilder<'a> {
    text: String,
    poll: Poll<'a>,
}

impl<'a> TextBuilder<'a> {
    pub(crate) fn new(context: &EvalContext<'a>) -> TextBuilder<'a> {
        TextBuilder { text: String::new(), poll: Poll::new(context) }
    }

    pub(crate) fn push(&mut self, piece: &str) -> Result<()> {
        check_text_length(self.text.len().saturating_add(piece.len()))?;
        self.poll.work(piece.len())?;
        self.text.push_str(piece);
        Ok(())
    }

    pub(crate) fn push_char(&mut self, c: char) -> Result<()> {
        check_text_length(self.text.len() + c.len_utf8())?;
        self.poll.work(0)?;
        self.text.push(c);
        Ok(())
    }

    /// The same character several times.
    pub(crate) fn pad(&mut self, c: char, count: usize) -> Result<()> {
        let length = count.saturating_mul(c.len_utf8());
        check_text_length(self.text.len().saturating_add(length))?;
        self.poll.work(length)?;
        self.text.extend(std::iter::repeat_n(c, count));
        Ok(())
    }

    /// Pieces with something between each two of them.
    pub(crate) fn push_joined(&mut self, piece: &str, separator: &str, is_first: &mut bool) -> Result<()> {
        if !std::mem::replace(is_first, false) {
            self.push(separator)?;
        }
        self.push(piece)
    }

    /// Counts work that writes nothing, in bytes looked at.
    pub(crate) fn work(&mut self, bytes: usize) -> Result<()> {
        self.poll.work(bytes)
    }

    pub(crate) fn finish(self) -> Value {
        Value::from(self.text)
    }
}

/// A list that grows: 54000 beyond the elements that a list may have, 53200 beyond the statement's memory.
pub(crate) struct ListBuilder<'a> {
    items: Vec<Value>,
    held_bytes: usize,
    limit_bytes: usize,
    poll: Poll<'a>,
}

impl<'a> ListBuilder<'a> {
    pub(crate) fn new(context: &EvalContext<'a>) -> ListBuilder<'a> {
        let limit_bytes = context.exec.memory_limit_bytes;
        ListBuilder { items: Vec::new(), held_bytes: 0, limit_bytes, poll: Poll::new(context) }
    }

    pub(crate) fn push(&mut self, item: Value) -> Result<()> {
        check_element_count(self.items.len() + 1)?;
        let bytes = size_of::<Value>() + held_bytes(&item);
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held_bytes > self.limit_bytes {
            return Err(batch_too_large(self.limit_bytes));
        }
        self.poll.work(bytes)?;
        self.items.push(item);
        Ok(())
    }

    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = Value>) -> Result<()> {
        items.into_iter().try_for_each(|item| self.push(item))
    }

    pub(crate) fn finish(self) -> Value {
        Value::list(self.items)
    }
}

/// `string` with every `from` replaced. An empty `from` is found before every character and at the end.
pub(crate) fn replaced(context: &EvalContext<'_>, string: &str, from: &str, to: &str) -> Result<Value> {
    let mut out = TextBuilder::new(context);
    let mut copied = 0;
    for (at, found) in string.match_indices(from) {
        out.push(&string[copied..at])?;
        out.push(to)?;
        copied = at + found.len();
    }
    out.push(&string[copied..])?;
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::context;

    #[test]
    fn growth_stops_at_the_limit() {
        let exec = context(&[]);
        let eval = EvalContext::new(&exec);
        let long = "a".repeat(1 << 20);
        let error = replaced(&eval, &long, "a", &long).expect_err("a tebibyte");
        assert_eq!(error.sqlstate(), "54000");
        let mut list = ListBuilder::new(&eval);
        let error = list.extend((0..i64::MAX).map(Value::Int)).expect_err("more than the memory of a test");
        assert_eq!(error.sqlstate(), "53200");
        let mut text = TextBuilder::new(&eval);
        text.pad('ä', 3).expect("three letters");
        assert_eq!(text.pad(' ', MAX_TEXT_BYTES).expect_err("too long").sqlstate(), "54000");
        assert_eq!(text.finish(), Value::from("äää"));
    }

    #[test]
    fn growth_is_cancelled() {
        let exec = context(&[]);
        let eval = EvalContext::new(&exec);
        exec.cancel.cancel();
        let long = "a".repeat(1 << 22);
        let error = replaced(&eval, &long, "b", "").and_then(|_| replaced(&eval, &long, "a", "b"));
        assert_eq!(error.expect_err("cancelled").sqlstate(), "57014");
    }

    #[test]
    fn replacing_keeps_the_rest() {
        let exec = context(&[]);
        let eval = EvalContext::new(&exec);
        let check = |string: &str, from: &str, to: &str, expected: &str| {
            assert_eq!(replaced(&eval, string, from, to).expect("short"), Value::from(expected));
        };
        check("abcabc", "b", "--", "a--ca--c");
        check("aaa", "aa", "b", "ba");
        check("ab", "", "-", "-a-b-");
        check("", "x", "y", "");
    }
}
