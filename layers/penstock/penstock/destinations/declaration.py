"""What a destination declares: how routes name it, what it can do, and the module that opens it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from penstock.errors import ConfigurationError
from penstock.model.table import Form, Mode, Table


def no_objection(table: Table) -> tuple[str, str] | None:  # noqa: ARG001  # as Destination says
    """Any table of a route will do."""
    return None


@dataclass(frozen=True, slots=True)
class Destination:
    """One kind of place to deliver to.

    ``name`` is how records and metrics name it, ``prefix`` how its URIs start, ``example`` how a message shows them. A
    destination without ``form`` takes objects; the others take rows in that form. ``default_mode`` is for routes that
    name none. ``check`` looks at a table of a route: the field and what is wrong with it, or None.

    ``syntax`` is a regular expression that whole URIs match; empty: the name, a colon and a table, or the name alone.

    Capabilities: ``has_ledger``: an interrupted load resumes, and a complete one is known by its id.
    ``shares_commits``: several small sources may commit together. ``charges_rows``: each row is a request that costs.

    ``tables`` is the module whose ``open_tables(environment)`` opens it. It is imported when the first row comes.
    """

    name: str
    prefix: str
    example: str
    syntax: str = ""
    form: Form | None = None
    default_mode: Mode = Mode.APPEND
    check: Callable[[Table], tuple[str, str] | None] = no_objection
    has_ledger: bool = False
    shares_commits: bool = False
    charges_rows: bool = False
    tables: str = ""

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
