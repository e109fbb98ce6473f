//! One statement in all the ways there are to run it, and whether the answers agree.

use std::io;
use std::time::Duration;

use super::tree::Node;
use crate::compare::shown;
use crate::protocol::{Address, Answer, Connection};

/// A statement that runs longer is left out.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '10s'";
/// One with daylight saving time.
const ZONE: &str = "SET TimeZone = 'America/New_York'";
/// A server that is silent for longer hangs.
const SILENCE: Duration = Duration::from_secs(60);
const FEATURE_NOT_SUPPORTED: &str = "0A000";
const QUERY_CANCELED: &str = "57014";
const INTERNAL_ERROR: &str = "XX000";
/// Executions that making a statement smaller may take.
const SHRINK_TRIES: usize = 400;

/// What is compared.
pub struct Statement {
    pub node: Node,
    /// Rows are compared in their order.
    pub is_ordered: bool,
    /// Shows what a statement that writes has left behind; it runs in a transaction that is rolled back.
    pub effect: Option<String>,
    /// The rows that it must give, when they are known.
    pub expected: Option<Vec<Vec<Option<String>>>>,
}

/// How a statement came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Agreed,
    /// All say that it is an error.
    Failed,
    /// An engine does not have something, or the time was up.
    Passed(String),
    Differs(String),
}

/// The engines under comparison.
pub struct Engines {
    sinew: Engine,
    /// Plans as they were bound.
    unoptimized: Engine,
    postgres: Option<Engine>,
    /// Makes texts that no plan is kept for.
    fresh: u64,
    /// Statements that all agreed about, and that gave rows.
    pub with_rows: u64,
}

struct Engine {
    name: &'static str,
    address: Address,
    setup: Vec<String>,
    connection: Connection,
}

impl Engine {
    fn open(name: &'static str, address: &Address, setup: &[&str]) -> io::Result<Engine> {
        let connection = Connection::open(address, SILENCE)?;
        let mut setup: Vec<String> = setup.iter().map(|text| (*text).to_owned()).collect();
        setup.push(STATEMENT_TIMEOUT.to_owned());
        let mut engine = Engine { name, address: address.clone(), setup, connection };
        engine.set_up()?;
        Ok(engine)
    }

    fn set_up(&mut self) -> io::Result<()> {
        for statement in &self.setup {
            if let Some(error) = self.connection.simple(statement)?.error {
                return Err(io::Error::other(format!("{}: {statement}: {}", self.name, error.message)));
            }
        }
        Ok(())
    }

    fn reconnect(&mut self) -> io::Result<()> {
        self.connection = Connection::open(&self.address, SILENCE)?;
        self.set_up()
    }

    /// The statement's answer, and that of `effect` when it writes.
    fn run(&mut self, way: Way<'_>, effect: Option<&str>) -> io::Result<Vec<Answer>> {
        let run = |connection: &mut Connection| match way {
            Way::Text(text) => connection.simple(text),
            Way::Parameters(text, parameters) => connection.extended(text, parameters),
        };
        let Some(effect) = effect else { return Ok(vec![run(&mut self.connection)?]) };
        self.connection.simple("BEGIN")?;
        let mut answers = vec![run(&mut self.connection)?];
        if answers[0].error.is_none() {
            answers.push(self.connection.simple(effect)?);
        }
        self.connection.simple("ROLLBACK")?;
        Ok(answers)
    }
}

#[derive(Clone, Copy)]
enum Way<'a> {
    Text(&'a str),
    Parameters(&'a str, &'a [(u32, Option<String>)]),
}

impl Engines {
    pub fn open(sinew: &Address, postgres: Option<&Address>) -> io::Result<Engines> {
        let unoptimized = Engine::open("Sinew without optimizer", sinew, &[ZONE, "SET sinew.optimizer = off"])?;
        let postgres = match postgres {
            // Parallel workers and compilation only cost time here.
            Some(address) => Some(Engine::open(
                "PostgreSQL",
                address,
                &[ZONE, "SET max_parallel_workers_per_gather = 0", "SET jit = off"],
            )?),
            None => None,
        };
        Ok(Engines { sinew: Engine::open("Sinew", sinew, &[ZONE])?, unoptimized, postgres, fresh: 0, with_rows: 0 })
    }

    /// Runs a statement that must succeed in both engines.
    pub fn prepare(&mut self, statement: &str) -> io::Result<()> {
        let engines = [Some(&mut self.sinew), self.postgres.as_mut()];
        for engine in engines.into_iter().flatten() {
            if let Some(error) = engine.connection.simple(statement)?.error {
                let message = format!("{}: {statement}: {} {}", engine.name, error.sqlstate, error.message);
                return Err(io::Error::other(message));
            }
        }
        Ok(())
    }

