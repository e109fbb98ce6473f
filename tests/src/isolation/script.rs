//! The text of a script: read, compared, written back.

/// The line of a step that has not ended.
pub(super) const WAITS: &str = "   … waits";
const CONTINUES: &str = ": … continues";
const INDENT: &str = "   ";

pub(super) struct Script {
    /// Lines above the first case.
    pub head: Vec<Item>,
    pub cases: Vec<Case>,
}

pub(super) struct Case {
    /// 1-based line of its header.
    pub line: usize,
    pub title: String,
    /// At least one.
    pub levels: Vec<String>,
    /// The header names the levels.
    names_levels: bool,
    pub items: Vec<Item>,
}

pub(super) enum Item {
    /// A comment or an empty line.
    Text(String),
    Setup(String),
    Step(Step),
}

pub(super) struct Step {
    /// 1-based.
    pub line: usize,
    pub session: String,
    pub statement: String,
    /// Outcomes of which each will do, as the lines below the step; at least one.
    pub expected: Vec<Vec<String>>,
}

impl Step {
    /// Whether `actual` is one of the outcomes.
    pub fn allows(&self, actual: &[String]) -> bool {
        self.expected.iter().any(|outcome| {
            outcome.len() == actual.len()
                && outcome.iter().zip(actual).all(|(expected, actual)| line_matches(expected, actual))
        })
    }
}

impl Case {
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.items.iter().filter_map(|item| match item {
            Item::Step(step) => Some(step),
            Item::Text(_) | Item::Setup(_) => None,
        })
    }

    /// Whether every step gave one of its outcomes.
    pub fn allows(&self, blocks: &[Vec<String>]) -> bool {
        blocks.len() == self.steps().count() && self.steps().zip(blocks).all(|(step, block)| step.allows(block))
    }

    pub fn render_header(&self, out: &mut String, levels: &[String]) {
        out.push_str("== ");
        out.push_str(&self.title);
        if self.names_levels {
            out.push_str(&format!(" [{}]", levels.join(", ")));
        }
        out.push('\n');
    }
}

/// The line a session's late output begins with.
pub(super) fn continues(session: &str) -> String {
    format!("{session}{CONTINUES}")
}

pub(super) fn indented(line: &str) -> String {
    format!("{INDENT}{line}")
}

/// `ERROR sqlstate` stands for any message.
fn line_matches(expected: &str, actual: &str) -> bool {
    let is_bare_error =
        expected.trim_start().starts_with("ERROR ") && expected.trim_start().len() == "ERROR 00000".len();
    expected == actual || is_bare_error && actual.strip_prefix(expected).is_some_and(|rest| rest.starts_with(':'))
}

/// Errors name the line: `12: …`.
pub(super) fn parse(text: &str) -> Result<Script, String> {
    let mut script = Script { head: Vec::new(), cases: Vec::new() };
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(header) = line.strip_prefix("== ") {
            script.cases.push(parse_header(header, number));
            continue;
        }
        let in_head = script.cases.is_empty();
        let items = script.cases.last_mut().map_or(&mut script.head, |case| &mut case.items);
        if line.starts_with(INDENT) || line.ends_with(CONTINUES) || line == "or" {
            let Some(Item::Step(step)) = items.last_mut() else {
                return Err(format!("{number}: output without a step above it"));
            };
            if line == "or" {
                step.expected.push(Vec::new());
            } else {
                step.expected.last_mut().expect("a step has an outcome").push(line.to_owned());
            }
        } else if line.trim().is_empty() || line.starts_with('#') {
            items.push(Item::Text(line.to_owned()));
        } else if let Some(statement) = line.strip_prefix("setup: ") {
            items.push(Item::Setup(statement.to_owned()));
        } else {
            match line.split_once(": ") {
                Some((session, statement)) if !in_head && session.chars().all(|c| c.is_ascii_lowercase()) => {
                    items.push(Item::Step(Step {
                        line: number,
                        session: session.to_owned(),
                        statement: statement.to_owned(),
                        expected: vec![Vec::new()],
                    }));
                }
                _ => return Err(format!("{number}: neither a step nor output, setup, a case or a comment")),
            }
        }
    }
    Ok(script)
}

fn parse_header(header: &str, line: usize) -> Case {
    let bracketed = header.strip_suffix(']').and_then(|rest| rest.rsplit_once(" ["));
    let (title, levels) = match bracketed {
        Some((title, levels)) => (title, levels.split(", ").map(str::to_owned).collect()),
        None => (header, vec!["read committed".to_owned()]),
    };
    Case { line, title: title.to_owned(), levels, names_levels: bracketed.is_some(), items: Vec::new() }
}

/// The lines of a case, with `blocks` below its steps where they are none of the outcomes.
pub(super) fn render_items(items: &[Item], blocks: &[Vec<String>]) -> String {
    let mut blocks = blocks.iter();
    let mut out = String::new();
    let mut push = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    for item in items {
        match item {
            Item::Text(line) => push(line),
            Item::Setup(statement) => push(&format!("setup: {statement}")),
            Item::Step(step) => {
                push(&format!("{}: {}", step.session, step.statement));
                match blocks.next() {
                    Some(block) if !step.allows(block) => {
                        for line in block {
                            push(line);
                        }
                    }
                    _ => push_outcomes(&step.expected, &mut push),
                }
            }
        }
    }
    out
}

fn push_outcomes(outcomes: &[Vec<String>], push: &mut impl FnMut(&str)) {
    for (index, outcome) in outcomes.iter().enumerate() {
        if index > 0 {
            push("or");
        }
        for line in outcome {
            push(line);
        }
    }
}
