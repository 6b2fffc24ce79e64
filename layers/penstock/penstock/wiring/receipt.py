"""The public form of a run's result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.wiring.archive_result import ArchiveResult
    from penstock.wiring.run import RunResult


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one run delivered.

    ``source`` and ``target`` are URIs or paths. ``bytes_in`` counts encoded bytes, ``bytes_out`` decoded ones;
    ``crc32`` covers all decoded bytes. ``rows`` are in the table, ``rows_before`` of them from an earlier run.
    ``rejects`` and ``dropped`` count records that the table does not hold. ``already``: the load was complete before,
    and nothing was done. ``rejects_file`` lists the rejects, as JSON Lines; None if there are none. ``members`` are the
    receipts of an archive's members, in its order; the counts of the archive are their sums. ``changes`` are columns
    that were added to tables, or widened.
    """

    source: str
    target: str
    codec: str
    bytes_in: int
    bytes_out: int
    crc32: int
    parts: int
    etag: str
    version_id: str
    rows: int
    rows_before: int
    rejects: int
    dropped: int
    already: bool
    rejects_file: Path | None
    warnings: tuple[str, ...]
    seconds: float
    members: tuple[Receipt, ...] = ()
    changes: tuple[str, ...] = ()

    def rejected(self) -> Iterator[dict[str, Any]]:
        """Yield each rejected record: ``row``, ``offset``, ``column``, ``reason`` and ``raw``, in source order.

        Reads the file line by line. Raises OSError if the file has been removed.
        """
        if self.rejects_file is not None:
            with self.rejects_file.open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)

    @classmethod
    def of(cls, result: RunResult) -> Receipt:
        """Convert a result to its public form."""
        receipt = result.receipt
        return cls(
            source=result.source,
            target=result.target,
            codec=receipt.codec,
            bytes_in=receipt.bytes_in,
            bytes_out=receipt.bytes_out,
            crc32=receipt.crc32,
            parts=receipt.parts,
            etag=receipt.etag,
            version_id=receipt.version_id,
            rows=receipt.rows,
            rows_before=result.before,
            rejects=receipt.rejects,
            dropped=receipt.dropped,
            already=result.already,
            rejects_file=Path(result.rejects) if result.rejects else None,
            warnings=receipt.warnings,
            seconds=result.seconds,
            changes=tuple(change.text for change in receipt.changes),
        )

    @classmethod
    def of_archive(cls, total: ArchiveResult, members: Sequence[Receipt], warnings: Sequence[str]) -> Receipt:
        """Convert the result of an archive, whose members all were delivered."""
        return cls(
            source=total.source,
            target=total.target,
            codec=total.codec,
            bytes_in=total.size,
            bytes_out=total.bytes_out,
            crc32=0,
            parts=sum(member.parts for member in members),
            etag="",
            version_id="",
            rows=total.rows,
            rows_before=sum(member.rows_before for member in members),
            rejects=total.rejects,
            dropped=sum(member.dropped for member in members),
            already=bool(members) and all(member.already for member in members),
            rejects_file=None,
            warnings=tuple(warnings),
            seconds=total.seconds,
            members=tuple(members),
            changes=tuple(change for member in members for change in member.changes),
        )
