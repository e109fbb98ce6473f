//! COPY data as rows of fields, incrementally.
//!
//! Data arrives in pieces cut anywhere: in the middle of a line, of an escape, of a UTF-8 character. A decoder keeps the
//! unfinished rest and where its scan stood, so a long field is scanned once however many pieces it comes in. The rules
//! are PostgreSQL 15's (`copyfromparse.c`): the first line decides the line ending; in text a backslash protects the
//! next byte, newline included; in CSV a newline inside quotes is data; `\.` on a line of its own ends the data.

use std::ops::Range;

use memchr::{memchr2, memchr3};
use sinew::query::statement::{CopyFormat, CopyHeader, CopyOptions};
use sinew::{QueryError, Result, sqlstate};

use super::frame::MESSAGE_LIMIT_BYTES;

const BINARY_SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// The fields of one row, unescaped. Reused from row to row.
#[derive(Default, Debug)]
pub struct RawRow {
    bytes: Vec<u8>,
    fields: Vec<Option<Range<usize>>>,
}

impl RawRow {
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// None: NULL.
    pub fn field(&self, index: usize) -> Option<&[u8]> {
        self.fields[index].clone().map(|range| &self.bytes[range])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
    }

    fn end_field(&mut self, start: usize, is_null: bool) {
        if is_null {
            self.bytes.truncate(start);
        }
        self.fields.push((!is_null).then_some(start..self.bytes.len()));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// `row` holds the next row.
    Row,
    /// Feed more, or finish.
    NeedMore,
    /// No row follows.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Unknown,
    Newline,
    Return,
    ReturnNewline,
}

/// Decodes one COPY stream.
pub struct CopyDecoder {
    options: CopyOptions,
    /// Names, in the order of the data.
    columns: Vec<String>,
    buffer: Vec<u8>,
    /// Start of the current line (or binary tuple) in `buffer`.
    start: usize,
    /// Where the scan for its end stands.
    scan: usize,
    line_end: LineEnd,
    in_quote: bool,
    last_was_escape: bool,
    /// Lines (or tuples) read so far; after an error the bad one counts, unless it was in the header of binary data.
    pub line: u64,
    /// Of text: the line read last, until more is fed.
    current: Option<Range<usize>>,
    /// What the first line is; [`CopyHeader::None`] once it was read.
    header: CopyHeader,
    binary_header_read: bool,
    finished: bool,
    ended: bool,
}

impl CopyDecoder {
    pub fn new(options: CopyOptions, columns: Vec<String>) -> CopyDecoder {
        CopyDecoder {
            header: options.header,
            options,
            columns,
            buffer: Vec::new(),
            start: 0,
            scan: 0,
            line_end: LineEnd::Unknown,
            in_quote: false,
            last_was_escape: false,
            line: 0,
            current: None,
            binary_header_read: false,
            finished: false,
            ended: false,
        }
    }

    /// Adds the next piece of data.
    pub fn feed(&mut self, data: &[u8]) {
        if self.ended && self.options.format != CopyFormat::Binary {
            return; // What follows `\.` is ignored.
        }
        self.current = None;
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else if self.start > (64 << 10) && self.start * 2 > self.buffer.len() {
            self.buffer.drain(..self.start);
        } else {
            self.buffer.extend_from_slice(data);
            return;
        }
        self.scan -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(data);
    }

    /// The text line read last, without its end; None for binary data and when a line could not be read to its end.
    pub fn current_line(&self) -> Option<&[u8]> {
        self.current.clone().map(|line| &self.buffer[line])
    }

    /// No more data comes.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next row into `row`. 22P04 when the data is malformed, 54000 when a line is too long.
    pub fn next_row(&mut self, row: &mut RawRow) -> Result<Progress> {
        if self.options.format == CopyFormat::Binary {
            let progress = self.next_binary_row(row);
            if progress.is_err() && self.binary_header_read {
                self.line += 1;
            }
            return progress;
        }
        self.current = None;
        loop {
            if self.ended {
                return Ok(Progress::End);
            }
            let line = match self.next_line() {
                Ok(line) => line,
                Err(error) => {
                    self.line += 1;
                    return Err(error);
                }
            };
            let Some(line) = line else {
                if self.ended || self.finished {
                    self.ended = true;
                    return Ok(Progress::End);
                }
                return Ok(Progress::NeedMore);
            };
            self.line += 1;
            let header = std::mem::replace(&mut self.header, CopyHeader::None);
            if header == CopyHeader::Line {
                continue;
            }
            row.clear();
            self.current = Some(line.clone());
            match self.options.format {
                CopyFormat::Csv => self.split_csv(line, row)?,
                _ => self.split_text(line, row)?,
            }
            if header == CopyHeader::Match {
                self.match_header(row)?;
                continue;
            }
            if let Some(missing) = self.columns.get(row.len()) {
                return Err(bad(format!("missing data for column \"{missing}\"")));
            }
            if row.len() > self.columns.len() {
                return Err(bad("extra data after last expected column"));
            }
            return Ok(Progress::Row);
        }
    }

