"""The batches of an archive: consecutive entries that one invocation delivers.

jobs/<job>/batches/<n>.jsonl   the entries of batch n, one `Member` or `Skipped` per line; written by the plan. Instead
                               of an inner archive its entries, unless it cannot be taken apart
jobs/<job>/members/<n>.jsonl   what became of them, one `MemberResult` per line; it outlives an execution, so that a
                               redrive begins with the members that are missing
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from penstock.archives.archive import Skipped
from penstock.delivery.member_jobs import Entry, MemberResult, RefusedArchive
from penstock.large_jobs.job_files import MANIFEST, JobFolder
from penstock.model.job_status import JobState
from penstock.model.member import Member
from penstock.model.serialization import KIND, from_json, to_json

# The folder of the results.
RESULTS = "members/"

# Entries of a batch. A small object costs about three requests: a thousand take a function of 512 MB a minute, one of
# a whole vCPU ten seconds. A million members are then a thousand invocations.
MOST_ENTRIES = 1_000
# Large members of an archive whose jobs run at once: each has workers of its own, and the account a quota.
CHILDREN = 8
# Estimated seconds of a batch for the bytes of its members: a kill costs no more than that.
MOST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class MemberBatch:
    """Entries ``first`` to ``last`` of an archive, which take ``bytes`` of it (of its encoded bytes, about).

    ``large``: the batch is one member with a job and an execution of its own, the so-manieth of its archive, from 1; 0
    for members that `work` delivers itself.
    """

    number: int
    first: int
    last: int
    bytes: int
    large: int = 0


class Estimated(NamedTuple):
    """An entry, the estimated seconds for its bytes, and whether it is a large member, which is alone in its batch."""

    entry: Entry
    seconds: float = 0.0
    is_large: bool = False


def cut_batches(entries: Iterable[Estimated]) -> Iterator[tuple[MemberBatch, Sequence[Entry]]]:
    """Yield batches in the order of the archive, with their entries. Memory: the entries of one batch."""
    number = large = 0
    pending: list[Entry] = []
    total = 0.0
    for entry, needed, alone in entries:
        if pending and (alone or len(pending) == MOST_ENTRIES or total + needed > MOST_SECONDS):
            number += 1
            yield _batch(number, pending), pending
            pending, total = [], 0.0
        if alone:
            number, large = number + 1, large + 1
            yield _batch(number, [entry], large), [entry]
            continue
        pending.append(entry)
        total += needed
    if pending:
        yield _batch(number + 1, pending), pending


def _batch(number: int, entries: Sequence[Entry], large: int = 0) -> MemberBatch:
    return MemberBatch(number, entries[0].numbers[0], entries[-1].numbers[0], sum(map(encoded_bytes, entries)), large)


def encoded_bytes(entry: Entry) -> int:
    """Return the bytes of an archive that hold the content of an entry."""
    return entry.encoded(entry.size or 0) if isinstance(entry, Member) and entry.content else 0


def batches_of(folder: JobFolder) -> list[MemberBatch]:
    """Return all batches of a job's manifest, in order. Memory: about 200 bytes each."""
    lines = folder.files.read(folder.key(MANIFEST)) or b""
    return [from_json(MemberBatch, line) for line in lines.splitlines()]


def write_entries(folder: JobFolder, number: int, entries: Iterable[Entry]) -> None:
    """Write the entries of a batch."""
    written = (entry.member if isinstance(entry, RefusedArchive) else entry for entry in entries)
    folder.files.write(folder.key(f"batches/{number}.jsonl"), _lines(written))


def read_entries(folder: JobFolder, number: int) -> list[Member | Skipped]:
    """Return the entries of a batch. Raises IncompleteJobError if the file has expired."""
    return [_entry(line) for line in folder.need(f"batches/{number}.jsonl").splitlines()]


def write_results(folder: JobFolder, number: int, results: Iterable[MemberResult]) -> None:
    """Write what became of the entries of a batch, and replace what was written before."""
    folder.files.write(folder.key(f"{RESULTS}{number}.jsonl"), _lines(results))


def read_results(folder: JobFolder, number: int) -> list[MemberResult]:
    """Return what has become of the entries of a batch so far."""
    lines = folder.files.read(folder.key(f"{RESULTS}{number}.jsonl")) or b""
    return [from_json(MemberResult, line) for line in lines.splitlines()]


def running_members(folder: JobFolder) -> Iterator[str]:
    """Yield the ids of the jobs of large members that were begun, and whose end is not recorded.

    Stops after as many in a row that were not begun as run at once: they are begun in order.
    """
    unknown = 0
    for batch in batches_of(folder):
        if batch.large and unknown < CHILDREN:
            results = read_results(folder, batch.number)
            unknown = 0 if results else unknown + 1
            yield from (result.job_id for result in results if result.state is JobState.EXECUTING)


def _lines(values: Iterable[object]) -> bytes:
    return b"".join(to_json(value).encode() + b"\n" for value in values)


def _entry(line: bytes) -> Member | Skipped:
    kind: type[Member] | type[Skipped] = Skipped if json.loads(line)[KIND] == Skipped.__name__ else Member
    return from_json(kind, line)
