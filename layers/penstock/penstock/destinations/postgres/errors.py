"""What PostgreSQL answers, in Penstock's words. Decided by SQLSTATE; by text only where there is none.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    DestinationMissingError,
    InvalidTableError,
    PenstockError,
    RequestRefusedError,
    ServiceUnavailableError,
)

# Connection, resources, operator intervention, system failures; transactions that lost against others.
_UNAVAILABLE_CLASSES = frozenset({"08", "40", "53", "57", "58"})
# Lock not available; a server that was demoted to a replica; idle for too long in a transaction.
_UNAVAILABLE = frozenset({"25006", "25P03", "25P04", "55P03"})
_DENIED = "42501"
_DENIED_CLASS = "28"
# Database, schema, table.
_MISSING = frozenset({"3D000", "3F000", "42P01"})
# Undefined column, no unique index for ON CONFLICT, a value for a generated column, types that do not go together.
_UNFIT = frozenset({"42703", "42P10", "428C9", "42804"})

# Data exception, integrity violation, what a function in another language raises, a view's check option, a limit such
# as an index row's size, a trigger's RAISE: the row is at fault.
_ROW_CLASSES = frozenset({"22", "23", "38", "39", "44", "54", "P0"})
# Classes that the standard leaves to applications begin so: a trigger's RAISE with a code of its own. Some of them
# PostgreSQL has taken for itself.
_CUSTOM = frozenset("56789IJKLMNOPQRSTUVWXYZ")
_POSTGRESQL_S_OWN = frozenset({"53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX"})

# Losing against another transaction is nobody's fault: the same again may succeed at once.
_LOST_RACES = frozenset({"40001", "40P01"})
# Two sessions created the same thing at the same moment.
_CREATED_TWICE = frozenset({"23505", "42P06", "42P07", "42710"})

_MISSING_HINT = (
    "Create it, or let Penstock do so (`create = true`, or --create in a command), or correct the destination."
)


# libpq gives no SQLSTATE for a connection that was not made. These are the
# server's words for 28P01, 28000, 3D000, and libpq's own for a certificate; anything else may be over in a moment.
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
    """Whether other rows may do better."""
    state_class = (error.sqlstate or "")[:2]
    custom = state_class[:1] in _CUSTOM and state_class not in _POSTGRESQL_S_OWN
    return bool(state_class) and (custom or state_class in _ROW_CLASSES)


def is_lost_race(error: psycopg.Error, *, creating: bool = False) -> bool:
    """Whether the same transaction may succeed at once; ``creating``: it contains CREATE statements."""
    return error.sqlstate in _LOST_RACES or (creating and error.sqlstate in _CREATED_TWICE)


@contextmanager
def translating(right: str) -> Iterator[None]:
    """Raise Penstock's errors for psycopg's. ``right`` is the privilege and its object, such as
    ``INSERT on table public.songs``; it begins every message. Lost races pass, for the transaction to be repeated."""
    try:
        yield
    except psycopg.Error as error:
        if is_lost_race(error, creating=True):
            raise
        raise translated(error, right) from error


@contextmanager
def translating_connect(place: str) -> Iterator[None]:
    """The same for connecting to ``place``, a host and database."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise _not_connected(str(error).strip(), place) from error


# The check of a staging table that stands for the partitions of its target.
HAS_PARTITION = "has_a_partition"
_STAGING = re.compile(r"penstock_staging_[0-9a-f_]*[0-9a-f]")


def reason_of(error: psycopg.Error, table: str) -> str:
    """Why a row is refused that goes into a table, or into its staging table, which nobody else knows by its name."""
    if error.diag.constraint_name == HAS_PARTITION:
        return f'no partition of "{table}" takes this row'
    return _STAGING.sub(table, message_of(error))


def message_of(error: psycopg.Error) -> str:
    """The server's message and its detail; psycopg's where the server said nothing."""
    primary, detail = error.diag.message_primary, error.diag.message_detail
    return f"{primary}: {detail}" if primary and detail else primary or str(error).strip()


def translated(error: psycopg.Error, right: str) -> PenstockError:
    """The error to raise."""
    state = error.sqlstate or ""
    message = f"{right}: {message_of(error)}"
    if state == _DENIED or state[:2] == _DENIED_CLASS:
        return denied(right, message_of(error))
    if state in _UNAVAILABLE or state[:2] in _UNAVAILABLE_CLASSES:
        return ServiceUnavailableError(message)
    if not state and isinstance(error, psycopg.OperationalError):
        return ServiceUnavailableError(message)
    if state in _MISSING:
        return DestinationMissingError(message, hint=_MISSING_HINT)
    if state in _UNFIT:
        return InvalidTableError(message)
    return RequestRefusedError(message)


def denied(right: str, detail: str = "") -> AccessDeniedError:
    """That the database role lacks a privilege."""
    return AccessDeniedError(right, detail=detail, hint=f"Grant {right} to the role that the function connects as.")


def _not_connected(said: str, place: str) -> PenstockError:
    said = " ".join(said.removeprefix("connection is bad: ").removeprefix("connection failed: ").split())
    if any(words in said for words in _REFUSED_WORDS) or all(words in said for words in _NO_ROLE_WORDS):
        return AccessDeniedError(
            f"CONNECT to {place}", detail=said, hint="Correct the secret, or let the role connect from the function."
        )
    if all(words in said for words in _NO_DATABASE_WORDS):
        return DestinationMissingError(f"{place}: {said}", hint="Create the database, or correct the DSN.")
    if any(words in said for words in _TLS_WORDS):
        return ConfigurationError(
            f"{place}: {said}", hint="Give the DSN the sslmode and sslrootcert that fit the server."
        )
    if said.startswith("invalid "):
        return ConfigurationError(f"{place}: {said}", hint="Correct the DSN.")
    return ServiceUnavailableError(f"{place}: {said}")