    /// The first line must name the columns.
    fn match_header(&self, row: &RawRow) -> Result<()> {
        if row.len() != self.columns.len() {
            let (got, expected) = (row.len(), self.columns.len());
            return Err(bad(format!("wrong number of fields in header line: got {got}, expected {expected}")));
        }
        for (index, column) in self.columns.iter().enumerate() {
            let got = match row.field(index) {
                Some(name) if name == column.as_bytes() => continue,
                Some(name) => format!("\"{}\"", String::from_utf8_lossy(name)),
                None => format!("null value (\"{}\")", self.options.null),
            };
            return Err(bad(format!(
                "column name mismatch in header line field {}: got {got}, expected \"{column}\"",
                index + 1
            )));
        }
        Ok(())
    }

    /// Bytes from where the scan stands that end nothing and begin nothing.
    fn plain_length(&self, csv: bool, separate_escape: bool) -> usize {
        let rest = &self.buffer[self.scan..];
        let (quote, escape) = (self.options.quote, self.options.escape);
        let found = match (csv, separate_escape) {
            (false, _) => memchr3(b'\n', b'\r', b'\\', rest),
            (true, false) => memchr3(b'\n', b'\r', quote, rest),
            (true, true) => {
                rest.iter().position(|byte| matches!(byte, b'\n' | b'\r') || *byte == quote || *byte == escape)
            }
        };
        found.unwrap_or(rest.len())
    }

    /// The next line without its end, as a range of `buffer`; None when it is not complete yet or the data has ended.
    fn next_line(&mut self) -> Result<Option<Range<usize>>> {
        let csv = self.options.format == CopyFormat::Csv;
        let (quote, escape) = (self.options.quote, self.options.escape);
        // A doubled quote toggles twice; only a separate escape character needs to be remembered.
        let separate_escape = csv && escape != quote;
        loop {
            if self.scan - self.start > MESSAGE_LIMIT_BYTES {
                return Err(QueryError::new(
                    sqlstate::PROGRAM_LIMIT_EXCEEDED,
                    format!("a line of COPY data is longer than {MESSAGE_LIMIT_BYTES} bytes"),
                ));
            }
            let plain = self.plain_length(csv, separate_escape);
            if plain > 0 {
                self.scan += plain;
                self.last_was_escape = false;
            }
            let Some(&byte) = self.buffer.get(self.scan) else {
                if !self.finished {
                    return Ok(None);
                }
                if csv && self.in_quote {
                    self.current = Some(self.start..self.buffer.len());
                    return Err(bad("unterminated CSV quoted field"));
                }
                if self.start == self.buffer.len() {
                    return Ok(None);
                }
                return Ok(self.end_line(self.scan, self.scan));
            };
            let next = self.buffer.get(self.scan + 1).copied();
            if csv {
                if self.in_quote && separate_escape && byte == escape {
                    self.last_was_escape = !self.last_was_escape;
                }
                if byte == quote && !self.last_was_escape {
                    self.in_quote = !self.in_quote;
                }
                if !separate_escape || byte != escape {
                    self.last_was_escape = false;
                }
                if self.in_quote {
                    self.scan += 1;
                    continue;
                }
            } else if byte == b'\\' {
                match next {
                    // `\.` may be followed by CR LF: the dot protects nothing.
                    Some(_) => self.scan += 2,
                    None if self.finished => self.scan += 1,
                    None => return Ok(None),
                }
                continue;
            }
            match byte {
                b'\n' => match self.line_end {
                    LineEnd::Unknown | LineEnd::Newline => {
                        self.line_end = LineEnd::Newline;
                        return Ok(self.end_line(self.scan, self.scan + 1));
                    }
                    _ => return Err(self.stray("newline")),
                },
                b'\r' => match (self.line_end, next) {
                    (LineEnd::Unknown | LineEnd::ReturnNewline, None) if !self.finished => return Ok(None),
                    (LineEnd::Unknown | LineEnd::ReturnNewline, Some(b'\n')) => {
                        self.line_end = LineEnd::ReturnNewline;
                        return Ok(self.end_line(self.scan, self.scan + 2));
                    }
                    (LineEnd::Unknown | LineEnd::Return, _) => {
                        self.line_end = LineEnd::Return;
                        return Ok(self.end_line(self.scan, self.scan + 1));
                    }
                    _ => return Err(self.stray("carriage return")),
                },
                _ => self.scan += 1,
            }
        }
    }

