//! Random Cypher, run in many ways that must agree.
//!
//! A small random graph is made, at times with indexes; then random statements run about it by the simple and the
//! extended protocol, with constants and with parameters, with a plan that is kept and without, and with and without the
//! optimizer (which alone uses indexes). Statements of nothing but MATCH are compared with a matcher that tries
//! everything, too ([`mod@reference`]). What a statement writes is compared by looking at the whole graph afterwards. Equal
//! seeds give equal statements, and a difference is shown with the smallest statement found that has it.
//!
//! Statements are made so that their results are promised: nothing depends on the order in which a pattern is matched, and
//! expressions do not fail.

mod expressions;
mod generator;
mod graph;
mod pattern;
mod queries;
mod reference;
mod writes;

use std::io;
use std::time::Instant;

use crate::compare::start_sinew;
use crate::crash::random::Random;
use crate::random_sql::check::{Engines, Statement, Verdict};
use crate::random_sql::generator::sql;
use crate::random_sql::tree::{listed, text};
use crate::random_sql::{Options, Report, memory_mib};
use generator::Generator;
use graph::Graph;
use pattern::{Names, Path};

/// Statements about one graph; the first half of them read only, and a third of those are of nothing but MATCH.
const STATEMENTS_PER_GRAPH: u64 = 120;
const FAULT_LIMIT: usize = 20;
/// A graph that has grown beyond is made anew.
const NODE_LIMIT: u64 = 40;
const RELATIONSHIP_LIMIT: u64 = 80;

const INDEXES: [&str; 6] = [
    "CREATE INDEX random_a_i FOR (n:A) ON (n.i)",
    "CREATE INDEX random_b_s FOR (n:B) ON (n.s)",
    "CREATE INDEX random_c_m FOR (n:C) ON (n.m)",
    "CREATE INDEX random_a_d FOR (n:A) ON (n.d)",
    "CREATE INDEX random_r_i FOR ()-[r:R]-() ON (r.i)",
    "CREATE INDEX random_s_m FOR ()-[r:S]-() ON (r.m)",
];

/// Everything there is, in one order.
const WHOLE_GRAPH: &str = "CALL { MATCH (n) RETURN labels(n) AS a, properties(n) AS b, null AS c \
    UNION ALL MATCH (x)-[r]->(y) RETURN [type(r)] AS a, properties(r) AS b, [properties(x), properties(y)] AS c } \
    RETURN a, b, c ORDER BY a, b, c";

/// Runs random Cypher against a server on a temporary directory.
pub fn run(options: &Options) -> io::Result<Report> {
    let directory = tempfile::tempdir()?;
    let (mut server, address) = start_sinew(&options.program, directory.path())?;
    let mut engines = Engines::open(&address, None)?;
    let mut report = Report { seed: options.seed, ..Report::default() };
    let began = Instant::now();
    let mut round = 0;
    loop {
        round += 1;
        let mut random = Random::new(&[options.seed, round]);
        let graph = Graph::random(&mut random);
        prepare(&mut engines, &graph)?;
        let indexes: Vec<&str> = INDEXES.into_iter().filter(|_| random.percent(50)).collect();
        for index in &indexes {
            engines.prepare(index)?;
        }
        for number in 1..=STATEMENTS_PER_GRAPH {
            let is_late = options.time_limit.is_some_and(|limit| began.elapsed() >= limit);
            if is_late || report.statements >= options.statements || report.faults.len() >= FAULT_LIMIT {
                report.memory_mib = memory_mib(server.process_id());
                report.with_rows = engines.with_rows;
                return Ok(report);
            }
            let random = Random::new(&[options.seed, round, number]);
            let statement = statement(random, &graph, number);
            let text = statement.node.with_literals();
            let writes = statement.effect.is_some();
            report.statements += 1;
            match engines.check(statement)? {
                Verdict::Agreed if writes => {
                    engines.prepare(&text)?;
                    if engines.count("MATCH (n) RETURN count(n) AS c")? > NODE_LIMIT
                        || engines.count("MATCH ()-[r]->() RETURN count(r) AS c")? > RELATIONSHIP_LIMIT
                    {
                        prepare(&mut engines, &graph)?;
                    }
                }
                Verdict::Agreed => {}
                Verdict::Failed => report.failed += 1,
                Verdict::Passed(reason) => *report.passed.entry(reason).or_default() += 1,
                Verdict::Differs(difference) => report.faults.push(format!("graph {round}\n{difference}")),
            }
            if let Some(status) = server.ended() {
                report.faults.push(format!("the server ended with {status} at: {text}"));
                return Ok(report);
            }
        }
        for index in indexes {
            let name = index.split(' ').nth(2).unwrap_or_default();
            engines.prepare(&format!("DROP INDEX {name}"))?;
        }
    }
}

fn prepare(engines: &mut Engines, graph: &Graph) -> io::Result<()> {
    graph.statements().iter().try_for_each(|statement| engines.prepare(statement))
}

fn statement(random: Random, graph: &Graph, number: u64) -> Statement {
    let mut generator = Generator::new(random);
    let reads_only = number <= STATEMENTS_PER_GRAPH / 2;
    if reads_only && number.is_multiple_of(3) {
        return matching(&mut generator, graph);
    }
    if !reads_only && generator.random.percent(50) {
        let node = generator.write();
        return Statement { node, is_ordered: false, effect: Some(WHOLE_GRAPH.to_owned()), expected: None };
    }
    let query = generator.query();
    Statement { node: query.part, is_ordered: query.is_ordered, effect: None, expected: None }
}

/// `MATCH paths RETURN` the uids of all that has a name, with the rows that the reference finds.
fn matching(generator: &mut Generator, graph: &Graph) -> Statement {
    let mut names = Names::default();
    let paths: Vec<Path> =
        (0..generator.random.between(1, 3)).map(|_| Path::random(&mut generator.random, &mut names, 2, true)).collect();
    let columns: Vec<String> = [&names.nodes[..], &names.relationships, &names.lists].concat();
    let expected = reference::rows(graph, &paths, &columns).filter(|_| !columns.is_empty());
    let mut items: Vec<_> =
        names.nodes.iter().chain(&names.relationships).map(|name| text(format!("{name}.uid AS {name}"))).collect();
    items.extend(names.lists.iter().map(|name| {
        text(format!(
            "reduce(t = '', e IN {name} | t + CASE t WHEN '' THEN '' ELSE '-' END + toString(e.uid)) AS {name}"
        ))
    }));
    if items.is_empty() {
        items.push(text("count(*) AS c1"));
    }
    let node = sql!["MATCH ", pattern::written(&paths), " RETURN ", listed("", items, ", ", "")];
    // What was left out of the statement to make it smaller would make other rows right.
    Statement { node, is_ordered: false, effect: None, expected }
}
