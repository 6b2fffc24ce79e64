"""The staging tables that several members of an archive share, and their entries in the ledger.

They belong to one attempt at the archive's job. Its entry, by the id of the replacement, names the attempt and its
tables; a later attempt drops them and takes the entry over. A member whose rows are all staged has an entry by the
attempt's load id: its number is the chunk, that of the inner archive which holds it the span. Both end with the swap,
or with the attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.types.json import Jsonb

from penstock.destinations.postgres.catalog import find, split_name
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import translating
from penstock.destinations.postgres.ledger import WHOLE_JOB, Ledger
from penstock.destinations.postgres.replace import ReplaceStaging
from penstock.errors import InvalidTableError, LeaseLostError
from penstock.model.identity import digest
from penstock.model.replacement import Replacement

# The span of the entry that names the attempt of a replacement, and its staging tables.
ATTEMPT = -4

# A row that the target may refuse has the number of its record and, above these bits, the ordinal of its member.
ROW_BITS = 40

_GONE = "Redrive the job of the archive: it stages all members again."


@dataclass(frozen=True, slots=True)
class StagedMember:
    """What a member has staged. ``limit``: how many rejects its route allows, or which share of its records."""

    rows: int
    rejects: int
    dropped: int
    limit: float

    @property
    def records(self) -> int:
        return self.rows + self.rejects + self.dropped


@dataclass(frozen=True, slots=True)
class SharedStaging:
    """The staging tables of a replacement, for the member with these numbers; without any for their swap."""

    connection: Connection
    replacement: Replacement
    ledger_name: str
    member: tuple[int, ...] = ()

    def ledger(self) -> Ledger:
        """Return the ledger of the attempt. It is in the schema of the first table of the replacement."""
        return Ledger(self.connection, self._name(), self.replacement.load_id, WHOLE_JOB)

    def whole_ledger(self) -> Ledger:
        """Return the ledger of the replacement, which outlives the attempt."""
        return Ledger(self.connection, self._name(), self.replacement.id, WHOLE_JOB, holder=self.replacement.attempt)

    def _ordinals(self) -> Ledger:
        """Return the ledger with the ordinals of the members, as the ends of chunks."""
        return Ledger(self.connection, self._name(), digest(self.replacement.load_id, "ordinals"), WHOLE_JOB)

    def base(self) -> int:
        """Return what is added to the numbers of the member's records."""
        ledger = self._ordinals()
        key = [ledger.job_id, *_key(self.member)]
        insert = sql.SQL(
            "INSERT INTO {0} (job, span, chunk, end_offset, next_row, rows, rejects) "
            "SELECT %s, %s, %s, count(*) + 1, 0, 0, 0 FROM {0} WHERE job = %s ON CONFLICT DO NOTHING"
        ).format(ledger.table)
        query = sql.SQL("SELECT end_offset FROM {} WHERE job = %s AND span = %s AND chunk = %s").format(ledger.table)
        with ledger.translating():
            found = self.connection.execute(query, key).fetchone()
            if found is None:
                # The lock that `ensure` holds keeps others from taking the same ordinal.
                self.connection.execute(insert, [*key, ledger.job_id])
                found = self.connection.execute(query, key).fetchone()
        assert found  # noqa: S101  # for mypy: it was inserted
        return int(found[0]) << ROW_BITS

    def member_of(self, row: int) -> tuple[int, ...]:
        """Return the numbers of the member that has a numbered row."""
        ledger = self._ordinals()
        query = sql.SQL("SELECT span, chunk FROM {} WHERE job = %s AND end_offset = %s").format(ledger.table)
        with ledger.translating():
            found = self.connection.execute(query, [ledger.job_id, row >> ROW_BITS]).fetchone()
        assert found  # noqa: S101  # for mypy: each member with numbered rows has an ordinal
        return tuple(number for number in found if number)

    def _name(self) -> tuple[str, str]:
        name = split_name(self.replacement.table)
        with translating(f"reading the catalog for {self.replacement.table}"):
            if relation := find(self.connection, name):
                return relation.schema, self.ledger_name
            if len(name) > 1:
                return name[0], self.ledger_name
            found = self.connection.execute("SELECT current_schema()").fetchone()
        return str(found[0]) if found else "", self.ledger_name

    def held(self, *, alone: bool) -> tuple[str, list[tuple[str, str]]] | None:
        """Return the attempt of the replacement and the names of its staging tables; None if there is none. Until the
        end of the transaction, no other attempt takes over. ``alone``: nor is the entry read by others."""
        ledger = self.whole_ledger()
        lock = sql.SQL("UPDATE" if alone else "SHARE")
        query = sql.SQL("SELECT refused FROM {} WHERE job = %s AND span = %s FOR {}").format(ledger.table, lock)
        with ledger.translating():
            found = self.connection.execute(query, [self.replacement.id, ATTEMPT]).fetchone()
        return (str(found[0]["attempt"]), [tuple(name) for name in found[0]["tables"]]) if found else None

    def hold(self, tables: Sequence[tuple[str, str]]) -> None:
        """Record the attempt with its staging tables."""
        ledger = self.whole_ledger()
        insert = sql.SQL(
            "INSERT INTO {} (job, span, chunk, end_offset, next_row, rows, rejects, refused) "
            "VALUES (%s, %s, 0, 0, 0, 0, 0, %s) ON CONFLICT (job, span, chunk) "
            "DO UPDATE SET refused = EXCLUDED.refused, at = now()"
        ).format(ledger.table)
        value = Jsonb({"attempt": self.replacement.attempt, "tables": list(tables)})
        with ledger.translating():
            self.connection.execute(insert, [self.replacement.id, ATTEMPT, value])

    def check(self, *, alone: bool = False) -> list[tuple[str, str]]:
        """Return the names of the attempt's staging tables. Raises InvalidTableError if they were dropped, and
        LeaseLostError if another attempt has taken over."""
        held = self.held(alone=alone)
        if held is None:
            raise InvalidTableError(
                f"the staging tables for {self.replacement.table} no longer exist: the job of the archive has ended",
                hint=_GONE,
            )
        if held[0] != self.replacement.attempt:
            raise LeaseLostError(f"another attempt at job {self.replacement.job_id} replaces {self.replacement.table}")
        return held[1]

    def ensure(self, stagings: Sequence[ReplaceStaging]) -> None:
        """Create the staging tables that no other member has created. Raises the errors of `check`, and
        InvalidTableError if one is missing that another member has created."""
        names = self.check(alone=True)
        known = len(names)
        for staging in stagings:
            staging.ensure(begun=staging.name in names)
            if staging.name not in names:
                names.append(staging.name)
        if len(names) > known:
            self.hold(names)

    def enter(self, member: StagedMember) -> None:
        """Record that the member has staged all of its rows. Raises the errors of `check`."""
        self.check()
        ledger = self.ledger()
        insert = sql.SQL(
            "INSERT INTO {} (job, span, chunk, end_offset, next_row, rows, rejects, refused) "
            "VALUES (%s, %s, %s, 0, 0, %s, %s, %s)"
        ).format(ledger.table)
        more = Jsonb({"dropped": member.dropped, "limit": member.limit})
        with ledger.translating():
            self.connection.execute(insert, [ledger.job_id, *_key(self.member), member.rows, member.rejects, more])

    def count(self) -> int:
        """Return how many members have staged all of their rows."""
        ledger = self.ledger()
        query = sql.SQL("SELECT count(*) FROM {} WHERE job = %s AND span >= 0").format(ledger.table)
        with ledger.translating():
            found = self.connection.execute(query, [ledger.job_id]).fetchone()
        return int(found[0]) if found else 0

    def staged(self, member: tuple[int, ...]) -> StagedMember:
        """Return what a member has staged."""
        ledger = self.ledger()
        query = sql.SQL("SELECT rows, rejects, refused FROM {} WHERE job = %s AND span = %s AND chunk = %s").format(
            ledger.table
        )
        with ledger.translating():
            found = self.connection.execute(query, [ledger.job_id, *_key(member)]).fetchone()
        assert found  # noqa: S101  # for mypy: the swap has counted the entries
        return StagedMember(found[0], found[1], int(found[2]["dropped"]), float(found[2]["limit"]))

    def forget(self) -> None:
        """Remove the entries of the attempt."""
        self.ledger().forget()
        self._ordinals().forget()
        ledger = self.whole_ledger()
        delete = sql.SQL("DELETE FROM {} WHERE job = %s AND span = %s").format(ledger.table)
        with ledger.translating():
            self.connection.execute(delete, [self.replacement.id, ATTEMPT])


def _key(member: tuple[int, ...]) -> tuple[int, int]:
    """Return the number of the inner archive that holds a member, 0 for none, and its own."""
    within, number = (0, *member)[-2:]
    return within, number
