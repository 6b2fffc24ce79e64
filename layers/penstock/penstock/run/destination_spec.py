"""The destination and the options of a command line, as a route."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from penstock.codecs import strip_suffix
from penstock.destinations import examples, find_destination
from penstock.destinations.parquet.destination import PREFIX, is_file_name
from penstock.errors import InvalidRouteError
from penstock.formats.format import RecordFormat
from penstock.formats.registry import format_by_suffix
from penstock.limits import S3
from penstock.model.route import DEFAULT_RATIO, Route
from penstock.model.s3_uri import S3_SCHEME
from penstock.routes.fields import Fields
from penstock.routes.tables import read_plan

# Not a route of a routes file: it matches no key, so no destination can trigger it.
NAME = "--to"

# Looks like the name of a service. A name of one letter is a drive.
_FOREIGN = re.compile(r"(?!s3://)(?:[A-Za-z]{2,}:|[A-Za-z][\w+.-]*://)")
_OR_A_FILE = "For a file, write its path, with ./ before a name that has a colon; for standard output, write -."


@dataclass(frozen=True, slots=True)
class DestinationSpec:
    """A destination and, for a table, the given fields of a route's ``parse`` and ``table``."""

    to: str
    codec: str = "auto"
    max_rejects: str = "0"
    parse: Mapping[str, object] = field(default_factory=dict)
    table: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_table(self) -> bool:
        found = find_destination(self.to)
        return found is not None and found.takes_rows and self.to != found.name

    def of(self, source: str) -> DestinationSpec:
        """Return the destination of a source: a file with the name of a Parquet file is one, unless it is a copy.

        Raises InvalidRouteError for a Parquet file that is to be compressed as a whole, and for a copy that would have
        the name of another format.
        """
        is_copy = is_file_name(strip_suffix(source))
        if is_file_name(self.to) and not find_foreign(self.to) and not is_copy:
            return replace(self, to=f"{PREFIX}{self.to}")
        stripped = strip_suffix(self.to)
        if stripped != self.to and is_file_name(stripped) and not is_copy:
            raise InvalidRouteError(
                f"--to {self.to}: a Parquet file is not compressed as a whole",
                hint=f"Write --to {stripped}: its pages are compressed (--compression).",
            )
        self._check_copy(source)
        return self

    def _check_copy(self, source: str) -> None:
        """Raises InvalidRouteError for a copy of a binary format under the name of another format, or the reverse."""
        found, wanted = (_format_of(name) for name in (source, self.to))
        if self.is_table or not found or not wanted or found.name == wanted.name:
            return
        if not (found.text_based and wanted.text_based):
            raise InvalidRouteError(
                f"--to {self.to}: the records of {source} are not converted to the format {wanted.name}",
                hint=f"Load them into a table or FILE.parquet. To copy the bytes, name a file of {found.name}.",
            )

    def route(self) -> Route:
        """Build the route. Raises InvalidRouteError, which names the field."""
        if not self.is_table:
            if find_foreign(self.to):
                raise InvalidRouteError(
                    f"--to {self.to} is not a known destination", hint=f"Write {examples()}. {_OR_A_FILE}"
                )
            if unused := [*self.parse, *self.table]:
                raise InvalidRouteError(f"--{unused[0].replace('_', '-')} is for tables, but {self.to} is not a table")
            return Route(NAME, (), self.to, codec=self.codec, max_ratio=DEFAULT_RATIO, max_bytes=S3.max_object)
        name = self.to.partition(":")[2]
        kind = find_destination(self.to)
        assert kind is not None  # noqa: S101  # for mypy: is_table
        if not name:
            raise InvalidRouteError(f"--to {self.to} names no table", hint=f"Write {kind.example}.")
        if name.startswith("//"):
            # The URI may hold a password: do not show it.
            raise InvalidRouteError(
                "--to needs the name of a table, not the URI of a database",
                hint=f"Write --to {kind.prefix}TABLE --dsn URI.",
            )
        if kind.has_places:
            # A brace is part of the name: nothing is filled in.
            name = name.replace("{", "{{").replace("}", "}}") if name.startswith(S3_SCHEME) else name
            name = name if name.endswith("/") or is_file_name(name) else f"{name}/"
        if not kind.is_whole(self.to):
            raise InvalidRouteError(f"--to {self.to}: must look like {kind.example}")
        given = {"parse": dict(self.parse), "table": dict(self.table), "max_rejects": _allowance(self.max_rejects)}
        fields = Fields(given, f"--to {self.to}", "the command")
        plan = read_plan(fields, kind, name)
        return Route(NAME, (), self.to, codec=self.codec, store=kind.name, plan=plan)


def _format_of(name: str) -> RecordFormat | None:
    """The format that a name promises."""
    return format_by_suffix(strip_suffix(name).rpartition("/")[2].rpartition(".")[2].lower())


def find_foreign(to: str) -> bool:
    """Whether a destination looks like that of a service."""
    return _FOREIGN.match(to) is not None


def _allowance(text: str) -> object:
    """Convert to the value in routes.toml: a count, or a share as a number or with a percent sign."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
