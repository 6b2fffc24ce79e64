"""What a destination declares: how routes name it, what it can do, and the module that opens it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from penstock.errors import ConfigurationError
from penstock.model.file_options import NO_FILE_OPTIONS, FileOptions
from penstock.model.table import Form, Mode, Table


def no_objection(table: Table) -> tuple[str, str] | None:  # noqa: ARG001  # as Destination says
    """Any table of a route will do."""
    return None


@dataclass(frozen=True, slots=True)
class Destination:
    """One kind of destination.

    ``name`` is how records and metrics name it, ``prefix`` how its URIs start, ``example`` how a message shows them. A
    destination without ``form`` takes objects; the others take rows in that form. ``syntax`` is a regular expression
    that complete URIs match; empty: the name, a colon and a table, or the name alone.

    Capabilities:

    - ``modes``: how rows are written. The first is for routes that name none.
    - ``is_transactional``: all rows of a source can become visible at once (``atomic`` in a route).
    - ``creates_tables``: it can create a table that is missing (``create`` in a route).
    - ``evolves``: columns can be added to a table, or get a wider type (``evolve`` in a route).
    - ``has_ledger``: an interrupted load resumes, and a complete load is known by its id.
    - ``shares_commits``: several small sources may commit together.
    - ``charges_rows``: each row is a request that costs.
    - ``commits_later``: the rows of a source are files that become visible by one commit of their table.
    - ``takes_dsn``: `penstock run` reaches it by the URI of a database (``--dsn``).
    - ``writes_files``: its rows become files, with options of their own (`FileOptions`).
    - ``has_places``: its tables are prefixes in buckets, and their names are templates of URIs.

    ``check`` looks at a table of a route that these capabilities allow: the field and what is wrong with it, or None.
    ``leaves`` is what an abort that fails may leave, with ``{job}`` for the id of the job; empty if that is nothing.
    ``tables`` is the module whose ``open_tables(environment)`` opens it. It is imported when the first row comes.
    """

    name: str
    prefix: str
    example: str
    syntax: str = ""
    form: Form | None = None
    modes: tuple[Mode, ...] = (Mode.APPEND,)
    is_transactional: bool = False
    creates_tables: bool = False
    evolves: bool = False
    has_ledger: bool = False
    shares_commits: bool = False
    charges_rows: bool = False
    commits_later: bool = False
    takes_dsn: bool = False
    writes_files: bool = False
    has_places: bool = False
    check: Callable[[Table], tuple[str, str] | None] = no_objection
    leaves: str = ""
    tables: str = ""

    def problem_of(self, table: Table) -> tuple[str, str] | None:
        """The field of a route's table that the destination does not support, and why; None if it supports all."""
        return next(self._problems(table), None)

    def _problems(self, table: Table) -> Iterator[tuple[str, str]]:
        if table.mode not in self.modes:
            yield "mode", f"must be {' or '.join(self.modes)} for {self.name}"
        if table.atomic and not self.is_transactional:
            yield "atomic", f"is not supported by {self.name}, which has no transaction for a whole source"
        if table.files != NO_FILE_OPTIONS and not self.writes_files:
            given = next(one.name for one in fields(FileOptions) if getattr(table.files, one.name))
            yield given, f"is for destinations that write files, and {self.name} stores rows"
        if table.create and not self.creates_tables and not self.writes_files:
            yield "create", f"is not supported by {self.name}: declare the table in a template"
        if problem := self.check(table):
            yield problem
        if table.create and not self.creates_tables:
            yield "create", f"is not supported by {self.name}"
        if table.grows and not self.evolves:
            yield "evolve", f'"{table.evolve}" is not supported by {self.name}'

    def owns(self, uri: str) -> bool:
        """Whether a URI is one of this destination, by its prefix."""
        return uri.startswith(self.prefix) or (self.takes_rows and uri == self.name)

    def is_whole(self, uri: str) -> bool:
        """Whether nothing is missing in a URI of this destination. Without a table, records choose one."""
        return re.fullmatch(self.syntax or rf"{re.escape(self.name)}(:.+)?", uri) is not None

    @property
    def takes_rows(self) -> bool:
        """Whether records are parsed for it."""
        return self.form is not None

    @property
    def row_form(self) -> Form:
        """The form of its rows. Raises ConfigurationError for a destination that takes objects."""
        if self.form is None:
            raise ConfigurationError(f"{self.name} takes objects, not rows")
        return self.form
