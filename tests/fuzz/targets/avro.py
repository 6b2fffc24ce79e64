"""Damaged Avro files: headers, schemas, blocks, and records of every type."""

from __future__ import annotations

import json
from bisect import bisect_left
from functools import lru_cache
from random import Random
from typing import Any

from avro_files import COMPRESS, SYNC, block, encoded, header, logical, long, record
from fuzz.harness import Target
from fuzz.mutation import damaged
from fuzz.targets.tables import read
from penstock.formats.boundaries import Boundaries, BoundariesState, text_of
from penstock.formats.survey import reach, stitch, survey
from penstock.model.parse_options import Format, ParseOptions

FIELDS: dict[str, Any] = {
    "a": ["null", "long"],
    "b": "string",
    "c": {"type": "array", "items": ["null", "int", "string"]},
    "d": {"type": "map", "values": "double"},
    "e": {"type": "enum", "name": "e", "symbols": ["x", "y"]},
    "f": {"type": "fixed", "name": "f", "size": 12},
    "g": "bytes",
    "h": "boolean",
}
VALUES: list[dict[str, Any]] = [
    {"a": 1, "b": "z" * 30, "c": [None, 1, "x"], "d": {"k": 0.5}, "e": "y", "f": bytes(12), "g": b"\1", "h": True},
    {"a": None, "b": "", "c": [], "d": {}, "e": "x", "f": bytes(12), "g": b"", "h": False},
]
# What the bytes may mean: none of these changes how long a value is.
MEANINGS = (
    ("a", ["null", logical("long", "timestamp-nanos")]),
    ("a", ["null", logical("long", "timestamp-millis")]),
    ("a", ["null", logical("long", "time-micros")]),
    ("b", logical("string", "uuid")),
    ("c", {"type": "array", "items": ["null", logical("int", "date"), "string"]}),
    ("c", {"type": "array", "items": ["null", logical("int", "date"), "string", "long"]}),
    ("f", {"type": "fixed", "name": "f", "size": 12, "logicalType": "duration"}),
    ("g", logical("bytes", "decimal", precision=30, scale=12)),
)
TOKENS = (
    *(long(number) for number in (-1, 2**31, 2**40, 2**62, -(2**63), 64, 1, 0)),
    *(SYNC, SYNC[:9], b"\xff" * 12, b"\x80" * 9, b"Obj\x01", b"\x02" * 3000, b"\x00" * 3000),
    *(b'"null"', b'"long"', b'"r"', b"[", b"]", b'{"type": "array", "items": "null"}', b'"size": 99999999'),
    *(b"deflate", b"snappy", b"bzip2", b"xz", b"zstandard", b"null", b"avro.codec"),
)


def make(rng: Random) -> bytes:
    fields = FIELDS | dict(rng.sample(MEANINGS, rng.randint(0, 3)))
    if rng.random() < 0.2:
        fields["z"] = ["null", "r"]
    schema: Any = record("r", **fields)
    codec = rng.choice(sorted(COMPRESS))
    nested = "z" in fields
    body = damaged(rng, _body(nested), TOKENS) if rng.random() < 0.5 else _body(nested)
    blocks = [block(count, COMPRESS[codec](body * (count // 2))) for count in rng.choice(((2,), (2, 40), (4, 0, 2)))]
    text = json.dumps(schema).encode()
    if rng.random() < 0.3:
        text = damaged(rng, text, TOKENS)
    data = header(text, codec) + b"".join(blocks)
    return damaged(rng, data, TOKENS) if rng.random() < 0.5 else data


@lru_cache
def _body(nested: bool) -> bytes:
    values = [{**value, "z": None} for value in VALUES]
    return encoded(record("r", **FIELDS, **({"z": ["null", "r"]} if nested else {})), values)


def check(data: bytes, rng: Random) -> None:
    """Spans begin at blocks, with the number that the parser gives their first record."""
    options = ParseOptions(format=Format.AVRO, max_record=rng.choice((50, 1024 * 1024)))
    starts = _starts(data, options, rng.choice((64, 200, 10_000)))
    offsets: list[int] = []
    for batch in read(data, options, rng):
        places = [batch.position(index) for index in range(len(batch.rows))]
        offsets += [place.offset for place in (*places, *(reject.position for reject in batch.rejects))]
    offsets.sort()
    assert all(row == 1 + bisect_left(offsets, at) for at, row in starts)


def _starts(data: bytes, options: ParseOptions, piece: int) -> set[tuple[int, int]]:
    text = text_of(options, data)
    if text is None:
        return set()
    surveys = []
    boundaries = Boundaries(BoundariesState(text))
    for start in range(0, len(data), piece):
        end = min(len(data), start + piece)
        first, last = reach(text, start, end, len(data))
        surveys.append(survey([data[first:last]], text, start, end))
        boundaries.mark()
        boundaries.feed(data[start:end])
    boundaries.finish()
    return {(at, row) for _, at, row in (*stitch(surveys), *boundaries.take())}


TARGETS = (Target("avro", make, check),)
