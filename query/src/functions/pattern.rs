//! LIKE, SIMILAR TO and regular expressions.
//!
//! Regular expressions are PostgreSQL's ARE syntax carried out by the `regex` crate in linear time. What it cannot do
//! (back references, look-around) is 0A000. Compiled expressions are kept per thread.

use std::cell::RefCell;
use std::sync::Arc;

use regex::{Captures, Regex, RegexBuilder};
use sinew_storage::Value;

use super::args::{int, text};
use super::growth::{ListBuilder, TextBuilder};
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

/// Compiled size above which an expression is refused, in bytes.
const REGEX_SIZE_LIMIT_BYTES: usize = 4 << 20;
/// Compiled expressions kept per thread.
const REGEX_CACHE_LIMIT: usize = 64;

/// `%`, `_` and `\` as in LIKE; `ignore_case` as in ILIKE. 22025 when the pattern ends in an escape.
pub(crate) fn like(string: &str, pattern: &str, ignore_case: bool) -> Result<bool> {
    if ignore_case {
        return like_chars(&string.to_lowercase(), &pattern.to_lowercase());
    }
    like_chars(string, pattern)
}

fn like_chars(string: &str, pattern: &str) -> Result<bool> {
    // Plain prefixes and equality are the common patterns.
    if !pattern.contains(['_', '\\']) {
        match pattern.strip_suffix('%') {
            Some(prefix) if !prefix.contains('%') => return Ok(string.starts_with(prefix)),
            Some(rest) => {
                if let Some(inner) = rest.strip_prefix('%')
                    && !inner.contains('%')
                {
                    return Ok(string.contains(inner));
                }
            }
            None if !pattern.contains('%') => return Ok(string == pattern),
            None => {}
        }
    }
    let (s, p) = (string.as_bytes(), pattern.as_bytes());
    let (mut i, mut j) = (0, 0);
    // Where to resume after the last `%`: pattern position behind it, string position it has reached.
    let mut restart: Option<(usize, usize)> = None;
    loop {
        if j < p.len() {
            match p[j] {
                b'%' => {
                    restart = Some((j + 1, i));
                    j += 1;
                    continue;
                }
                b'_' if i < s.len() => {
                    i += char_width(s[i]);
                    j += 1;
                    continue;
                }
                b'\\' if i < s.len() => {
                    let Some(literal) = p.get(j + 1) else {
                        return Err(QueryError::new("22025", "LIKE pattern must not end with escape character"));
                    };
                    if s.get(i) == Some(literal) {
                        i += 1;
                        j += 2;
                        continue;
                    }
                }
                b if i < s.len() && s[i] == b => {
                    i += 1;
                    j += 1;
                    continue;
                }
                _ => {}
            }
        } else if i == s.len() {
            return Ok(true);
        }
        match restart {
            Some((after, from)) if from < s.len() => {
                let next = from + char_width(s[from]);
                restart = Some((after, next));
                i = next;
                j = after;
            }
            _ => return Ok(false),
        }
    }
}

fn char_width(first: u8) -> usize {
    match first {
        0x00..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    }
}

/// `LIKE … ESCAPE c`: rewrites the pattern so that `\` is its escape. An empty escape turns escaping off.
fn like_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut escapes = escape.chars();
    let (escape, more) = (escapes.next(), escapes.next());
    if more.is_some() {
        return Err(
            QueryError::new("22025", "invalid escape string").hint("Escape string must be empty or one character.")
        );
    }
    let mut out = String::with_capacity(pattern.len());
    let mut escaped = false;
    for c in pattern.chars() {
        if Some(c) == escape && !escaped {
            out.push('\\');
            escaped = true;
            continue;
        }
        if c == '\\' && !escaped {
            out.push('\\');
        }
        out.push(c);
        escaped = false;
    }
    Ok(out)
}

