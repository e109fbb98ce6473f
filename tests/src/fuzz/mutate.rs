//! Mutations by token: what comes out looks enough like a statement to get past the parser at times.

use std::ops::Range;

use crate::crash::random::Random;

/// Values and words that are worth a try anywhere.
const SPICE: [&str; 34] = [
    "null",
    "true",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "0.0",
    "''",
    "'\\u0000'",
    "'é𝄞'",
    "[]",
    "{}",
    "[null]",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    "..",
    "|",
    "*",
    "-",
    "$1",
    "n",
    "x",
    "count(*)",
    "range(0, 1000000)",
    "date('2024-02-30')",
    "duration('P1M')",
    "AS",
];
/// Repetitions of a part.
const MOST_REPETITIONS: u64 = 300;

/// One input made of those kept, by a few random changes.
pub fn mutated(random: &mut Random, corpus: &[String]) -> String {
    let mut text = random.pick(corpus).cloned().unwrap_or_default();
    for _ in 0..1 + random.below(4) {
        text = changed(random, &text, corpus);
    }
    text
}

fn tokens(text: &str) -> Vec<Range<usize>> {
    sinew_query::cypher::token_spans(text)
}

fn changed(random: &mut Random, text: &str, corpus: &[String]) -> String {
    let spans = tokens(text);
    if spans.is_empty() {
        return random.pick(&SPICE).copied().unwrap_or_default().to_owned();
    }
    let at = random.below(spans.len() as u64) as usize;
    let length = 1 + random.below(6) as usize;
    let part = spans[at].start..spans[(at + length).min(spans.len()) - 1].end;
    let one = spans[at].clone();
    match random.below(10) {
        0 => replaced(text, part, ""),
        1 => replaced(text, one, random.pick(&SPICE).unwrap_or(&"")),
        2 => {
            let spice = format!("{} {}", random.pick(&SPICE).unwrap_or(&""), &text[one.clone()]);
            replaced(text, one, &spice)
        }
        3 => {
            let times = if random.percent(80) { 2 } else { 2 + random.below(MOST_REPETITIONS) };
            let repeated = vec![&text[part.clone()]; times as usize].join(" ");
            replaced(text, part, &repeated)
        }
        4 => {
            let other = spans[random.below(spans.len() as u64) as usize].clone();
            let inserted = text[other].to_owned();
            replaced(text, one, &inserted)
        }
        5..=7 => {
            let other = random.pick(corpus).cloned().unwrap_or_default();
            let spans = tokens(&other);
            let Some(from) = spans.get(random.below(spans.len() as u64) as usize) else { return text.to_owned() };
            let end = random.below(spans.len() as u64) as usize;
            let inserted = &other[from.start..spans[end].end.max(from.end)];
            match random.below(3) {
                0 => replaced(text, one, inserted),
                1 => replaced(text, part, inserted),
                _ => format!("{} {inserted}", &text[..one.start]),
            }
        }
        8 => {
            let (open, close) = *random
                .pick(&[("(", ")"), ("[", "]"), ("{a: ", "}"), ("NOT (", ")"), ("size(", ")")])
                .unwrap_or(&("", ""));
            let wrapped = format!("{open}{}{close}", &text[part.clone()]);
            replaced(text, part, &wrapped)
        }
        _ => {
            // Any character, at any place.
            let place = random.below(text.len() as u64 + 1) as usize;
            let place = (0..=place).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
            let c = char::from_u32(random.below(0x300) as u32).unwrap_or('?');
            replaced(text, place..place, &c.to_string())
        }
    }
}

fn replaced(text: &str, range: Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}
