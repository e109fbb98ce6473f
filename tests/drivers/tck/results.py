"""Values as they come over the wire, read as the TCK's. Temporal values become the text that toString() gives."""

import datetime
import re
import struct

from psycopg import postgres
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from .notation import Node, Path, Relationship

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
# Days before 2000-01-01, from which binary dates and timestamps count, in a proleptic Gregorian cycle of 400 years.
EPOCH = datetime.date(2000, 1, 1).toordinal() - 1
CYCLE_DAYS = 146_097


def json_value(value):
    """A value inside jsonb; objects with an entity's members are entities."""
    match value:
        case list():
            return [json_value(item) for item in value]
        case dict():
            members = {key: json_value(item) for key, item in value.items()}
            match sorted(members):
                case ["id", "labels", "properties"]:
                    return Node(frozenset(members["labels"]), members["properties"])
                case ["end", "id", "properties", "start", "type"]:
                    return Relationship(members["type"], members["properties"])
                case ["nodes", "relationships"]:
                    starts = [node["id"] for node in value["nodes"]]
                    stored = [relationship["start"] for relationship in value["relationships"]]
                    forward = [start == walked for start, walked in zip(stored, starts)]
                    return Path(members["nodes"], list(zip(members["relationships"], forward, strict=True)))
            return members
        case _:
            return value


def date_text(days: int) -> str:
    """Of days since 2000-01-01."""
    cycle, day = divmod(days + EPOCH, CYCLE_DAYS)
    date = datetime.date.fromordinal(day + 1)
    return f"{year_text(date.year + 400 * cycle)}-{date.month:02}-{date.day:02}"


def year_text(year: int) -> str:
    if year > 9999:
        return f"+{year}"
    return f"{year:04}" if year >= 0 else f"-{-year:04}"


def time_text(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds, MICROSECONDS)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    if seconds % 60 or fraction:
        text += f":{seconds % 60:02}{fraction_text(fraction)}"
    return text


def fraction_text(microseconds: int) -> str:
    return f".{microseconds:06}".rstrip("0") if microseconds else ""


def offset_text(seconds: int) -> str:
    """East of Greenwich."""
    if seconds == 0:
        return "Z"
    size = abs(seconds)
    text = f"{'+' if seconds > 0 else '-'}{size // 3600:02}:{size // 60 % 60:02}"
    return f"{text}:{size % 60:02}" if size % 60 else text


def timestamp_text(microseconds: int) -> str:
    days, time = divmod(microseconds, DAY)
    return f"{date_text(days)}T{time_text(time)}"


def duration_text(months: int, days: int, microseconds: int) -> str:
    def parts(amount: int, *sizes: int) -> list[int]:
        """The amount cut into units of these sizes, all of its sign."""
        sign = 1 if amount >= 0 else -1
        rest, cut = abs(amount), []
        for size in sizes:
            part, rest = divmod(rest, size)
            cut.append(sign * part)
        return [*cut, sign * rest]

    years, months = parts(months, 12)
    date = "".join(f"{amount}{unit}" for amount, unit in ((years, "Y"), (months, "M"), (days, "D")) if amount)
    hours, minutes, rest = parts(microseconds, 3600 * MICROSECONDS, 60 * MICROSECONDS)
    time = "".join(f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount)
    if rest:
        seconds, fraction = divmod(abs(rest), MICROSECONDS)
        time += f"{'-' if rest < 0 else ''}{seconds}{fraction_text(fraction)}S"
    if time:
        return f"P{date}T{time}"
    return f"P{date}" if date else "PT0S"


def read_date(text: str) -> int:
    """PostgreSQL's ISO style as days since 2000-01-01."""
    year, month, day = re.fullmatch(r"(\d+)-(\d\d)-(\d\d)(?: BC)?", text).groups()
    cycle, year = divmod((1 - int(year)) if text.endswith("BC") else int(year), 400)
    # Year 0 of a cycle is the last of the one before.
    cycle, year = (cycle - 1, 400) if year == 0 else (cycle, year)
    return datetime.date(year, int(month), int(day)).toordinal() - 1 - EPOCH + cycle * CYCLE_DAYS


def read_time(text: str) -> int:
    hours, minutes, seconds, fraction = re.fullmatch(r"(\d+):(\d\d):(\d\d)(?:\.(\d+))?", text).groups()
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole * MICROSECONDS + int((fraction or "").ljust(6, "0"))


def read_offset(text: str) -> int:
    hours, minutes, seconds = re.fullmatch(r"[+-](\d\d)(?::(\d\d))?(?::(\d\d))?", text).groups()
    size = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return -size if text.startswith("-") else size


def read_timestamp(text: str) -> int:
    date, time, era = re.fullmatch(r"(\S+) (\S+)( BC)?", text).groups()
    return read_date(date + (era or "")) * DAY + read_time(time)


def read_interval(text: str) -> tuple[int, int, int]:
    units = {"year": 0, "mon": 0, "day": 0}
    for amount, unit in re.findall(r"([+-]?\d+) (year|mon|day)s?", text):
        units[unit] = int(amount)
    time = re.search(r"([+-]?)(\d+:\d\d:\d\d(?:\.\d+)?)", text)
    microseconds = read_time(time.group(2)) * (-1 if time.group(1) == "-" else 1) if time else 0
    return units["year"] * 12 + units["mon"], units["day"], microseconds


def zoned(text: str, read) -> tuple[int, int]:
    """What is left of the offset, read, and the offset."""
    clock, offset, era = re.fullmatch(r"(.*?)([+-]\d\d(?::\d\d)*)( BC)?", text).groups()
    return read(clock + (era or "")), read_offset(offset)


def timetz(clock: int, offset: int) -> str:
    return time_text(clock) + offset_text(offset)


def timestamptz(clock: int, offset: int) -> str:
    return timestamp_text(clock) + offset_text(offset)


def unpack(layout: str, data: Buffer):
    return struct.unpack(layout, data)


# By type: of its text, of its bytes.
TEMPORAL = {
    "date": (lambda text: date_text(read_date(text)), lambda data: date_text(*unpack(">i", data))),
    "time": (lambda text: time_text(read_time(text)), lambda data: time_text(*unpack(">q", data))),
    # In binary the offset counts to the west.
    "timetz": (
        lambda text: timetz(*zoned(text, read_time)),
        lambda data: (lambda clock, west: timetz(clock, -west))(*unpack(">qi", data)),
    ),
    "timestamp": (lambda text: timestamp_text(read_timestamp(text)), lambda data: timestamp_text(*unpack(">q", data))),
    "timestamptz": (
        lambda text: timestamptz(*zoned(text, read_timestamp)),
        lambda data: timestamptz(*unpack(">q", data), 0),
    ),
    "interval": (
        lambda text: duration_text(*read_interval(text)),
        lambda data: (lambda time, days, months: duration_text(months, days, time))(*unpack(">qii", data)),
    ),
}

# Types that a column of Cypher may have.
COLUMN_TYPES = {postgres.types[name].oid for name in ("bool", "int8", "float8", "text", "jsonb", *TEMPORAL)}
JSONB = postgres.types["jsonb"].oid


def _loader(name: str, data_format: Format) -> type[Loader]:
    from_text, from_bytes = TEMPORAL[name]

    class TemporalLoader(Loader):
        format = data_format

        def load(self, data: Buffer) -> str:
            return from_text(bytes(data).decode()) if data_format == Format.TEXT else from_bytes(bytes(data))

    return TemporalLoader


def register(adapters) -> None:
    for name in TEMPORAL:
        for data_format in (Format.TEXT, Format.BINARY):
            adapters.register_loader(name, _loader(name, data_format))
