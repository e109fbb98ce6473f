"""The main session through psycopg 3 with its default settings (which send BEGIN).

Usage: psycopg3.py PORT, against a server started with --demo.
"""

import datetime
import sys
import uuid
from decimal import Decimal

import psycopg
from psycopg.types.json import Jsonb


def main(port: int) -> None:
    with psycopg.connect(f"host=127.0.0.1 port={port} user=ann dbname=sinew") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT conversation_id FROM messages GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
            (conversation,) = cursor.fetchone()
            cursor.execute(
                "SELECT seq, role, content, created_at FROM messages WHERE conversation_id = %s ORDER BY seq DESC LIMIT 5",
                (conversation,),
            )
            assert len(cursor.fetchall()) == 5

            cursor.execute("INSERT INTO messages (conversation_id, role, content, metadata) VALUES (%s, 'user', %s, %s)",
                           ("driver", "The heron nests on the old pontoon.", Jsonb({"from": "psycopg"})))
            cursor.execute("SELECT conversation_id, score FROM search_messages(%s, k => 1)", ("heron pontoon",))
            assert cursor.fetchone()[0] == "driver"
            connection.commit()

            cursor.execute("MATCH (p:Person)-[:WORKS_ON]->(x)<-[:WORKS_ON]-(q:Person) RETURN DISTINCT p.name, q.name LIMIT 3")
            rows = cursor.fetchall()
            assert len(rows) == 3 and all(isinstance(name, str) for row in rows for name in row), rows

            cursor.execute(
                "SELECT c.name, count(*) FROM cypher('MATCH (p:Person) RETURN p.name AS name') c"
                " JOIN messages m ON position(c.name in m.content) > 0 GROUP BY c.name ORDER BY 2 DESC LIMIT 3"
            )
            assert cursor.fetchone() is not None
            connection.commit()

            cursor.execute("CALL execute_agent('assistant', 'Where does the heron nest?')")
            columns = [column.name for column in cursor.description]
            run = dict(zip(columns, cursor.fetchone()))
            assert run["status"] == "succeeded", run
            assert "pontoon" in run["output"], run
            cursor.execute("SELECT step, kind, status FROM agent_steps WHERE run_id = %s ORDER BY step", (run["run_id"],))
            steps = cursor.fetchall()
            assert steps and all(status == "succeeded" for _, _, status in steps), steps
            connection.commit()

        # Binary results and parameters of each type.
        with connection.cursor(binary=True) as cursor:
            cursor.execute(
                "SELECT true, 1::int4, 2::int8, 1.5::float8, 12.340::numeric, 'text', '2026-01-02 03:04:05.678+00'::timestamptz,"
                " '6f1f0d9e-0000-7000-8000-000000000001'::uuid, '{\"a\": [1, null]}'::jsonb, ARRAY['x', NULL]"
            )
            row = cursor.fetchone()
            assert row[:4] == (True, 1, 2, 1.5) and str(row[4]) == "12.340" and row[5] == "text", row
            assert row[6].isoformat() == "2026-01-02T03:04:05.678000+00:00", row
            assert str(row[7]) == "6f1f0d9e-0000-7000-8000-000000000001" and row[8] == {"a": [1, None]}, row
            assert row[9] == ["x", None], row
            connection.commit()

        # COPY both ways, then an error and a rollback.
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE driver_copy (a int PRIMARY KEY, b text, c timestamptz)")
            with cursor.copy("COPY driver_copy (a, b) FROM STDIN") as copy:
                for i in range(1000):
                    copy.write_row((i, f"row\t{i}"))
            cursor.execute("SELECT count(*), max(b) FROM driver_copy")
            assert cursor.fetchone() == (1000, "row\t999")
            with cursor.copy("COPY driver_copy (a, b) TO STDOUT") as copy:
                assert sum(1 for _ in copy.rows()) == 1000
            with cursor.copy("COPY (SELECT a, b FROM driver_copy ORDER BY a) TO STDOUT (FORMAT binary)") as copy:
                copy.set_types(["int4", "text"])
                rows = list(copy.rows())
                assert len(rows) == 1000 and rows[7] == (7, "row\t7"), rows[:8]
            with cursor.copy("COPY (SELECT a FROM driver_copy WHERE a < 0) TO STDOUT (FORMAT binary)") as copy:
                copy.set_types(["int4"])
                assert list(copy.rows()) == []
            connection.rollback()
            try:
                cursor.execute("SELECT count(*) FROM driver_copy")
                raise AssertionError("the rolled-back table is still there")
            except psycopg.errors.UndefinedTable:
                connection.rollback()

        # A server-side cursor, and a list as a Cypher parameter.
        with connection.cursor(name="numbers") as cursor:
            cursor.execute("SELECT generate_series(1, 10)")
            assert cursor.fetchmany(4) == [(1,), (2,), (3,), (4,)]
            assert len(cursor.fetchall()) == 6
        # With parameters, over more rows than one batch, while the transaction writes.
        with connection.cursor(name="many") as cursor, connection.cursor() as writer:
            writer.execute("CREATE TABLE driver_many (g int)")
            writer.execute("INSERT INTO driver_many SELECT generate_series(1, 5000)")
            connection.commit()
            cursor.itersize = 700
            cursor.execute("SELECT g, %s::text FROM driver_many WHERE g > %s ORDER BY g", ("x", 5))
            assert cursor.fetchone() == (6, "x")
            writer.execute("DELETE FROM driver_many WHERE g > 100")
            assert [g for (g, _) in cursor] == list(range(7, 5001))
            connection.commit()
        with connection.cursor(name="held", withhold=True) as cursor:
            cursor.execute("SELECT g FROM driver_many WHERE g > %s ORDER BY g", (98,))
            connection.commit()
            assert cursor.fetchall() == [(99,), (100,)]
        connection.execute("DROP TABLE driver_many")
        connection.commit()
        with connection.cursor() as cursor:
            cursor.execute("MATCH (p:Person) WITH p.name AS name ORDER BY name LIMIT 2 RETURN name")
            names = [name for (name,) in cursor.fetchall()]
            cursor.execute("MATCH (p:Person) WHERE p.name IN %s RETURN count(p)", (names,))
            assert cursor.fetchone() == (2,)
        connection.rollback()

        queue(port, connection)
        diagnostics(connection)
        pipeline(connection)
        notifications(port)
        cursors(connection)
        prepared(connection)
        binary_copy(connection)

        # A write, then an agent run in the same transaction: refused with a hint.
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO messages (conversation_id, role, content) VALUES ('driver', 'user', 'unsaved')")
            try:
                cursor.execute("CALL execute_agent('assistant', 'Hello')")
                raise AssertionError("the run was accepted with uncommitted writes")
            except psycopg.errors.ActiveSqlTransaction as error:
                assert "enqueue_agent" in (error.diag.message_hint or ""), error.diag
            connection.rollback()
    print("psycopg 3: ok")


