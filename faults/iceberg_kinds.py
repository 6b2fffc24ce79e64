"""Kinds of jobs that load an Iceberg table: small and large ones, that add rows or replace them, in both catalogs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from faults.sources import CHATTY, JobKind, Mode, in_blocks, is_bad, name_of, sizes
from penstock.limits import KIB, MIB

STORE = "iceberg"
# Records of small files at most, and the last ones of a file that have one field more.
SMALL, LATE = 600, 100


def iceberg_kinds() -> list[JobKind]:
    """All kinds. Those whose names end in ``tables`` are of S3 Tables."""
    small, large = [300] * 6, [4_000] * 2
    kinds = [
        _kind("iceberg", "append", small),
        _kind("iceberg-replace", "replace", [600]),
        _kind("large-iceberg", "append", large, settings=sizes(1, 64 * KIB)),
        _kind("large-iceberg-replace", "replace", [6_000], settings=sizes(1, 64 * KIB)),
        # Small files and a large one, for one table.
        _kind("large-iceberg-mixed", "append", [*small[:4], 8_000], settings=sizes(32 * KIB, 64 * KIB)),
    ]
    tables = [replace(kind, name=f"{kind.name}-tables", table_bucket=True) for kind in kinds if kind.mode == "append"]
    evolving = _kind("large-iceberg-evolve", "evolve", [30_000], settings=sizes(1, MIB // 2))
    tables.append(replace(evolving, name=f"{evolving.name}-tables", table_bucket=True))
    return [*kinds, *tables, evolving]


def _kind(name: str, route: str, counts: list[int], *, settings: Mapping[str, int] | None = None) -> JobKind:
    """Files of so many records each. Those of a large job are compressed."""
    large = name.startswith("large")
    mode: Mode = "replace" if route == "replace" else "append"
    ranges, first = [], 0
    for count in counts:
        ranges.append(range(first, first + count))
        first += count
    rows = [(n, name_of(n)) for n in range(first) if not is_bad(n)]

    suffix, write = (".jsonl", _json) if route == "evolve" else (".csv", _csv)

    @cache
    def files() -> Mapping[str, bytes]:
        data = {f"iceberg-{route}-{number}{suffix}": write(part) for number, part in enumerate(ranges)}
        return {f"{name}.gz": in_blocks(text, 2_000) for name, text in data.items()} if large else data

    return JobKind(
        name,
        STORE,
        files,
        large=large,
        mode=mode,
        records=len(rows),
        rows=rows,
        rejects=sorted(n - part.start + 1 for part in ranges for n in part if is_bad(n)),
        settings=settings or {"PENSTOCK_LARGE_BYTES": MIB},
        # A small job sends some sixty requests, a large one hundreds.
        rate_factor=CHATTY,
    )


def _csv(numbers: range) -> bytes:
    # A small file has one partition: each upload of a file is likely to meet a fault.
    lines = (f'{"bad" if is_bad(n) else n},"{name_of(n)}",{n % (3 if len(numbers) > SMALL else 1)}\n' for n in numbers)
    return ("id,name,part\n" + "".join(lines)).encode()


def _json(numbers: range) -> bytes:
    """Objects with a field that no column takes. The last ones have one more, which `plan` does not see."""
    found = []
    for n in numbers:
        late = {"late": n} if n > numbers.stop - LATE else {}
        found.append(json.dumps({"id": "bad" if is_bad(n) else n, "name": name_of(n), "part": "0", "extra": n} | late))
    return "\n".join(found).encode() + b"\n"
