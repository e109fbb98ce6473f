"""Cypher through psycopg 3: parameters and results of each type, COPY, cursors, prepared statements, transactions.

Usage: psycopg3_cypher.py PORT. It makes nodes with labels of its own (Wire…) and removes them.
"""

import datetime
import json
import re
import sys
import uuid
from decimal import Decimal

import psycopg
from psycopg import errors, postgres
from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int2, Int4, Int8

UTC = datetime.timezone.utc
PEOPLE = """
CREATE (:WirePerson {name: 'Ann', age: 30, weight: 61.5, ok: true, born: date('1990-01-02'), wakes: localtime('06:30'),
  seen: datetime('2020-01-01T10:00Z'), moved: localdatetime('2019-05-06T07:08:09.25'), takes: duration('P1DT2H'), tags: ['a', 'b']}),
  (:WirePerson {name: 'Bo', age: 40, weight: 70, ok: false, born: date('1991-01-02'), wakes: localtime('07:00'),
  seen: datetime('2021-01-01T10:00Z'), moved: localdatetime('2020-05-06T07:08:09'), takes: duration('PT1S'), tags: []})
"""


def main(port: int) -> None:
    with psycopg.connect(f"host=127.0.0.1 port={port} user=ann dbname=sinew", autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(PEOPLE)
        connection.execute("UNWIND range(1, 3000) AS i CREATE (:WireRow {i: i, s: 'row ' + i})")
        try:
            parameters(connection)
            lists(connection)
            columns(connection)
            described(connection)
            copies(connection)
            cursors(connection)
            prepared(connection)
            explained(connection)
            relation(connection)
            transactions(connection)
            refusals(connection)
        finally:
            connection.execute("MATCH (n) WHERE n:WirePerson OR n:WireRow DETACH DELETE n")
    print("psycopg 3, Cypher: ok")


def types(cursor: psycopg.Cursor) -> list[str]:
    return [postgres.types[column.type_code].name for column in cursor.description]


def one(connection: psycopg.Connection, query: str, *values, binary: bool = False):
    """The only value, and its column's type."""
    with connection.cursor(binary=binary) as cursor:
        cursor.execute(query, values or None)
        ((value,),) = cursor.fetchall()
        return value, types(cursor)[0]


def parameters(connection: psycopg.Connection) -> None:
    """Each type, in text and in binary, there and back; and through a property."""
    cases = [
        (Int2(7), 7, "int8"),
        (Int4(7), 7, "int8"),
        (Int8(2**62), 2**62, "int8"),
        (1.5, 1.5, "float8"),
        (float("inf"), float("inf"), "float8"),
        (Decimal("1.25"), 1.25, "float8"),
        (True, True, "bool"),
        ("x'\\y", "x'\\y", "text"),
        (datetime.date(2020, 2, 29), datetime.date(2020, 2, 29), "date"),
        (datetime.time(10, 0, 1), datetime.time(10, 0, 1), "time"),
        (datetime.time(10, 0, tzinfo=UTC), datetime.time(10, 0, tzinfo=UTC), "timetz"),
        (datetime.datetime(2020, 1, 1, 2, 3), datetime.datetime(2020, 1, 1, 2, 3), "timestamp"),
        (datetime.datetime(2020, 1, 1, tzinfo=UTC), datetime.datetime(2020, 1, 1, tzinfo=UTC), "timestamptz"),
        (datetime.timedelta(days=1, hours=2), datetime.timedelta(days=1, hours=2), "interval"),
        (uuid.UUID(int=5), uuid.UUID(int=5), "uuid"),
        ([1, 2], [1, 2], "jsonb"),
        ([1.5, None], [1.5, None], "jsonb"),
        ([datetime.date(2020, 1, 1)], ["2020-01-01"], "jsonb"),
        (Jsonb({"a": [1, 2.5, None, {"b": "c"}]}), {"a": [1, 2.5, None, {"b": "c"}]}, "jsonb"),
        (Jsonb([1, "a"]), [1, "a"], "jsonb"),
        (None, None, "text"),
    ]
    for given, expected, ty in cases:
        for placeholder in ("%s", "%t", "%b"):
            for binary in (False, True):
                found = one(connection, f"RETURN {placeholder} AS v", given, binary=binary)
                assert found == (expected, ty), (given, placeholder, found)
        if not isinstance(expected, dict | list | None):
            with connection.transaction(force_rollback=True):
                connection.execute("CREATE (:WireValue {v: %s})", (given,))
                found = one(connection, "MATCH (n:WireValue) RETURN n.v")
                if ty != "uuid":
                    assert found == (expected, ty), (given, found)
    for value in (Jsonb({"a": 1}), [[1, 2], [3, 4]], b"ab"):
        try:
            connection.execute("CREATE (:WireValue {v: %s})", (value,))
            raise AssertionError(f"{value!r} was stored")
        except (errors.DatatypeMismatch, errors.FeatureNotSupported):
            pass
    # Text without a type is read as what it is compared with.
    name = "MATCH (n:WirePerson) WHERE {} RETURN n.name"
    for condition, value in [
        ("n.age = %s", "30"),
        ("n.age + 1 = %s", "31"),
        ("n.weight < %s", "62"),
        ("n.born = %s", "1990-01-02"),
        ("n.seen < %s", "2020-06-01 00:00+00"),
        ("n.takes = %s", "1 day 02:00"),
        ("n[%s] = 'Ann'", "name"),
        ("%s IN n.tags", "b"),
        ("%s IN [n.age]", "30"),
        ("n.name STARTS WITH %s", "A"),
        ("n.name =~ %s", "A.*"),
    ]:
        assert one(connection, name.format(condition), value) == ("Ann", "text"), condition
    assert one(connection, "MATCH (n:WirePerson {name: %(name)s}) WHERE n.name = %(name)s RETURN n.age".replace("%(name)s", "%s"), "Ann", "Ann") == (30, "int8")
    with connection.cursor() as cursor:
        cursor.execute("MATCH (n:WirePerson) WHERE n.age > %(least)s OR n.age = %(least)s RETURN n.name AS name ORDER BY name SKIP %(skip)s LIMIT %(limit)s",
                       {"least": 30, "skip": "1", "limit": 5})
        assert cursor.fetchall() == [("Bo",)]


def lists(connection: psycopg.Connection) -> None:
    """Lists as arrays with and without a type, and as json."""
    names = "MATCH (n:WirePerson) WHERE n.{} IN %s RETURN count(*)"
    for key, value, count in [
        ("name", ["Ann", "Bo"], 2),
        ("name", [], 0),
        ("name", Jsonb(["Ann"]), 1),
        ("age", [30, 41], 1),
        ("age", "{30,41}", 1),
        ("age", Jsonb([30, None]), 1),
        ("weight", [70.0], 1),
        ("born", [datetime.date(1990, 1, 2)], 1),
    ]:
        assert one(connection, names.format(key), value)[0] == count, (key, value)
    for value, expected, ty in [
        (["a", "b"], ["a", "b"], "jsonb"),
        ([1, 2], [1, 2], "int8"),
        ([1.5], [1.5], "float8"),
        ([], [], "jsonb"),
        ([datetime.date(2020, 1, 1)], [datetime.date(2020, 1, 1)], "date"),
        (Jsonb([{"a": 1}, 2]), [{"a": 1}, 2], "jsonb"),
    ]:
        with connection.cursor() as cursor:
            cursor.execute("UNWIND %s AS x RETURN x", (value,))
            assert ([x for (x,) in cursor.fetchall()], types(cursor)[0]) == (expected, ty), value
    rows = Jsonb([{"i": i, "name": f"name {i}"} for i in range(100)])
    with connection.transaction(force_rollback=True):
        connection.execute("UNWIND %s AS row CREATE (:WireRow {i: row.i, s: row.name})", (rows,))
        assert one(connection, "MATCH (r:WireRow) WHERE r.s STARTS WITH 'name' RETURN sum(r.i)") == (4950, "int8")
    assert one(connection, "RETURN size(%s)", ["a", "b"])[0] == 2
    assert one(connection, "RETURN [x IN %s | x + 1]", [1, 2])[0] == [2, 3]
    assert one(connection, "RETURN reduce(s = 0, x IN %s | s + x)", [1, 2])[0] == 3


def columns(connection: psycopg.Connection) -> None:
    """Types of columns by what was stored; the same by both protocols and in both formats."""
    query = """
        MATCH (n:WirePerson) RETURN n.name, n.age, n.weight, n.ok, n.born, n.wakes, n.seen, n.moved, n.takes, n.tags,
          n.age + 1, toUpper(n.name), coalesce(n.weight, 0), CASE WHEN n.ok THEN n.age ELSE 0 END, n.seen + n.takes, n.born.year, n
        ORDER BY n.name LIMIT 1"""
    expected = [
        ("text", "Ann"), ("int8", 30), ("float8", 61.5), ("bool", True), ("date", datetime.date(1990, 1, 2)),
        ("time", datetime.time(6, 30)), ("timestamptz", datetime.datetime(2020, 1, 1, 10, tzinfo=UTC)),
        ("timestamp", datetime.datetime(2019, 5, 6, 7, 8, 9, 250000)), ("interval", datetime.timedelta(days=1, hours=2)),
        ("jsonb", ["a", "b"]), ("int8", 31), ("text", "ANN"), ("float8", 61.5), ("int8", 30),
        ("timestamptz", datetime.datetime(2020, 1, 2, 12, tzinfo=UTC)), ("int8", 1990),
    ]
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            cursor.execute(query)
            (row,) = cursor.fetchall()
            assert list(zip(types(cursor), row))[:-1] == expected, list(zip(types(cursor), row))
            node = row[-1]
            assert sorted(node) == ["id", "labels", "properties"] and node["labels"] == ["WirePerson"], node
            assert node["properties"]["takes"] == "P1DT2H" and node["properties"]["weight"] == 61.5, node
    aggregates = "MATCH (n:WirePerson) RETURN sum(n.age), sum(n.weight), max(n.name), min(n.born), avg(n.age), avg(n.takes), collect(n.age)"
    with connection.cursor() as cursor:
        cursor.execute(aggregates)
        assert types(cursor) == ["int8", "float8", "text", "date", "float8", "jsonb", "jsonb"], types(cursor)
        assert cursor.fetchone() == (70, 131.5, "Bo", datetime.date(1990, 1, 2), 35.0, "PT13H0.5S", [30, 40])
    paths = "MATCH p = (:WirePerson {name: 'Ann'})-[:WIRE_KNOWS]->(:WirePerson) RETURN p, relationships(p)[0], type(relationships(p)[0])"
    with connection.transaction(force_rollback=True):
        connection.execute("MATCH (a:WirePerson {name: 'Ann'}), (b:WirePerson {name: 'Bo'}) CREATE (a)-[:WIRE_KNOWS {since: 2.0}]->(b)")
        path, relationship, ty = connection.execute(paths).fetchone()
        assert [node["properties"]["name"] for node in path["nodes"]] == ["Ann", "Bo"], path
        assert path["relationships"] == [relationship] and ty == relationship["type"] == "WIRE_KNOWS", relationship
        assert relationship["properties"] == {"since": 2.0} and isinstance(relationship["properties"]["since"], float)
        assert [relationship["start"], relationship["end"]] == [node["id"] for node in path["nodes"]]


def described(connection: psycopg.Connection) -> None:
    """What Describe says before anything runs holds when it runs."""
    protocol = connection.pgconn
    result = protocol.prepare(b"wire_described", b"MATCH (n:WirePerson) WHERE n.age > $1 AND n.name <> $2 RETURN n.name, n.weight, n.age * 2")
    assert result.error_message == b"", result.error_message
    result = protocol.describe_prepared(b"wire_described")
    names = [postgres.types[result.param_type(i)].name for i in range(result.nparams)]
    assert names == ["int8", "text"], names
    names = [postgres.types[result.ftype(i)].name for i in range(result.nfields)]
    assert names == ["text", "float8", "int8"], names
    result = protocol.exec_prepared(b"wire_described", [b"30", b"Ann"])
    assert [result.get_value(0, i) for i in range(3)] == [b"Bo", b"70", b"80"]
    # libpq asks again for the columns whenever it runs the statement, and is told the current ones.
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE (:WirePerson {name: 1, age: 'text'})")
        result = protocol.exec_prepared(b"wire_described", [b"30", b"Ann"])
        names = [postgres.types[result.ftype(i)].name for i in range(result.nfields)]
        assert names == ["jsonb", "float8", "jsonb"], (names, result.error_message)
        assert [result.get_value(0, i) for i in range(3)] == [b'"Bo"', b"70", b"80"]
    connection.execute("DEALLOCATE wire_described")


def copies(connection: psycopg.Connection) -> None:
    query = "MATCH (r:WireRow) WHERE r.i <= 2000 RETURN r.i AS i, r.s AS s, r.i % 2 = 0 AS even, r.none AS none ORDER BY i"

    def out(options: str) -> bytes:
        with connection.cursor().copy(f"COPY ({query}) TO STDOUT {options}") as copy:
            return b"".join(bytes(piece) for piece in copy)

    assert out("").splitlines()[1] == b"2\trow 2\tt\t\\N"
    assert out("(FORMAT csv, HEADER)").splitlines()[:2] == [b"i,s,even,none", b"1,row 1,f,"]
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int8", "text", "bool", "jsonb"])
        rows = list(copy.rows())
        assert len(rows) == 2000 and rows[1] == (2, "row 2", True, None), rows[:2]
    with connection.cursor().copy("COPY (MATCH (n:WirePerson {name: 'Ann'}) RETURN n.born, n.seen, n.takes, n.tags) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["date", "timestamptz", "interval", "jsonb"])
        assert list(copy.rows()) == [
            (datetime.date(1990, 1, 2), datetime.datetime(2020, 1, 1, 10, tzinfo=UTC), datetime.timedelta(days=1, hours=2), ["a", "b"])
        ]
    # From there into a table.
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE TABLE wire_rows (i int8, s text, even bool, none jsonb)")
        connection.execute(f"INSERT INTO wire_rows SELECT * FROM cypher('{query}')")
        assert connection.execute("SELECT count(*), sum(i) FROM wire_rows WHERE even").fetchone() == (1000, 1001000)


def cursors(connection: psycopg.Connection) -> None:
    for binary in (False, True):
        with connection.transaction(force_rollback=True), connection.cursor(name="wire", binary=binary) as cursor:
            cursor.itersize = 700
            cursor.execute("MATCH (r:WireRow) WHERE r.i > %s RETURN r.i, r.s ORDER BY r.i", (10,))
            assert types(cursor) == ["int8", "text"]
            assert cursor.fetchmany(2) == [(11, "row 11"), (12, "row 12")]
            connection.execute("MATCH (r:WireRow) WHERE r.i > 2990 SET r.s = 'changed'")
            # It goes on with what it saw at first.
            assert [s for _, s in cursor] == [f"row {i}" for i in range(13, 3001)]
    with connection.transaction(), connection.cursor(name="wire", scrollable=True) as cursor:
        cursor.execute("MATCH (r:WireRow) RETURN r.i ORDER BY r.i")
        cursor.scroll(50)
        assert cursor.fetchone() == (51,)
        cursor.scroll(-3)
        assert cursor.fetchone() == (49,)
    with connection.cursor(name="wire", withhold=True) as cursor:
        cursor.execute("MATCH (r:WireRow) RETURN r.i ORDER BY r.i LIMIT 2")
        assert cursor.fetchall() == [(1,), (2,)]
    with connection.transaction():
        connection.execute("DECLARE c CURSOR FOR MATCH (r:WireRow) RETURN r.i AS i ORDER BY i")
        assert connection.execute("FETCH 2 FROM c").fetchall() == [(1,), (2,)]
        assert connection.execute("MOVE 5 IN c").statusmessage == "MOVE 5"
        assert connection.execute("FETCH c").fetchall() == [(8,)]
        connection.execute("CLOSE c")
    # Row by row from one portal, while it runs.
    stream = connection.cursor().stream("MATCH (r:WireRow) WHERE r.i > %s RETURN r.i ORDER BY r.i", (5,))
    assert [i for (i,) in stream] == list(range(6, 3001))
    stream = connection.cursor().stream("MATCH (r:WireRow) RETURN r.i ORDER BY r.i", size=100, binary=True)
    assert [i for (i,) in stream] == list(range(1, 3001))


def prepared(connection: psycopg.Connection) -> None:
    connection.execute("PREPARE wire_p(int, text) AS MATCH (r:WireRow) WHERE r.i < $1 AND r.s <> $2 RETURN r.i ORDER BY r.i")
    assert connection.execute("EXECUTE wire_p(3, 'row 1')").fetchall() == [(2,)]
    connection.execute("DEALLOCATE wire_p")
    for i in range(1, 9):
        # From the fifth time on psycopg prepares it.
        row = connection.execute("MATCH (r:WireRow {i: %s}) RETURN r.s", (i,)).fetchone()
        assert row == (f"row {i}",), row
    with connection.transaction(force_rollback=True):
        # What somebody stores changes the column's type, and the statement goes on.
        connection.execute("MATCH (r:WireRow {i: 2}) SET r.s = 2.5")
        cursor = connection.execute("MATCH (r:WireRow {i: %s}) RETURN r.s", (2,))
        assert (cursor.fetchall(), types(cursor)) == ([(2.5,)], ["jsonb"])
        cursor = connection.execute("MATCH (r:WireRow {i: %s}) RETURN r.s", (3,))
        assert (cursor.fetchall(), types(cursor)) == ([("row 3",)], ["jsonb"])
    assert connection.execute("MATCH (r:WireRow {i: %s}) RETURN r.s", (2,)).fetchone() == ("row 2",)
    with connection.cursor() as cursor, connection.transaction(force_rollback=True):
        cursor.executemany("CREATE (:WireRow {i: %s, s: %s})", [(10_000 + i, f"many {i}") for i in range(50)])
        assert one(connection, "MATCH (r:WireRow) WHERE r.i >= 10000 RETURN count(*)")[0] == 50
        cursor.executemany("MATCH (r:WireRow {i: %s}) RETURN r.s", [(1,), (2,)], returning=True)
        assert cursor.fetchall() == [("row 1",)] and cursor.nextset() and cursor.fetchall() == [("row 2",)]
    with connection.pipeline():
        made = connection.execute("CREATE (r:WireRow {i: 20000}) RETURN r.i")
        found = connection.execute("MATCH (r:WireRow {i: %s}) RETURN count(r)", (20000,))
        connection.execute("MATCH (r:WireRow {i: 20000}) DELETE r")
    assert made.fetchone() == (20000,) and found.fetchone() == (1,)


def explained(connection: psycopg.Connection) -> None:
    def plan(text: str) -> str:
        return "\n".join(line for (line,) in connection.execute(text))

    assert "Node Scan on :WireRow" in plan("EXPLAIN MATCH (r:WireRow) WHERE r.i = 5 RETURN r.s")
    assert "actual time" in plan("PROFILE MATCH (r:WireRow) WHERE r.i = 5 RETURN r.s")
    assert "cost" not in plan("EXPLAIN (COSTS OFF) MATCH (r:WireRow) WHERE r.i = 5 RETURN r.s")
    (tree,) = json.loads(plan("EXPLAIN (FORMAT JSON) MATCH (r:WireRow) WHERE r.i = 5 RETURN r.s"))
    assert tree["Plan"]["Node Type"], tree
    # A condition on a column of cypher() is one of the graph's plan, and reads an index there; a limit ends it early.
    connection.execute("CREATE INDEX wire_i FOR (r:WireRow) ON (r.i)")
    try:
        found = plan("EXPLAIN SELECT * FROM cypher('MATCH (r:WireRow) RETURN r.i AS i, r.s AS s') WHERE i = 7")
        assert "wire_i" in found, found
        found = plan("EXPLAIN ANALYZE SELECT * FROM cypher('MATCH (r:WireRow) RETURN r.s AS s') LIMIT 2")
        read = [int(rows) for rows in re.findall(r"actual [^)]*rows=(\d+)", found)]
        assert read[0] == 2 and max(read) < 3000, found
    finally:
        connection.execute("DROP INDEX wire_i")


def relation(connection: psycopg.Connection) -> None:
    """`cypher()` in FROM, with parameters of both kinds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM cypher('MATCH (r:WireRow) WHERE r.i < $m RETURN r.i AS i, r.s AS s', %s) WHERE i > %s", (Jsonb({"m": 5}), 2))
        assert cursor.fetchall() == [(3, "row 3"), (4, "row 4")] and types(cursor) == ["int8", "text"]
        cursor.execute("SELECT p.name, m.content FROM cypher('MATCH (p:WirePerson) RETURN p.name AS name, p.born AS born') p"
                       " LEFT JOIN messages m ON m.name = p.name WHERE born < %s", (datetime.date(1990, 6, 1),))
        assert [name for name, _ in cursor.fetchall()] == ["Ann"]
        cursor.execute("WITH g AS (SELECT * FROM cypher('MATCH (r:WireRow) RETURN r.i AS i')) SELECT count(*), sum(i) FROM g WHERE i % 2 = 0".replace("%", "%%"), ())
        assert cursor.fetchone() == (1500, 2251500)
        try:
            cursor.execute("SELECT * FROM cypher('CREATE (n:WireRow) RETURN n')")
            raise AssertionError("cypher() wrote")
        except errors.ReadOnlySqlTransaction:
            pass


def transactions(connection: psycopg.Connection) -> None:
    """Both languages in one transaction see each other's writes; savepoints take them back."""
    count = "MATCH (w:WireRow {s: 'new'}) RETURN count(*)"
    with connection.transaction() as outer:
        (id,) = connection.execute("INSERT INTO nodes (labels, properties) VALUES (ARRAY['WireRow'], %s) RETURNING id", (Jsonb({"i": -1, "s": "new"}),)).fetchone()
        assert one(connection, "MATCH (w:WireRow {i: -1}) RETURN id(w)") == (id, "int8")
        try:
            with connection.transaction():
                connection.execute("MATCH (w:WireRow {i: -1}) SET w.i = 'text' CREATE (:WireRow {s: 'new'})")
                assert one(connection, count)[0] == 2
                # The transaction's own writes count among what was stored.
                assert one(connection, "MATCH (w:WireRow) WHERE id(w) = %s RETURN w.i", id) == ("text", "jsonb")
                connection.execute("RETURN 1 / 0")
        except errors.DivisionByZero:
            pass
        assert one(connection, count)[0] == 1
        assert one(connection, "MATCH (w:WireRow) WHERE id(w) = %s RETURN w.i", id) == (-1, "int8")
        rows = connection.execute("SELECT id FROM nodes WHERE properties->>'s' = 'new'").fetchall()
        assert rows == [(id,)], rows
        raise psycopg.Rollback(outer)
    assert one(connection, count)[0] == 0


def refusals(connection: psycopg.Connection) -> None:
    """Errors say where, and which class openCypher gives them."""
    for query, state, position, found in [
        ("MATCH (n:WirePerson) RETURN nope", "42703", 29, "SyntaxError at compile time: UndefinedVariable"),
        ("RETURN toUper('a')", "42883", 8, "SyntaxError at compile time: UnknownFunction"),
        ("MATCH (n:WirePerson) RETURN n.name +", "42601", 37, "SyntaxError at compile time: UnexpectedSyntax"),
        ("UNWIND [1, 'a'] AS x RETURN x * 2", "42804", 29, "TypeError at runtime: InvalidArgumentType"),
    ]:
        try:
            connection.execute(query)
            raise AssertionError(f"{query} ran")
        except psycopg.Error as error:
            diag = error.diag
            assert (diag.sqlstate, diag.statement_position, diag.source_function) == (state, str(position), found), (
                diag.sqlstate, diag.statement_position, diag.source_function)


if __name__ == "__main__":
    main(int(sys.argv[1]))
