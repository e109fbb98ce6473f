"""The TCK's notation of values, and what values are compared as."""

import dataclasses
import math
import re


@dataclasses.dataclass
class Node:
    labels: frozenset[str]
    properties: dict


@dataclasses.dataclass
class Relationship:
    type: str
    properties: dict


@dataclasses.dataclass
class Path:
    nodes: list[Node]
    # Each with whether it is walked in its stored direction.
    relationships: list[tuple[Relationship, bool]]


def canonical(value, lists_are_bags: bool) -> str:
    """A text that is equal for equal values."""

    def of(value) -> str:
        return canonical(value, lists_are_bags)

    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float() if not math.isfinite(value):
            # Inside jsonb they are strings, and nothing tells them apart.
            return of({"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)])
        case float():
            return repr(value + 0.0)
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case list():
            items = [of(item) for item in value]
            return f"[{', '.join(sorted(items) if lists_are_bags else items)}]"
        case dict():
            return "{" + ", ".join(f"{key}: {of(value[key])}" for key in sorted(value)) + "}"
        case Node():
            return "(" + "".join(f":{label}" for label in sorted(value.labels)) + " " + of(value.properties) + ")"
        case Relationship():
            return f"[:{value.type} {of(value.properties)}]"
        case Path():
            text = of(value.nodes[0])
            for (relationship, forward), node in zip(value.relationships, value.nodes[1:], strict=True):
                left, right = ("-", "->") if forward else ("<-", "-")
                text += f"{left}{of(relationship)}{right}{of(node)}"
            return f"<{text}>"
        case _:
            raise ValueError(f"a value without notation: {value!r}")


def parse(text: str):
    """The value that the text is the notation of."""
    reader = _Reader(text)
    value = reader.value()
    reader.blanks()
    if reader.rest:
        raise ValueError(f'"{text}": unexpected "{reader.rest}"')
    return value


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.offset = 0

    @property
    def rest(self) -> str:
        return self.text[self.offset:]

    def blanks(self) -> None:
        self.offset = len(self.text) - len(self.rest.lstrip())

    def take(self, pattern: str) -> str | None:
        """What matches here, after blanks."""
        self.blanks()
        found = re.compile(pattern).match(self.text, self.offset)
        if found is None:
            return None
        self.offset = found.end()
        return found.group()

    def expect(self, pattern: str) -> str:
        found = self.take(pattern)
        if found is None:
            raise ValueError(f'"{self.text}": expected {pattern} at "{self.rest}"')
        return found

    def value(self):
        self.blanks()
        rest = self.rest
        if rest.startswith("'"):
            quoted = self.expect(r"'(?:\\.|[^'\\])*'")
            return re.sub(r"\\(['\\])", r"\1", quoted[1:-1])
        if rest.startswith("[:"):
            return self.relationship()
        if self.take(r"\["):
            items = []
            while not self.take("]"):
                if items:
                    self.expect(",")
                items.append(self.value())
            return items
        if rest.startswith("{"):
            return self.map()
        if rest.startswith("("):
            return self.node()
        if rest.startswith("<"):
            return self.path()
        words = {"null": None, "true": True, "false": False, "NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}
        word = self.expect(r"[\w+.-]+")
        if word in words:
            return words[word]
        return int(word) if re.fullmatch(r"-?\d+", word) else float(word)

    def name(self) -> str:
        quoted = self.take("`[^`]*`")
        return quoted[1:-1] if quoted else self.expect(r"[\w$]+")

    def map(self) -> dict:
        self.expect("{")
        entries = {}
        while not self.take("}"):
            if entries:
                self.expect(",")
            key = self.name()
            self.expect(":")
            entries[key] = self.value()
        return entries

    def optional_map(self) -> dict:
        self.blanks()
        return self.map() if self.rest.startswith("{") else {}

    def node(self) -> Node:
        self.expect(r"\(")
        labels = []
        while self.take(":"):
            labels.append(self.name())
        properties = self.optional_map()
        self.expect(r"\)")
        return Node(frozenset(labels), properties)

    def relationship(self) -> Relationship:
        self.expect(r"\[:")
        kind = self.name()
        properties = self.optional_map()
        self.expect("]")
        return Relationship(kind, properties)

    def path(self) -> Path:
        self.expect("<")
        path = Path([self.node()], [])
        while not self.take(">"):
            backward = self.take("<-")
            if not backward:
                self.expect("-")
            relationship = self.relationship()
            self.expect("-" if backward else "->")
            path.relationships.append((relationship, not backward))
            path.nodes.append(self.node())
        return path