    fn stray(&self, what: &str) -> QueryError {
        if self.options.format == CopyFormat::Csv {
            bad(format!("unquoted {what} found in data")).hint(format!("Use quoted CSV field to represent {what}."))
        } else {
            let code = if what == "newline" { "\\n" } else { "\\r" };
            bad(format!("literal {what} found in data")).hint(format!("Use \"{code}\" to represent {what}."))
        }
    }

    fn end_line(&mut self, end: usize, next_start: usize) -> Option<Range<usize>> {
        let line = self.start..end;
        self.start = next_start;
        self.scan = next_start;
        if &self.buffer[line.clone()] == b"\\." {
            self.ended = true;
            return None;
        }
        Some(line)
    }

    fn split_text(&self, line: Range<usize>, row: &mut RawRow) -> Result<()> {
        let line = &self.buffer[line];
        let null = self.options.null.as_bytes();
        let mut at = 0;
        loop {
            // NULL is recognised in the raw field, before escapes are undone.
            let raw_start = at;
            let start = row.bytes.len();
            loop {
                let rest = &line[at..];
                let plain = memchr2(self.options.delimiter, b'\\', rest).unwrap_or(rest.len());
                row.bytes.extend_from_slice(&rest[..plain]);
                at += plain;
                if at == line.len() || line[at] == self.options.delimiter {
                    break;
                }
                if at + 1 == line.len() {
                    row.bytes.push(line[at]);
                    at += 1;
                    break;
                }
                at += 1;
                let escaped = line[at];
                at += 1;
                match escaped {
                    b'b' => row.bytes.push(8),
                    b'f' => row.bytes.push(12),
                    b'n' => row.bytes.push(b'\n'),
                    b'r' => row.bytes.push(b'\r'),
                    b't' => row.bytes.push(b'\t'),
                    b'v' => row.bytes.push(11),
                    b'0'..=b'7' => {
                        let mut value = u32::from(escaped - b'0');
                        for _ in 0..2 {
                            match line.get(at) {
                                Some(digit @ b'0'..=b'7') => {
                                    value = value * 8 + u32::from(digit - b'0');
                                    at += 1;
                                }
                                _ => break,
                            }
                        }
                        row.bytes.push(value as u8);
                    }
                    b'x' if line.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                        let mut value = 0;
                        for _ in 0..2 {
                            match line.get(at).and_then(|digit| char::from(*digit).to_digit(16)) {
                                Some(digit) => {
                                    value = value * 16 + digit;
                                    at += 1;
                                }
                                None => break,
                            }
                        }
                        row.bytes.push(value as u8);
                    }
                    other => row.bytes.push(other),
                }
            }
            row.end_field(start, &line[raw_start..at] == null);
            if at == line.len() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn split_csv(&self, line: Range<usize>, row: &mut RawRow) -> Result<()> {
        let line = &self.buffer[line];
        let CopyOptions { delimiter, quote, escape, .. } = self.options;
        let null = self.options.null.as_bytes();
        let mut at = 0;
        loop {
            let raw_start = at;
            let start = row.bytes.len();
            let mut quoted = false;
            loop {
                let rest = &line[at..];
                let plain = memchr2(delimiter, quote, rest).unwrap_or(rest.len());
                row.bytes.extend_from_slice(&rest[..plain]);
                at += plain;
                if at == line.len() || line[at] == delimiter {
                    break;
                }
                quoted = true;
                at += 1;
                loop {
                    let rest = &line[at..];
                    let plain = memchr2(quote, escape, rest).unwrap_or(rest.len());
                    row.bytes.extend_from_slice(&rest[..plain]);
                    at += plain;
                    let Some(&byte) = line.get(at) else {
                        return Err(bad("unterminated CSV quoted field"));
                    };
                    at += 1;
                    if byte == escape && line.get(at).is_some_and(|next| *next == escape || *next == quote) {
                        row.bytes.push(line[at]);
                        at += 1;
                    } else if byte == quote {
                        break;
                    } else {
                        row.bytes.push(byte);
                    }
                }
            }
            let is_null = !quoted && &line[raw_start..at] == null;
            let column = row.fields.len();
            let forced = |flags: &[bool]| flags.get(column).copied().unwrap_or(false);
            let is_null = if is_null {
                !forced(&self.options.force_not_null)
            } else {
                forced(&self.options.force_null) && &row.bytes[start..] == null
            };
            row.end_field(start, is_null);
            if at == line.len() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn next_binary_row(&mut self, row: &mut RawRow) -> Result<Progress> {
        if self.ended {
            if self.start < self.buffer.len() {
                return Err(bad("received copy data after EOF marker"));
            }
            return Ok(Progress::End);
        }
        if !self.binary_header_read {
            match self.read_binary_header()? {
                Progress::Row => self.binary_header_read = true,
                other => return Ok(other),
            }
        }
        let data = &self.buffer[self.start..];
        let Some((count, mut rest)) = data.split_first_chunk::<2>() else {
            if self.finished {
                // PostgreSQL 15 takes the end of the stream for the trailer when no tuple has begun.
                return if data.is_empty() { Ok(Progress::End) } else { Err(bad("unexpected EOF in COPY data")) };
            }
            return Ok(Progress::NeedMore);
        };
        let count = i16::from_be_bytes(*count);
        if count == -1 {
            self.start += 2;
            self.scan = self.start;
            self.ended = true;
            return self.next_binary_row(row);
        }
        if count < 0 || count as usize != self.columns.len() {
            return Err(bad(format!("row field count is {count}, expected {}", self.columns.len())));
        }
        row.clear();
        for _ in 0..count {
            let Some((length, after)) = rest.split_first_chunk::<4>() else {
                return self.incomplete_binary(data.len());
            };
            let length = i32::from_be_bytes(*length);
            let start = row.bytes.len();
            if length < 0 {
                if length != -1 {
                    return Err(bad("invalid field size"));
                }
                row.end_field(start, true);
                rest = after;
                continue;
            }
            let Some((value, after)) = after.split_at_checked(length as usize) else {
                return self.incomplete_binary(data.len());
            };
            row.bytes.extend_from_slice(value);
            row.end_field(start, false);
            rest = after;
        }
        self.start = self.buffer.len() - rest.len();
        self.scan = self.start;
        self.line += 1;
        Ok(Progress::Row)
    }

    fn incomplete_binary(&self, size_bytes: usize) -> Result<Progress> {
        if self.finished {
            return Err(bad("unexpected EOF in COPY data"));
        }
        if size_bytes > MESSAGE_LIMIT_BYTES {
            return Err(QueryError::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("a row of COPY data is longer than {MESSAGE_LIMIT_BYTES} bytes"),
            ));
        }
        Ok(Progress::NeedMore)
    }

    /// [`Progress::Row`] once it was read.
    fn read_binary_header(&mut self) -> Result<Progress> {
        let data = &self.buffer[self.start..];
        let known = data.len().min(BINARY_SIGNATURE.len());
        if data[..known] != BINARY_SIGNATURE[..known] {
            return Err(bad("COPY file signature not recognized"));
        }
        let word = |at: usize| data.get(at..at + 4).map(|b| i32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let (Some(flags), Some(extension)) = (word(11), word(15)) else {
            return if self.finished { Err(bad("invalid COPY file header")) } else { Ok(Progress::NeedMore) };
        };
        if flags as u32 >> 16 != 0 {
            return Err(bad("unrecognized critical flags in COPY file header"));
        }
        let extension = usize::try_from(extension).map_err(|_| bad("invalid COPY file header (wrong length)"))?;
        if extension > 1 << 20 {
            return Err(bad("invalid COPY file header (wrong length)"));
        }
        if data.len() < 19 + extension {
            return if self.finished { Err(bad("invalid COPY file header")) } else { Ok(Progress::NeedMore) };
        }
        self.start += 19 + extension;
        self.scan = self.start;
        Ok(Progress::Row)
    }
}

fn bad(message: impl Into<String>) -> QueryError {
    QueryError::new(sqlstate::BAD_COPY_FILE_FORMAT, message)
}

#[cfg(test)]
#[path = "copy_parse_tests.rs"]
mod tests;
