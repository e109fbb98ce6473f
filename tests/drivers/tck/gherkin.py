"""Reads feature files: just what the TCK uses of Gherkin."""

import dataclasses
import pathlib
import re


@dataclasses.dataclass
class Step:
    keyword: str
    text: str
    doc: str | None = None
    table: list[list[str]] | None = None


@dataclasses.dataclass
class Scenario:
    """One scenario, its outline expanded, the background's steps first."""

    # Folder and file below the features, `/` between, without the ending.
    feature: str
    name: str
    # Which row of the outline's examples, from 1; 0 of a plain scenario.
    example: int
    steps: list[Step]

    @property
    def key(self) -> str:
        """Feature and number (`clauses/call/Call1 [3]`, `… [3] 2` for the second example)."""
        number = re.match(r"\[\d+\]", self.name)
        key = f"{self.feature} {number.group() if number else self.name}"
        return f"{key} {self.example}" if self.example else key


@dataclasses.dataclass
class _Definition:
    name: str
    steps: list[Step]
    # Rows of each Examples table, its header first.
    examples: list[list[list[str]]] = dataclasses.field(default_factory=list)


def read_features(directory: pathlib.Path) -> list[Scenario]:
    """All scenarios below the directory, in order of their paths."""
    scenarios = []
    for path in sorted(directory.rglob("*.feature")):
        feature = path.relative_to(directory).with_suffix("").as_posix()
        scenarios.extend(_parse(path.read_text(encoding="utf-8"), feature))
    return scenarios


def _parse(text: str, feature: str) -> list[Scenario]:
    background: list[Step] = []
    definitions: list[_Definition] = []
    steps: list[Step] | None = None
    in_examples = False
    lines = iter(text.splitlines())
    for raw in lines:
        line = raw.strip()
        if not line or line.startswith(("#", "@", "Feature:")):
            continue
        word, _, rest = line.partition(" ")
        if line.startswith("Background:"):
            steps = background
        elif title := re.match(r"Scenario(?: Outline)?:(.*)", line):
            steps = []
            in_examples = False
            definitions.append(_Definition(title.group(1).strip(), steps))
        elif line.startswith("Examples:"):
            in_examples = True
            definitions[-1].examples.append([])
        elif line.startswith("|"):
            if in_examples:
                definitions[-1].examples[-1].append(_cells(line))
            else:
                step = steps[-1]
                step.table = (step.table or []) + [_cells(line)]
        elif line.startswith('"""'):
            steps[-1].doc = _doc_string(lines, len(raw) - len(raw.lstrip()))
        elif steps is None:
            # Description below Feature.
            continue
        elif word in ("Given", "When", "Then", "And", "But"):
            if word in ("And", "But"):
                word = (steps or background)[-1].keyword
            steps.append(Step(word, rest.strip()))
        else:
            raise ValueError(f'{feature}: what is "{line}"?')
    return [scenario for definition in definitions for scenario in _expand(definition, background, feature)]


def _doc_string(lines, indent: int) -> str:
    doc = []
    for raw in lines:
        if raw.strip() == '"""':
            return "\n".join(doc)
        blank = len(raw) - len(raw.lstrip())
        doc.append(raw[min(indent, blank):])
    raise ValueError("unterminated doc string")


def _cells(line: str) -> list[str]:
    """Cells between bars, trimmed, escapes resolved. A lone bar has none."""
    escapes = {"\\n": "\n", "\\\\": "\\", "\\|": "|"}
    raw = re.findall(r"((?:\\.|[^|\\])*)\|", line[1:])
    return [re.sub(r"\\[n\\|]", lambda found: escapes[found.group()], cell.strip()) for cell in raw]


def _expand(definition: _Definition, background: list[Step], feature: str) -> list[Scenario]:
    steps = background + definition.steps
    if not definition.examples:
        return [Scenario(feature, definition.name, 0, steps)]
    scenarios = []
    for header, *rows in definition.examples:
        for row in rows:
            values = {f"<{name}>": value for name, value in zip(header, row, strict=True)}
            replaced = [_substitute(step, values) for step in steps]
            name = f"{_replace(definition.name, values)} ({', '.join(row)})"
            scenarios.append(Scenario(feature, name, len(scenarios) + 1, replaced))
    return scenarios


def _replace(text: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def _substitute(step: Step, values: dict[str, str]) -> Step:
    doc = None if step.doc is None else _replace(step.doc, values)
    table = step.table and [[_replace(cell, values) for cell in row] for row in step.table]
    return Step(step.keyword, _replace(step.text, values), doc, table)