/// SIMILAR TO as a regular expression.
fn similar_to(pattern: &str, escape: &str) -> Result<String> {
    let mut escapes = escape.chars();
    let (escape, more) = (escapes.next(), escapes.next());
    if more.is_some() {
        return Err(
            QueryError::new("22025", "invalid escape string").hint("Escape string must be empty or one character.")
        );
    }
    let mut out = String::from("^(?:");
    let mut in_bracket = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some(next) => out.push_str(&regex::escape(&next.to_string())),
                None => {
                    return Err(QueryError::new("22025", "SIMILAR TO pattern must not end with escape character"));
                }
            }
            continue;
        }
        match c {
            ']' if in_bracket => {
                in_bracket = false;
                out.push(c);
            }
            '\\' => out.push_str("\\\\"),
            c if in_bracket => out.push(c),
            '[' => {
                in_bracket = true;
                out.push(c);
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '.' | '^' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(out)
}

/// Options of the `flags` argument.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    ignore_case: bool,
    /// `n`: `.` and brackets stop at newlines, `^` and `$` match at lines.
    newline: bool,
    /// `w`: only `^` and `$` match at lines.
    lines: bool,
    /// `p`: only `.` and brackets stop at newlines.
    partial_newline: bool,
    expanded: bool,
    literal: bool,
    pub(crate) global: bool,
}

impl Flags {
    /// 22023 for a letter that is no option.
    pub(crate) fn parse(text: &str) -> Result<Flags> {
        let mut flags = Flags::default();
        for c in text.chars() {
            match c {
                'g' => flags.global = true,
                'i' => flags.ignore_case = true,
                'c' => flags.ignore_case = false,
                'n' | 'm' => flags.newline = true,
                's' => flags.newline = false,
                'w' => flags.lines = true,
                'p' => flags.partial_newline = true,
                'x' => flags.expanded = true,
                't' => flags.expanded = false,
                'q' => flags.literal = true,
                'e' | 'a' => {}
                other => {
                    return Err(QueryError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("invalid regular expression option: \"{other}\""),
                    ));
                }
            }
        }
        Ok(flags)
    }
}

thread_local! {
    static COMPILED: RefCell<Vec<(String, Flags, Arc<Regex>)>> = const { RefCell::new(Vec::new()) };
}

/// The compiled expression, from the thread's cache when it is there.
pub(crate) fn compile(pattern: &str, flags: Flags) -> Result<Arc<Regex>> {
    let flags = Flags { global: false, ..flags };
    let cached = COMPILED.with_borrow_mut(|cache| {
        let at = cache.iter().position(|(known, known_flags, _)| known == pattern && *known_flags == flags)?;
        // Most recently used last.
        let entry = cache.remove(at);
        let regex = Arc::clone(&entry.2);
        cache.push(entry);
        Some(regex)
    });
    if let Some(regex) = cached {
        return Ok(regex);
    }
    let source = if flags.literal { regex::escape(pattern) } else { translate(pattern)? };
    let regex = RegexBuilder::new(&source)
        .case_insensitive(flags.ignore_case)
        .dot_matches_new_line(!flags.newline && !flags.partial_newline)
        .multi_line(flags.newline || flags.lines)
        .ignore_whitespace(flags.expanded)
        .size_limit(REGEX_SIZE_LIMIT_BYTES)
        .build()
        .map_err(|error| regex_error(&error))?;
    let regex = Arc::new(regex);
    COMPILED.with_borrow_mut(|cache| {
        if cache.len() >= REGEX_CACHE_LIMIT {
            cache.remove(0);
        }
        cache.push((pattern.to_owned(), flags, Arc::clone(&regex)));
    });
    Ok(regex)
}

fn regex_error(error: &regex::Error) -> QueryError {
    let text = error.to_string();
    if text.contains("look-around") || text.contains("backreferences") {
        return QueryError::unsupported("a regular expression with look-around or back references");
    }
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return QueryError::new(
            sqlstate::INVALID_REGULAR_EXPRESSION,
            "invalid regular expression: regular expression is too complex",
        );
    }
    let last = text.lines().last().unwrap_or("").trim_start_matches("error: ");
    // PostgreSQL's words where it has the same complaint.
    let reason = match last {
        "unclosed group" | "unopened group" => "parentheses () not balanced",
        "unclosed character class" => "brackets [] not balanced",
        "repetition operator missing expression" => "quantifier operand invalid",
        "unclosed counted repetition" => "braces {} not balanced",
        other if other.starts_with("invalid character class range") => "invalid character range",
        other if other.starts_with("invalid repetition count range") => "invalid repetition count(s)",
        "unrecognized escape sequence" => "invalid escape \\ sequence",
        other => other,
    };
    QueryError::new(sqlstate::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {reason}"))
}