    /// The number that a query of Sinew's gives.
    pub fn count(&mut self, query: &str) -> io::Result<u64> {
        let answer = self.sinew.connection.simple(query)?;
        let cell = answer.rows.first().and_then(|row| row.first()).cloned().flatten();
        let number = cell.and_then(|text| text.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("{query}: no number: {:?}", answer.error)))
    }

    /// Whether both engines run a statement.
    pub fn both_have(&mut self, statement: &str) -> io::Result<bool> {
        let engines = [Some(&mut self.sinew), self.postgres.as_mut()];
        for engine in engines.into_iter().flatten() {
            if engine.connection.simple(statement)?.error.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs a statement in every way. A difference is shown with the smallest statement found that has one.
    pub fn check(&mut self, statement: Statement) -> io::Result<Verdict> {
        let verdict = self.compare(&statement)?;
        let Verdict::Differs(first) = verdict else { return Ok(verdict) };
        // Other rows are right for a smaller statement.
        let Statement { node, is_ordered, effect, expected: _ } = statement;
        let whole = node.with_literals();
        let mut shows = |node: &Node| {
            let candidate = Statement { node: node.clone(), is_ordered, effect: effect.clone(), expected: None };
            matches!(self.compare(&candidate), Ok(Verdict::Differs(_)))
        };
        let smallest = node.shrunk(SHRINK_TRIES, &mut shows);
        let last = Statement { node: smallest, is_ordered, effect, expected: None };
        let shown = match self.compare(&last)? {
            Verdict::Differs(shown) => shown,
            // It does not show every time.
            _ => first,
        };
        Ok(Verdict::Differs(format!("{shown}\n  made smaller from: {whole}")))
    }

    fn compare(&mut self, statement: &Statement) -> io::Result<Verdict> {
        let literals = statement.node.with_literals();
        let (parameterized, parameters) = statement.node.with_parameters();
        self.fresh += 1;
        let fresh = format!("{literals} /* {} */", self.fresh);
        let effect = statement.effect.as_deref();
        let text = Way::Text(&literals);
        let bound = Way::Parameters(&parameterized, &parameters);
        let mut ways = vec![(&mut self.sinew, text, "as text"), (&mut self.unoptimized, text, "as text")];
        if let Some(postgres) = &mut self.postgres {
            ways.push((postgres, text, "as text"));
        }
        let mut known: Option<(String, Vec<Answer>)> = None;
        let mut verdict = Verdict::Agreed;
        for (engine, way, how) in ways {
            if let Some(found) = one_way(engine, way, how, effect, statement, &literals, &mut known)? {
                verdict = found;
            }
            if !matches!(verdict, Verdict::Agreed | Verdict::Failed) {
                return Ok(verdict);
            }
        }
        // The second run of a text finds its plan; a comment makes it a text that no plan is kept for.
        let again = [
            (text, "as text, again"),
            (Way::Text(&fresh), "as text without a kept plan"),
            (bound, "with parameters"),
            (bound, "with parameters, again"),
        ];
        for (way, how) in again {
            let found = one_way(&mut self.sinew, way, how, effect, statement, &literals, &mut known)?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        let found = one_way(&mut self.unoptimized, bound, "with parameters", effect, statement, &literals, &mut known)?;
        if found.is_none() && known.is_some_and(|(_, answers)| !answers[0].rows.is_empty()) {
            self.with_rows += 1;
        }
        Ok(found.unwrap_or(verdict))
    }
}

/// Runs a statement in one way and compares with what is known. None when they agree on rows.
fn one_way(
    engine: &mut Engine,
    way: Way<'_>,
    how: &str,
    effect: Option<&str>,
    statement: &Statement,
    text: &str,
    known: &mut Option<(String, Vec<Answer>)>,
) -> io::Result<Option<Verdict>> {
    let title = format!("{}, {how}", engine.name);
    let answers = match engine.run(way, effect) {
        Ok(answers) => answers,
        Err(error) => {
            engine.reconnect()?;
            return Ok(Some(Verdict::Differs(format!("  {text}\n  {title}: the connection is lost: {error}"))));
        }
    };
    if let Some(error) = answers.iter().find_map(|answer| answer.error.as_ref()) {
        match error.sqlstate.as_str() {
            FEATURE_NOT_SUPPORTED | QUERY_CANCELED => return Ok(Some(Verdict::Passed(error.message.clone()))),
            INTERNAL_ERROR => {
                return Ok(Some(Verdict::Differs(format!("  {text}\n  {title}: {}", error.message))));
            }
            _ => {}
        }
    }
    let failed = answers.iter().any(|answer| answer.error.is_some());
    if let Some(expected) = &statement.expected
        && let Some(difference) = unexpected(expected, &answers[0])
    {
        return Ok(Some(Verdict::Differs(format!("  {text}\n  {title}: {difference}"))));
    }
    match known {
        None => {
            *known = Some((title, answers));
            Ok(failed.then_some(Verdict::Failed))
        }
        Some((first, expected)) if !agree(expected, &answers, statement, text) => {
            let both = [(first.as_str(), &*expected), (title.as_str(), &answers)];
            let mut out = format!("  {text}");
            for (title, answers) in both {
                out.push_str(&format!("\n  {title}:"));
                for line in answers
                    .iter()
                    .flat_map(|answer| shown(answer).lines().map(str::to_owned).collect::<Vec<_>>())
                    .take(25)
                {
                    out.push_str(&format!("\n    {line}"));
                }
            }
            Ok(Some(Verdict::Differs(out)))
        }
        Some(_) => Ok(None),
    }
}

/// The first row that an answer has too often or not often enough.
fn unexpected(expected: &[Vec<Option<String>>], answer: &Answer) -> Option<String> {
    if let Some(error) = &answer.error {
        return Some(format!("{} {}", error.sqlstate, error.message));
    }
    // A text is quoted in jsonb.
    let plain = |cell: &Option<String>| cell.as_ref().map(|text| text.trim_matches('"').to_owned());
    let mut found: Vec<Vec<Option<String>>> = answer.rows.iter().map(|row| row.iter().map(plain).collect()).collect();
    let mut expected = expected.to_vec();
    found.sort();
    expected.sort();
    let at = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    let at = at.or((found.len() != expected.len()).then_some(found.len().min(expected.len())))?;
    let (rows, right) = (found.len(), expected.len());
    Some(format!("{rows} rows, {right} expected; sorted, row {at} is {:?}, not {:?}", found.get(at), expected.get(at)))
}

/// Whether two answers are the same: columns, rows as lists or as multisets, the class of errors.
fn agree(left: &[Answer], right: &[Answer], statement: &Statement, text: &str) -> bool {
    // Which of several equal values stands for all is nobody's promise: 1.0 or 1.00.
    let picks = ["DISTINCT", "GROUP BY", "UNION", "INTERSECT", "EXCEPT", "min(", "max(", "LIMIT"];
    let normalized = picks.iter().any(|word| text.contains(word));
    left.len() == right.len()
        && left.iter().zip(right).enumerate().all(|(index, (left, right))| match (&left.error, &right.error) {
            (Some(left), Some(right)) => left.sqlstate.get(..2) == right.sqlstate.get(..2),
            (None, None) => {
                let columns = |answer: &Answer| {
                    let column = |column: &crate::protocol::Column| (column.name.clone(), column.type_oid);
                    answer.columns.iter().map(column).collect::<Vec<_>>()
                };
                let is_ordered = index > 0 || statement.is_ordered;
                left.tag == right.tag
                    && columns(left) == columns(right)
                    && rows(left, is_ordered, normalized) == rows(right, is_ordered, normalized)
            }
            _ => false,
        })
}

fn rows(answer: &Answer, is_ordered: bool, normalized: bool) -> Vec<Vec<Option<String>>> {
    let cell = |cell: &Option<String>| match cell {
        Some(text) if normalized => Some(without_trailing_zeros(text)),
        other => other.clone(),
    };
    let mut rows: Vec<Vec<Option<String>>> = answer.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    if !is_ordered {
        rows.sort();
    }
    rows
}

/// `1.50, 2.00` as `1.5, 2`.
fn without_trailing_zeros(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(point) = rest.find('.') {
        let (before, after) = rest.split_at(point);
        let digits = after[1..].find(|c: char| !c.is_ascii_digit()).map_or(after.len(), |end| end + 1);
        let fraction = after[..digits].trim_end_matches('0');
        out.push_str(before);
        out.push_str(if fraction == "." { "" } else { fraction });
        rest = &after[digits..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::without_trailing_zeros;

    #[test]
    fn only_zeros_behind_a_point_go() {
        assert_eq!(without_trailing_zeros("1.50 100 2.00, [3.0] 10.010"), "1.5 100 2, [3] 10.01");
    }
}