def queue(port: int, connection: psycopg.Connection) -> None:
    """Two workers take different jobs."""
    connection.execute("CREATE TABLE driver_jobs (id int PRIMARY KEY, done bool NOT NULL DEFAULT false)")
    connection.execute("INSERT INTO driver_jobs (id) SELECT generate_series(1, 3)")
    connection.commit()
    take = "SELECT id FROM driver_jobs WHERE NOT done ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
    with psycopg.connect(f"host=127.0.0.1 port={port} user=bob dbname=sinew") as other:
        (first,) = connection.execute(take).fetchone()
        (second,) = other.execute(take).fetchone()
        assert (first, second) == (1, 2), (first, second)
        other.execute("UPDATE driver_jobs SET done = true WHERE id = %s", (second,))
        other.commit()
        (third,) = other.execute(take).fetchone()
        assert third == 3, third
        connection.execute("UPDATE driver_jobs SET done = true WHERE id = %s", (first,))
        connection.commit()
        other.rollback()
        assert other.execute("SELECT count(*) FROM driver_jobs WHERE done").fetchone() == (2,)
    connection.execute("DROP TABLE driver_jobs")
    connection.commit()


def diagnostics(connection: psycopg.Connection) -> None:
    """A foreign key's violation says which one, and where."""
    connection.execute("CREATE TABLE driver_parent (id int PRIMARY KEY)")
    connection.execute("CREATE TABLE driver_child (id int PRIMARY KEY, parent int REFERENCES driver_parent)")
    connection.commit()
    try:
        connection.execute("INSERT INTO driver_child VALUES (1, 42)")
        raise AssertionError("a child without a parent was accepted")
    except psycopg.errors.ForeignKeyViolation as error:
        diag = error.diag
        assert diag.sqlstate == "23503" and diag.severity == "ERROR", diag
        assert diag.constraint_name == "driver_child_parent_fkey", diag.constraint_name
        assert (diag.schema_name, diag.table_name) == ("public", "driver_child"), (diag.schema_name, diag.table_name)
        assert diag.message_detail == 'Key (parent)=(42) is not present in table "driver_parent".', diag.message_detail
        connection.rollback()
    connection.execute("DROP TABLE driver_child, driver_parent")
    connection.commit()
    try:
        connection.execute("CREATE TABLE driver_places (a int, b int)")
        with connection.cursor().copy("COPY driver_places FROM STDIN") as copy:
            copy.write("1\t2\n3\tno\n")
        raise AssertionError("text was accepted for a number")
    except psycopg.errors.InvalidTextRepresentation as error:
        assert error.diag.context == 'COPY driver_places, line 2, column b: "no"', error.diag.context
        connection.rollback()


