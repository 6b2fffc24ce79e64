"""Read one table of routes.toml by fields. Every error names the route and the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

from penstock.errors import InvalidRouteError
from penstock.limits import GIB, KIB, MIB, TIB

# Counts are stored as 64-bit floats, which are exact up to this number. No file has as many bytes or records.
MOST = 2**53
# The maximum characters of a value in a message.
LONGEST_VALUE = 60
_DIGITS = r"\d{1,15}"

UNITS = {"B": 1, "KIB": KIB, "MIB": MIB, "GIB": GIB, "TIB": TIB, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Fields:
    """Reads the fields of one table and records their names, once asked for: any other field is unknown.

    ``label`` begins every error, ``kind`` names the kind of table. Every method raises InvalidRouteError.
    """

    def __init__(self, table: Mapping[str, Any], label: str, kind: str, prefix: str = "") -> None:
        self._table = table
        self._label = label
        self._kind = kind
        self._prefix = prefix
        self._seen: set[str] = set()

    def complain(self, field: str, problem: str) -> InvalidRouteError:
        return InvalidRouteError(f"{self._label}: {self._prefix}{field}: {problem}")

    def has(self, field: str) -> bool:
        self._seen.add(field)
        return field in self._table

    def text(self, field: str, default: str | None = None) -> str:
        value = self._get(field, default)
        if not isinstance(value, str) or (not value and default != ""):
            raise self.complain(field, f"must be a non-empty string, not {value!r}")
        return value

    def texts(self, field: str, default: tuple[str, ...] | None = None, *, empty: bool = False) -> tuple[str, ...]:
        """Read a string or a list of strings; ``empty``: empty strings and an empty list are allowed."""
        value = self._get(field, list(default) if default is not None else None)
        values = [value] if isinstance(value, str) else value
        valid = isinstance(values, list) and all(isinstance(v, str) and (v or empty) for v in values)
        if not valid or not (values or empty or default == ()):
            raise self.complain(field, f"must be a string or a list of strings, not {value!r}")
        return tuple(values)

    def flag(self, field: str, default: bool) -> bool:
        value = self._get(field, default)
        if not isinstance(value, bool):
            raise self.complain(field, f"must be true or false, not {value!r}")
        return value

    def is_flag(self, field: str) -> bool:
        """Whether the field is true or false."""
        return isinstance(self._table.get(field), bool)

    def scalar(self, field: str) -> str:
        """Read a string, a number, true or false, or a date or time, as a text of the usual form."""
        value = self._get(field)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, date):
            return value.isoformat()
        if not isinstance(value, str | int | float):
            raise self.complain(field, f"must be a text, a number, a date, true or false, not {_shown(value)}")
        return str(value)

    def count(self, field: str, most: int) -> int:
        value = self._get(field)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.complain(field, f"must be a whole number from 0 to {most}, not {_shown(value)}")
        return value

    def choice(self, field: str, allowed: Iterable[str], default: str) -> str:
        value = self._get(field, default)
        if value not in (allowed := tuple(allowed)):
            raise self.complain(field, f"must be one of {', '.join(allowed)}, not {_shown(value)}")
        return str(value)

    def number(self, field: str, default: float) -> float:
        value = self._get(field, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MOST:
            raise self.complain(field, f"must be a number of at least 1, and at most {MOST:,}, not {_shown(value)}")
        return float(value)

    def whole(self, field: str, default: int, *, least: int = 0, most: int = MOST) -> int:
        value = self._get(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.complain(field, f"must be a whole number from {least:,} to {most:,}, not {_shown(value)}")
        return value

    def is_whole(self, field: str) -> bool:
        """Whether the field is a whole number, where it may also be a text."""
        value = self._table.get(field)
        return isinstance(value, int) and not isinstance(value, bool)

    def is_text(self, field: str) -> bool:
        """Whether the field is a text, where it may also be true or false."""
        return isinstance(self._table.get(field), str)

    def size(self, field: str, default: int) -> int:
        value = self._get(field, default)
        if isinstance(value, str) and (match := re.fullmatch(rf"({_DIGITS})\s*([A-Za-z]+)", value.strip())):
            count, unit = int(match[1]), UNITS.get(match[2].upper())
            value = count * unit if unit else value
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
            raise self.complain(field, f'must be bytes or a size such as "10 GiB", not {_shown(value)}')
        return value

    def allowance(self, field: str) -> float:
        """Read a count (0, 1, 2...) or a share ("1%", 0.01); 0 if it is absent."""
        value = given = self._get(field, 0)
        if isinstance(value, str) and (match := re.fullmatch(rf"({_DIGITS}(?:\.{_DIGITS})?)\s*%", value.strip())):
            value = float(match[1]) / 100
        count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        share = isinstance(value, float) and 0 <= value < 1
        if not (count or share):
            raise self.complain(field, f'must be a count or a share below 100 %, such as "1%", not {_shown(given)}')
        if value > MOST:
            raise self.complain(field, f"must be at most {MOST:,}, not {_shown(given)}")
        return float(value)

    def table(self, field: str, kind: str) -> Fields:
        """Read a table inside this one; an empty table if it is absent."""
        value = self._get(field, {})
        if not isinstance(value, dict):
            raise self.complain(field, f"must be a table, not {value!r}")
        return Fields(value, self._label, kind, f"{self._prefix}{field}.")

    def tables(self, field: str, kind: str) -> list[Fields]:
        """Read a list of tables inside this one; an empty list if it is absent."""
        value = self._get(field, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.complain(field, f"must be a list of tables, not {value!r}")
        return [Fields(v, self._label, kind, f"{self._prefix}{field}[{n}].") for n, v in enumerate(value)]

    def named_tables(self, field: str, kind: str) -> dict[str, Fields]:
        """Read the tables inside this one by name."""
        inner = self.table(field, kind)
        return {name: inner.table(name, kind) for name in inner._table}  # noqa: SLF001  (of the same class)

    def named_texts(self, field: str) -> dict[str, str]:
        """Read a table of texts; empty if it is absent."""
        inner = self.table(field, "a table of texts")
        return {name: inner.text(name) for name in inner._table}  # noqa: SLF001  (of the same class)

    def refuse_unknown(self) -> None:
        if unknown := sorted(set(self._table) - self._seen):
            known = ", ".join(sorted(self._seen))
            meant = get_close_matches(unknown[0], self._seen, 1)
            guess = f"; did you mean {meant[0]!r}?" if meant else ""
            raise self.complain(unknown[0], f"is not a field of {self._kind}{guess}; known are {known}")

    def _get(self, field: str, default: object = None) -> Any:
        self._seen.add(field)
        value = self._table.get(field, default)
        if value is None:
            meant = get_close_matches(field, sorted(set(self._table) - {field}), 1)
            raise self.complain(field, f"is missing; did you mean {meant[0]!r}?" if meant else "is missing")
        return value


def _shown(value: object) -> str:
    """Format a value for a message; a long number is cut."""
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python converts
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
