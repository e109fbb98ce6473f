"""Runs scenarios on a connection: results, order, side effects, and type, phase and detail of errors.

A scenario is a transaction that is rolled back. Its query runs twice from the same savepoint, with results and parameters in
text (by the simple protocol when there are no parameters) and then prepared, with both in binary; both must give what the
scenario expects. Other queries run once.
"""

import collections
import dataclasses
import pathlib
import re

import psycopg
from psycopg.pq import ExecStatus
from psycopg.types.json import Jsonb

from . import results
from .gherkin import Scenario, Step
from .notation import canonical, parse

ERROR_CLASS = re.compile(r"(\w+) at (compile time|runtime): (\w+)")
EXPECTED_ERROR = re.compile(r"a (\w+) should be raised at (.+): (\S+)")
TABLES = {
    "the result should be, in any order:": (False, False),
    "the result should be, in order:": (True, False),
    "the result should be (ignoring element order for lists):": (False, True),
    "the result should be, in order (ignoring element order for lists):": (True, True),
}


class Mismatch(Exception):
    """The scenario fails."""


@dataclasses.dataclass
class Outcome:
    """Of one way to run a query."""

    way: str
    columns: list[str] = dataclasses.field(default_factory=list)
    rows: list[list] = dataclasses.field(default_factory=list)
    error: psycopg.Error | None = None
    # Whether an error came before anything ran.
    at_parse: bool = False
    changes: dict[str, int] = dataclasses.field(default_factory=dict)


def connect(port: int) -> psycopg.Connection:
    connection = psycopg.connect(f"host=127.0.0.1 port={port} user=tck dbname=sinew")
    results.register(connection.adapters)
    connection.execute("SET timezone = 'UTC'")
    connection.execute("SET statement_timeout = '60s'")
    connection.commit()
    # Texts of scenarios do not come again.
    connection.prepare_threshold = None
    return connection


def run(connection: psycopg.Connection, scenario: Scenario, graphs: pathlib.Path) -> None:
    """Raises `Mismatch` when the scenario fails."""
    try:
        _Run(connection, graphs).steps(scenario.steps)
    finally:
        if not connection.closed:
            connection.rollback()


class _Run:
    def __init__(self, connection: psycopg.Connection, graphs: pathlib.Path):
        self.connection = connection
        self.graphs = graphs
        self.parameters: dict[str, object] = {}
        self.outcomes: list[Outcome] = []
        self.expects_error = False

    def steps(self, steps: list[Step]) -> None:
        for step in steps:
            {"Given": self.given, "When": self.when, "Then": self.then}[step.keyword](step)
        self.unchecked_side_effects()

    def given(self, step: Step) -> None:
        if step.text in ("an empty graph", "any graph"):
            return
        if step.text == "having executed:":
            self.set_up(step.doc)
        elif step.text == "parameters are:":
            self.parameters = {name: parse(value) for name, value in step.table}
        elif graph := re.fullmatch(r"the (\S+) graph", step.text):
            name = graph.group(1)
            script = (self.graphs / name / f"{name}.cypher").read_text(encoding="utf-8")
            for statement in filter(str.strip, script.split(";")):
                self.set_up(statement)
        else:
            raise Mismatch(f"step not understood: {step.text}")

    def set_up(self, query: str) -> None:
        outcome = self.execute(query, binary=False)
        if outcome.error is not None:
            raise Mismatch(f"setup failed: {describe(outcome.error)}")

    def when(self, step: Step) -> None:
        if step.text not in ("executing query:", "executing control query:"):
            raise Mismatch(f"step not understood: {step.text}")
        self.unchecked_side_effects()
        self.expects_error = False
        before = graph_state(self.connection)
        self.connection.execute("SAVEPOINT query")
        self.outcomes = []
        for binary in (False, True):
            # The second one stays.
            self.connection.execute("ROLLBACK TO SAVEPOINT query")
            outcome = self.execute(step.doc, binary)
            if outcome.error is not None:
                self.connection.execute("ROLLBACK TO SAVEPOINT query")
                outcome.at_parse = self.fails_at_parse(step.doc)
            outcome.changes = changes(before, graph_state(self.connection))
            self.outcomes.append(outcome)

    def execute(self, query: str, binary: bool) -> Outcome:
        text, names = placeholders(query, self.parameters, "b" if binary else "s")
        values = {name: parameter(self.parameters[name], binary) for name in names}
        way = "binary" if binary else "text" if names else "simple"
        try:
            with self.connection.cursor(binary=binary) as cursor:
                cursor.execute(text, values or None, prepare=binary)
                if cursor.description is None:
                    return Outcome(way)
                types = [column.type_code for column in cursor.description]
                if wrong := set(types) - results.COLUMN_TYPES:
                    raise Mismatch(f"columns of types with OID {sorted(wrong)}")
                # Numbered by where they come first.
                columns = [
                    re.sub(r"\$(\d+)", lambda found: f"${names[int(found.group(1)) - 1]}", column.name) if names else column.name
                    for column in cursor.description
                ]
                value = lambda value, type_oid: results.json_value(value) if type_oid == results.JSONB else value
                rows = [[value(*cell) for cell in zip(row, types, strict=True)] for row in cursor]
                return Outcome(way, columns, rows)
        except psycopg.Error as error:
            if self.connection.closed:
                raise
            return Outcome(way, error=error)

    def fails_at_parse(self, query: str) -> bool:
        """Whether the query is refused before it has values for its parameters."""
        result = self.connection.pgconn.prepare(b"", numbered(query, self.parameters).encode())
        if result.status == ExecStatus.COMMAND_OK:
            return False
        self.connection.execute("ROLLBACK TO SAVEPOINT query")
        return True

    def then(self, step: Step) -> None:
        for outcome in self.outcomes:
            try:
                self.check(step, outcome)
            except Mismatch as mismatch:
                raise Mismatch(f"{outcome.way}: {mismatch}") from None

    def check(self, step: Step, outcome: Outcome) -> None:
        if expected := EXPECTED_ERROR.fullmatch(step.text):
            self.expects_error = True
            return check_error(outcome, *expected.groups())
        if outcome.error is not None:
            raise Mismatch(f"unexpected error: {describe(outcome.error)}")
        if step.text == "no side effects":
            check_side_effects(outcome, {})
        elif step.text == "the side effects should be:":
            check_side_effects(outcome, {key: int(count) for key, count in step.table})
        elif step.text == "the result should be empty":
            if outcome.rows:
                raise Mismatch(f"expected no rows, got {len(outcome.rows)}")
        elif step.text in TABLES:
            check_table(outcome, step.table, *TABLES[step.text])
        else:
            raise Mismatch(f"step not understood: {step.text}")

    def unchecked_side_effects(self) -> None:
        """A failed query leaves nothing behind, though no step says so."""
        if self.expects_error:
            for outcome in self.outcomes:
                check_side_effects(outcome, {})