def pipeline(connection: psycopg.Connection) -> None:
    """Several statements on their way at once; what follows an error is skipped up to the next sync."""
    with connection.pipeline() as pipe:
        first = connection.execute("SELECT 1")
        connection.execute("CREATE TABLE driver_pipeline (a int)")
        cursor = connection.cursor()
        cursor.executemany("INSERT INTO driver_pipeline VALUES (%s)", [(i,) for i in range(100)])
        counted = connection.execute("SELECT count(*) FROM driver_pipeline")
        pipe.sync()
        assert first.fetchone() == (1,)
        assert counted.fetchone() == (100,)
    connection.rollback()
    try:
        with connection.pipeline():
            connection.execute("SELECT 1/0")
            connection.execute("SELECT 2")
        raise AssertionError("a division by zero passed")
    except (psycopg.errors.DivisionByZero, psycopg.errors.PipelineAborted):
        connection.rollback()
    assert connection.execute("SELECT 3").fetchone() == (3,)
    connection.rollback()


def notifications(port: int) -> None:
    """A listener is told of what commits, by itself or while it waits."""
    address = f"host=127.0.0.1 port={port} user=ann dbname=sinew"
    with psycopg.connect(address, autocommit=True) as listener, psycopg.connect(address) as sender:
        listener.execute("LISTEN driver_channel")
        sender.execute("SELECT pg_notify('driver_channel', %s)", ("first",))
        sender.execute("NOTIFY driver_channel, 'second'")
        sender.rollback()
        sender.execute("NOTIFY driver_channel, 'third'")
        sender.commit()
        told = list(listener.notifies(timeout=10, stop_after=1))
        assert [(n.channel, n.payload, n.pid) for n in told] == [
            ("driver_channel", "third", sender.info.backend_pid)
        ], told


def cursors(connection: psycopg.Connection) -> None:
    """Server-side cursors that scroll, in text and binary."""
    for binary in (False, True):
        with connection.cursor(name="scrolling", scrollable=True, binary=binary) as cursor:
            cursor.execute("SELECT i, i::text FROM generate_series(1, 100) i")
            assert cursor.fetchone() == (1, "1")
            cursor.scroll(50)
            assert cursor.fetchone() == (52, "52")
            cursor.scroll(0, mode="absolute")
            assert cursor.fetchmany(2) == [(1, "1"), (2, "2")]
            cursor.scroll(-1)
            assert cursor.fetchone() == (2, "2")
    connection.rollback()


def prepared(connection: psycopg.Connection) -> None:
    """Statements that psycopg prepares on the server, in binary both ways, until it deallocates them."""
    connection.prepare_threshold = 0
    connection.prepared_max = 2
    for i in range(6):
        row = connection.execute(f"SELECT %b + {i}, %b::numeric", (i, i), binary=True).fetchone()
        assert row == (2 * i, i), row
    (count,) = connection.execute("SELECT count(*) FROM pg_prepared_statements", prepare=False).fetchone()
    assert count <= 3, count
    connection.prepare_threshold = 5
    connection.rollback()


def binary_copy(connection: psycopg.Connection) -> None:
    """COPY of rows in binary, both ways."""
    connection.execute("CREATE TABLE driver_binary (a int4, b text, c timestamptz, d numeric, e uuid, f int4[])")
    with connection.cursor().copy("COPY driver_binary FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4", "text", "timestamptz", "numeric", "uuid", "int4[]"])
        at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.timezone.utc)
        rows = [(i, f"row {i}", at, Decimal(f"{i}.250"), uuid.UUID(int=i), [i, i + 1]) for i in range(3000)]
        for row in rows:
            copy.write_row(row)
    with connection.cursor().copy("COPY (SELECT * FROM driver_binary ORDER BY a) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4", "text", "timestamptz", "numeric", "uuid", "int4[]"])
        assert list(copy.rows()) == rows
    connection.rollback()


if __name__ == "__main__":
    main(int(sys.argv[1]))
