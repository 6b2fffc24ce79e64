"""Translate PostgreSQL's errors into Penstock's, by SQLSTATE; by their text only if there is no SQLSTATE.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from penstock.destinations.postgres.rights import Right, denied
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    DestinationMissingError,
    InvalidTableError,
    PenstockError,
    RequestRefusedError,
    ServiceUnavailableError,
)

# Connection, resources, operator intervention, system failures; transactions that lost a race.
_UNAVAILABLE_CLASSES = frozenset({"08", "40", "53", "57", "58"})
# Lock not available; a server that became a replica; too long idle in a transaction.
_UNAVAILABLE = frozenset({"25006", "25P03", "25P04", "55P03"})
_DENIED = "42501"
_DENIED_CLASS = "28"
# Database, schema, table.
_MISSING = frozenset({"3D000", "3F000", "42P01"})
# Undefined column, no unique index for ON CONFLICT, a value for a generated column, types that do not match.
_UNFIT = frozenset({"42703", "42P10", "428C9", "42804"})

# The row is at fault: data exception, integrity violation, an error of a function in another language, a view's check
# option, a limit such as an index row's size, a trigger's RAISE.
_ROW_CLASSES = frozenset({"22", "23", "38", "39", "44", "54", "P0"})
_BAD_DATA = "22"
_QUOTED = re.compile('".*"', re.DOTALL)
# First characters of the classes that the standard leaves to applications, as for a trigger's RAISE with its own code.
# PostgreSQL uses some of these classes itself.
_CUSTOM = frozenset("56789IJKLMNOPQRSTUVWXYZ")
_POSTGRESQL_S_OWN = frozenset({"53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX"})

# The transaction lost a race against another one; a retry may succeed at once.
_LOST_RACES = frozenset({"40001", "40P01"})
# Two sessions created the same thing at the same moment.
_CREATED_TWICE = frozenset({"23505", "42P06", "42P07", "42710"})

_MISSING_HINT = (
    "Create it, or let Penstock create it (`create = true`, or --create in a command), or correct the destination."
)


# libpq gives no SQLSTATE for a failed connection. These are the server's messages for 28P01, 28000 and 3D000, and those
# of libpq for certificates. Any other failure may be temporary.
_REFUSED_WORDS = ("authentication failed", "no pg_hba.conf entry", "no password supplied", "is not permitted to log in")
_NO_ROLE_WORDS = ('role "', "does not exist")
_NO_DATABASE_WORDS = ('database "', "does not exist")
_TLS_WORDS = (
    "certificate verify failed",
    "does not match host name",
    "server does not support SSL",
    "root certificate",
    "sslmode",
)


def is_rows_fault(error: psycopg.Error) -> bool:
    """Return whether the row is at fault, so that other rows may succeed."""
    state_class = (error.sqlstate or "")[:2]
    custom = state_class[:1] in _CUSTOM and state_class not in _POSTGRESQL_S_OWN
    return bool(state_class) and (custom or state_class in _ROW_CLASSES)


def is_lost_race(error: psycopg.Error, *, creating: bool = False) -> bool:
    """Return whether a retry of the transaction may succeed at once; ``creating``: it contains CREATE statements."""
    return error.sqlstate in _LOST_RACES or (creating and error.sqlstate in _CREATED_TWICE)


@contextmanager
def translating(right: Right | str, role: str = "") -> Iterator[None]:
    """Raise Penstock's errors for psycopg's. ``right`` is the privilege of ``role`` and its object, such as
    ``INSERT on table public.songs``; messages start with it. Lost races pass unchanged, for `transact` to retry."""
    try:
        yield
    except psycopg.Error as error:
        if is_lost_race(error, creating=True):
            raise
        raise translated(error, right, role) from error


@contextmanager
def translating_connect(database: str) -> Iterator[None]:
    """Raise Penstock's errors for a failed connection to ``database``, its name and host."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise _not_connected(str(error).strip(), database) from error


# The check of a staging table that represents the partitions of its target.
HAS_PARTITION = "has_a_partition"
_STAGING = re.compile(r"penstock_staging_[0-9a-f_]*[0-9a-f]")


def reason_of(error: psycopg.Error, table: str, *, bare: bool = False) -> str:
    """Return why a table, or its staging table, refuses a row. The table's name replaces that of the staging table.
    See `bare_message_of` for ``bare``."""
    if error.diag.constraint_name == HAS_PARTITION:
        return f'no partition of "{table}" accepts this row'
    return _STAGING.sub(table, bare_message_of(error) if bare else message_of(error))


def bare_message_of(error: psycopg.Error) -> str:
    """Return the server's message without any value of the row: these are in the detail, and in what errors of data
    quote. The server does not escape quotes in them."""
    primary = error.diag.message_primary or ""
    return _QUOTED.sub("(hidden)", primary) if (error.sqlstate or "")[:2] == _BAD_DATA else primary


def message_of(error: psycopg.Error) -> str:
    """Return the server's message and its detail; psycopg's message if the server sent none."""
    primary, detail = error.diag.message_primary, error.diag.message_detail
    return f"{primary}: {detail}" if primary and detail else primary or str(error).strip()


def translated(error: psycopg.Error, right: Right | str, role: str = "") -> PenstockError:
    """Return Penstock's error for psycopg's."""
    state = error.sqlstate or ""
    message = f"{right}: {message_of(error)}"
    if state == _DENIED or state[:2] == _DENIED_CLASS:
        return denied(right, role=role, detail=message_of(error))
    if state in _UNAVAILABLE or state[:2] in _UNAVAILABLE_CLASSES:
        return ServiceUnavailableError(message)
    if not state and isinstance(error, psycopg.OperationalError):
        return ServiceUnavailableError(message)
    if state in _MISSING:
        return DestinationMissingError(message, hint=_MISSING_HINT)
    if state in _UNFIT:
        return InvalidTableError(message)
    return RequestRefusedError(message)


def _not_connected(text: str, database: str) -> PenstockError:
    reason = " ".join(text.removeprefix("connection is bad: ").removeprefix("connection failed: ").split())
    message = f"{database}: {reason}"
    if any(words in reason for words in _REFUSED_WORDS) or all(words in reason for words in _NO_ROLE_WORDS):
        hint = "Correct the secret, or let the role connect from the function."
        return AccessDeniedError(f"CONNECT to {database}", detail=reason, hint=hint)
    if all(words in reason for words in _NO_DATABASE_WORDS):
        return DestinationMissingError(message, hint="Create the database, or correct the DSN.")
    if any(words in reason for words in _TLS_WORDS):
        return ConfigurationError(message, hint="Set sslmode and sslrootcert in the DSN so that they fit the server.")
    if reason.startswith("invalid "):
        return ConfigurationError(message, hint="Correct the DSN.")
    return ServiceUnavailableError(message)