/// PostgreSQL's escapes that are written otherwise in the regex crate.
fn translate(pattern: &str) -> Result<String> {
    let pattern = match pattern.strip_prefix("***:") {
        Some(rest) => rest,
        None => match pattern.strip_prefix("***=") {
            Some(literal) => return Ok(regex::escape(literal)),
            None => pattern,
        },
    };
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    let mut in_bracket = false;
    while let Some(c) = chars.next() {
        if c == '\\' {
            let Some(next) = chars.next() else {
                return Err(QueryError::new(
                    sqlstate::INVALID_REGULAR_EXPRESSION,
                    "invalid regular expression: invalid escape \\ sequence",
                ));
            };
            match next {
                'y' if !in_bracket => out.push_str("\\b"),
                'Y' if !in_bracket => out.push_str("\\B"),
                'm' if !in_bracket => out.push_str("\\b{start}"),
                'M' if !in_bracket => out.push_str("\\b{end}"),
                'Z' if !in_bracket => out.push_str("\\z"),
                '1'..='9' if !in_bracket => {
                    return Err(QueryError::unsupported("a regular expression with back references"));
                }
                'e' => out.push_str("\\x1B"),
                'B' => out.push_str("\\\\"),
                // Any other escaped punctuation stands for itself; the regex crate refuses some of them.
                c if c.is_ascii_alphanumeric() => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push_str(&regex::escape(&c.to_string())),
            }
            continue;
        }
        if in_bracket {
            match c {
                ']' => {
                    in_bracket = false;
                    out.push(']');
                }
                '[' if matches!(chars.peek(), Some(':')) => {
                    out.push('[');
                    for inner in chars.by_ref() {
                        out.push(inner);
                        if inner == ']' {
                            break;
                        }
                    }
                }
                // Set operators of the regex crate that are plain characters in PostgreSQL.
                '[' | '&' | '~' => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            }
            continue;
        }
        if c == '[' {
            let rest: String = chars.clone().take(6).collect();
            if rest == "[:<:]]" || rest == "[:>:]]" {
                out.push_str(if rest.contains('<') { "\\b{start}" } else { "\\b{end}" });
                for _ in 0..6 {
                    chars.next();
                }
                continue;
            }
            in_bracket = true;
            out.push('[');
            if chars.peek() == Some(&'^') {
                chars.next();
                out.push('^');
            }
            if chars.peek() == Some(&']') {
                chars.next();
                out.push_str("\\]");
            }
            continue;
        }
        if c == '{' && !chars.peek().is_some_and(char::is_ascii_digit) {
            out.push_str("\\{");
            continue;
        }
        out.push(c);
    }
    Ok(out)
}

pub(crate) fn regex_is_match(string: &str, pattern: &str, ignore_case: bool) -> Result<bool> {
    Ok(compile(pattern, Flags { ignore_case, ..Flags::default() })?.is_match(string))
}

pub(super) fn flags_of(args: &[Value], at: usize) -> Result<Flags> {
    match args.get(at) {
        Some(value) => Flags::parse(text(value)?),
        None => Ok(Flags::default()),
    }
}

/// Groups of a match, or the whole when there are none.
fn groups(captures: &Captures<'_>) -> Value {
    let from = usize::from(captures.len() > 1);
    Value::list(
        captures.iter().skip(from).map(|group| group.map_or(Value::Null, |m| Value::text(m.as_str()))).collect(),
    )
}