def rewritten(query: str, names, plain, write) -> tuple[str, list[str]]:
    """The query with `write(name)` for `$name` outside of quotes and `plain(rest)` for the rest; and the names in order of their
    first places."""
    found: list[str] = []
    parts = re.split(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`)|\$(\w+)""", query)
    text = plain(parts[0])
    for quoted, name, rest in zip(parts[1::3], parts[2::3], parts[3::3]):
        if quoted is not None:
            text += plain(quoted)
        elif name in names:
            if name not in found:
                found.append(name)
            text += write(name)
        else:
            text += f"${name}"
        text += plain(rest)
    return text, found


def placeholders(query: str, names, kind: str) -> tuple[str, list[str]]:
    """With psycopg's placeholders; it looks for them only where there are values."""
    text, found = rewritten(query, names, lambda text: text.replace("%", "%%"), lambda name: f"%({name}){kind}")
    return (text, found) if found else (query, [])


def numbered(query: str, names) -> str:
    """With placeholders as the server reads them, numbered as psycopg does."""
    order = rewritten(query, names, str, str)[1]
    return rewritten(query, names, str, lambda name: f"${order.index(name) + 1}")[0]


def parameter(value, binary: bool):
    """As psycopg can send it: maps as jsonb, and so lists that are no arrays. In text it gives an array of strings no type, and
    where nothing says what it is, such a parameter is text."""
    kinds = {type(item) for item in value} if isinstance(value, list) else set()
    is_array = kinds and len(kinds) == 1 and not kinds & {dict, list} and (binary or kinds != {str})
    return Jsonb(value) if isinstance(value, dict | list) and not is_array else value


def describe(error: psycopg.Error) -> str:
    return f"{error.diag.source_function or 'no class'} ({error.sqlstate}: {error.diag.message_primary})"


def check_table(outcome: Outcome, expected: list[list[str]], ordered: bool, lists_are_bags: bool) -> None:
    header, *rows = expected
    if outcome.columns != header:
        raise Mismatch(f"expected columns {header}, got {outcome.columns}")
    wanted = [" | ".join(canonical(parse(cell), lists_are_bags) for cell in row) for row in rows]
    found = [" | ".join(canonical(value, lists_are_bags) for value in row) for row in outcome.rows]
    if not ordered:
        wanted.sort()
        found.sort()
    if wanted != found:
        lines = "\n      ".join
        raise Mismatch(f"expected rows\n      {lines(wanted)}\n    got\n      {lines(found)}")


def check_error(outcome: Outcome, kind: str, phase: str, detail: str) -> None:
    wanted = f"{kind} at {phase}: {detail}"
    if outcome.error is None:
        raise Mismatch(f"expected {wanted}, got {len(outcome.rows)} rows")
    found = ERROR_CLASS.fullmatch(outcome.error.diag.source_function or "")
    right = found is not None and (
        found.group(1) == kind and phase in (found.group(2), "any time") and detail in (found.group(3), "*")
    )
    if not right:
        raise Mismatch(f"expected {wanted}, got {describe(outcome.error)}")
    if outcome.at_parse != (found.group(2) == "compile time"):
        raise Mismatch(f"{wanted} was raised {'by Parse' if outcome.at_parse else 'after Parse'}")


def check_side_effects(outcome: Outcome, expected: dict[str, int]) -> None:
    wanted = {key: count for key, count in expected.items() if count}
    if wanted != outcome.changes:
        raise Mismatch(f"expected side effects {wanted}, got {outcome.changes}")


def graph_state(connection: psycopg.Connection) -> dict[str, set]:
    """What side effects are counted over."""
    nodes = connection.execute("SELECT id, labels, properties FROM nodes").fetchall()
    edges = connection.execute("SELECT id, properties FROM edges").fetchall()
    entities = [(("node", id), properties) for id, _, properties in nodes]
    entities += [(("edge", id), properties) for id, properties in edges]
    return {
        "nodes": {id for id, *_ in nodes},
        "relationships": {id for id, _ in edges},
        "labels": {label for _, labels, _ in nodes for label in labels},
        "properties": {
            (*entity, key, canonical(value, False)) for entity, properties in entities for key, value in properties.items()
        },
    }


def changes(before: dict[str, set], after: dict[str, set]) -> dict[str, int]:
    """Counts that are not 0."""
    counts = collections.Counter()
    for name, old in before.items():
        counts[f"+{name}"] = len(after[name] - old)
        counts[f"-{name}"] = len(old - after[name])
    return {name: count for name, count in counts.items() if count}
