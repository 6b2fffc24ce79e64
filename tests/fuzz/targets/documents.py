"""Damaged JSON documents, beside the json module."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import damaged, damaged_tree, json_text, odd
from fuzz.targets.tables import TOKENS, _refuse, read
from fuzz.targets.texts import options_of
from penstock.errors import BadDocumentError, RecordsMissingError, TruncatedSourceError
from penstock.model.parse_options import Format


def make(rng: Random) -> bytes:
    records: Any = [{"a": odd(rng), "b": number, "é": "€"} for number in range(rng.choice((0, 1, 30)))]
    document: Any = rng.choice((records, {"a": records, "z": odd(rng)}, {"x": [[]], "a": {"b": records}}, {"a": 1}))
    if rng.random() < 0.5:
        document = damaged_tree(rng, document)
    text = json_text(document)
    if rng.random() < 0.2:
        text = text.decode().encode(rng.choice(("utf-16", "utf-8-sig", "utf-32-be", "cp037")))
    return damaged(
        rng, text, (*TOKENS, b"[", b"]", b",", b":", b'"a":', b"\\", b"\\u", b"\\ud800", b" " * 5000, b"tru", b"-")
    )


def check(data: bytes, rng: Random) -> None:
    options = options_of(rng, Format.JSON)
    plain = options.encoding == "utf-8" and not options.records and options.max_record > len(data)
    known, document = parsed(data) if plain else (False, None)
    try:
        batches = list(read(data, options, rng))
    except (BadDocumentError, TruncatedSourceError, RecordsMissingError) as error:
        is_list_missing = isinstance(error, RecordsMissingError) and not isinstance(document, list | dict)
        if known and not is_list_missing:
            raise AssertionError("the json module takes it") from error
        raise
    if known and isinstance(document, list | dict):
        wanted = len(document) if isinstance(document, list) else 1
        assert sum(batch.count for batch in batches) == wanted


def parsed(data: bytes) -> tuple[bool, Any]:
    """Whether Python's reader takes it, and what it makes of it."""
    try:
        return True, json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False, None


TARGETS = (Target("json", make, check),)