fn regexp_match(args: &[Value]) -> Result<Value> {
    let flags = flags_of(args, 2)?;
    if flags.global {
        return Err(QueryError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            "regexp_match() does not support the \"global\" option",
        )
        .hint("Use the regexp_matches function instead."));
    }
    let regex = compile(text(&args[1])?, flags)?;
    Ok(regex.captures(text(&args[0])?).map_or(Value::Null, |captures| groups(&captures)))
}

/// Hands the groups of the first match, or of all with the flag `g`, to `found`.
pub(crate) fn all_groups(
    string: &str,
    pattern: &str,
    flags: &str,
    mut found: impl FnMut(Value) -> Result<()>,
) -> Result<()> {
    let flags = Flags::parse(flags)?;
    let regex = compile(pattern, flags)?;
    for captures in regex.captures_iter(string).take(if flags.global { usize::MAX } else { 1 }) {
        found(groups(&captures))?;
    }
    Ok(())
}

/// `\1`…`\9` are groups, `\&` the whole match, `\\` a backslash.
fn expand(replacement: &str, captures: &Captures<'_>, out: &mut TextBuilder<'_>) -> Result<()> {
    let mut rest = replacement;
    while let Some(at) = rest.find('\\') {
        out.push(&rest[..at])?;
        let mut chars = rest[at + 1..].chars();
        match chars.next() {
            Some('&') => out.push(captures.get(0).map_or("", |m| m.as_str()))?,
            Some(digit @ '1'..='9') => {
                let group = digit.to_digit(10).unwrap_or(0) as usize;
                out.push(captures.get(group).map_or("", |m| m.as_str()))?;
            }
            Some('\\') | None => out.push_char('\\')?,
            Some(other) => {
                out.push_char('\\')?;
                out.push_char(other)?;
            }
        }
        rest = chars.as_str();
    }
    out.push(rest)
}

/// Replaces the `nth` match (1-based), or all from it on when `nth` is 0.
pub(super) fn replace(
    context: &EvalContext<'_>,
    string: &str,
    regex: &Regex,
    replacement: &str,
    start: usize,
    nth: usize,
) -> Result<Value> {
    let mut out = TextBuilder::new(context);
    let from = string.char_indices().nth(start).map_or(string.len(), |(at, _)| at);
    let mut copied = 0;
    let mut at = from;
    let mut count = 0;
    while let Some(captures) = regex.captures_at(string, at) {
        let Some(whole) = captures.get(0) else { break };
        count += 1;
        out.work(whole.end() - at)?;
        if nth == 0 || count == nth {
            out.push(&string[copied..whole.start()])?;
            expand(replacement, &captures, &mut out)?;
            copied = whole.end();
            if nth != 0 {
                break;
            }
        }
        at = if whole.end() > whole.start() {
            whole.end()
        } else {
            match string[whole.end()..].chars().next() {
                Some(c) => whole.end() + c.len_utf8(),
                None => break,
            }
        };
    }
    out.push(&string[copied..])?;
    Ok(out.finish())
}

fn split(context: &EvalContext<'_>, string: &str, pattern: &str, flags: Flags) -> Result<Value> {
    let regex = compile(pattern, flags)?;
    let mut out = ListBuilder::new(context);
    let mut from = 0;
    for found in regex.find_iter(string) {
        // Empty matches at the ends and right behind a match split nothing.
        if found.is_empty() && (found.start() == from || found.end() == string.len()) {
            continue;
        }
        out.push(Value::text(&string[from..found.start()]))?;
        from = found.end();
    }
    out.push(Value::text(&string[from..]))?;
    Ok(out.finish())
}

pub(super) fn positive(value: &Value, what: &str) -> Result<usize> {
    let number = int(value)?;
    usize::try_from(number).ok().filter(|n| *n > 0).ok_or_else(|| {
        QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{what}\": {number}"))
    })
}

/// `substring(string from pattern)`: the first group, or the whole match.
fn substring(string: &str, pattern: &str) -> Result<Value> {
    let regex = compile(pattern, Flags::default())?;
    Ok(match regex.captures(string) {
        None => Value::Null,
        Some(captures) => {
            let group = if captures.len() > 1 { captures.get(1) } else { captures.get(0) };
            group.map_or(Value::Null, |m| Value::text(m.as_str()))
        }
    })
}

