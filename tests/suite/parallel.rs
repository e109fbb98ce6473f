//! Tables that are large enough to be read by several threads: the answers are those of one.

use sinew::{Database, Session};

const ROWS: usize = 80_000;

fn large_table(session: &mut Session) {
    session
        .query(
            "CREATE TABLE t (id int PRIMARY KEY, g int, big int8, x float8, n numeric(12, 4), s text, at timestamp)",
            &[],
        )
        .expect("the table is created");
    let insert = format!(
        "INSERT INTO t SELECT i, nullif(i * 7919 % 1000, 13), i::int8 * 1000003, nullif(i % 97, 5) * 0.37, \
         nullif(i % 1009, 7) / 8.0, nullif('name ' || i % 331, 'name 9'), timestamp '2024-01-01' + i * interval '1 minute' \
         FROM generate_series(1, {ROWS}) i"
    );
    session.query(&insert, &[]).expect("rows are inserted");
    session.query("DELETE FROM t WHERE id BETWEEN 20000 AND 20400", &[]).expect("a gap is made");
}

#[test]
fn aggregates_of_a_large_table_are_those_of_one_thread() {
    let database = Database::in_memory().expect("a database in memory opens");
    let mut session = database.session();
    large_table(&mut session);
    let queries = [
        "SELECT count(*), count(g), sum(g), avg(g), min(g), max(g), sum(big), avg(big) FROM t WHERE g > 17",
        "SELECT g, count(*), avg(big), min(at), max(s) FROM t GROUP BY g",
        "SELECT s, count(*), sum(n), avg(n), min(n) FROM t GROUP BY s",
        "SELECT avg(x), sum(x), stddev(x), max(x) FROM t",
        "SELECT g, s, sum(x), count(*) FILTER (WHERE x > 3) FROM t WHERE id % 3 = 0 GROUP BY g, s",
        "SELECT count(DISTINCT s), array_agg(id ORDER BY id DESC) FILTER (WHERE id % 9999 = 0) FROM t",
        "SELECT g % 3, string_agg(s, ',') FILTER (WHERE id % 5000 = 1) FROM t GROUP BY 1",
        "SELECT max(length(s || id::text)), bool_and(id > 0), sum(case when g is null then 1 else 0 end) FROM t",
        "SELECT count(*) FROM (SELECT DISTINCT s FROM t) d",
        "SELECT min(id) FROM t WHERE false",
        "SELECT g, sum(1 / (id - 70000)) FROM t GROUP BY g",
        "SELECT sum(1 / (id - 30000)), max(ln(id - 50000)) FROM t",
    ];
    for query in queries {
        let mut answers = ["0", "2"].map(|helpers| {
            session.query(&format!("SET max_parallel_workers_per_gather = {helpers}"), &[]).expect("SET");
            match session.query(query, &[]) {
                Ok(result) => format!("{:?}", result.rows),
                Err(error) => format!("{} {error}", error.sqlstate()),
            }
        });
        let [alone, helped] = &mut answers;
        assert!(alone == helped, "{query}\nalone:  {alone:.500}\nhelped: {helped:.500}");
    }
}

#[test]
fn own_rows_are_aggregated_too() {
    let database = Database::in_memory().expect("a database in memory opens");
    let mut session = database.session();
    large_table(&mut session);
    session.query("BEGIN", &[]).expect("BEGIN");
    session.query("INSERT INTO t (id, g) VALUES (-1, -1)", &[]).expect("INSERT");
    let rows = session.query("SELECT count(id), min(g), max(id) FROM t", &[]).expect("SELECT").rows;
    let expected = format!("[[Int({}), Int(-1), Int({ROWS})]]", ROWS - 401 + 1);
    assert_eq!(format!("{rows:?}"), expected);
}