pub(super) fn register(t: &mut Table) {
    t.section("Pattern matching");
    t.f("like(text, text) -> bool", |_, a| Ok(Value::Bool(like(text(&a[0])?, text(&a[1])?, false)?)));
    t.f("notlike(text, text) -> bool", |_, a| Ok(Value::Bool(!like(text(&a[0])?, text(&a[1])?, false)?)));
    t.f("like_escape(text, text) -> text", |_, a| Ok(Value::text(like_escape(text(&a[0])?, text(&a[1])?)?)));
    t.f("similar_to_escape(text) -> text", |_, a| Ok(Value::text(similar_to(text(&a[0])?, "\\")?)));
    t.f("similar_to_escape(text, text) -> text", |_, a| Ok(Value::text(similar_to(text(&a[0])?, text(&a[1])?)?)));
    t.f("regexp_like(text, text) -> bool", |_, a| {
        Ok(Value::Bool(compile(text(&a[1])?, Flags::default())?.is_match(text(&a[0])?)))
    });
    t.f("regexp_like(text, text, text) -> bool", |_, a| {
        Ok(Value::Bool(compile(text(&a[1])?, flags_of(a, 2)?)?.is_match(text(&a[0])?)))
    });
    t.f("regexp_match(text, text) -> text[]", |_, a| regexp_match(a));
    t.f("regexp_match(text, text, text) -> text[]", |_, a| regexp_match(a));
    t.f("regexp_replace(text, text, text) -> text", |c, a| {
        let regex = compile(text(&a[1])?, Flags::default())?;
        replace(c, text(&a[0])?, &regex, text(&a[2])?, 0, 1)
    });
    t.f("regexp_replace(text, text, text, text) -> text", |c, a| {
        let flags = flags_of(a, 3)?;
        let regex = compile(text(&a[1])?, flags)?;
        replace(c, text(&a[0])?, &regex, text(&a[2])?, 0, usize::from(!flags.global))
    });
    t.f("regexp_replace(text, text, text, int4, int4) -> text", |c, a| {
        let regex = compile(text(&a[1])?, Flags::default())?;
        let start = positive(&a[3], "start")? - 1;
        let nth = usize::try_from(int(&a[4])?).map_err(|_| {
            QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "invalid value for parameter \"n\": negative")
        })?;
        replace(c, text(&a[0])?, &regex, text(&a[2])?, start, nth)
    });
    t.f("regexp_count(text, text) -> int4", |_, a| {
        Ok(Value::Int(compile(text(&a[1])?, Flags::default())?.find_iter(text(&a[0])?).count() as i64))
    });
    t.f("regexp_substr(text, text) -> text", |_, a| {
        let regex = compile(text(&a[1])?, Flags::default())?;
        Ok(regex.find(text(&a[0])?).map_or(Value::Null, |m| Value::text(m.as_str())))
    });
    t.f("regexp_instr(text, text) -> int4", |_, a| {
        let (string, regex) = (text(&a[0])?, compile(text(&a[1])?, Flags::default())?);
        Ok(Value::Int(regex.find(string).map_or(0, |m| string[..m.start()].chars().count() as i64 + 1)))
    });
    t.f("regexp_split_to_array(text, text) -> text[]", |c, a| split(c, text(&a[0])?, text(&a[1])?, Flags::default()));
    t.f("regexp_split_to_array(text, text, text) -> text[]", |c, a| {
        split(c, text(&a[0])?, text(&a[1])?, flags_of(a, 2)?)
    });
    t.f("substring(text, text) -> text", |_, a| substring(text(&a[0])?, text(&a[1])?));
    t.f("substring(text, text, text) -> text", |_, a| {
        let pattern = similar_to(text(&a[1])?, text(&a[2])?)?;
        substring(text(&a[0])?, &pattern)
    });
}
