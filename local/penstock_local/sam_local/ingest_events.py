"""The events of `ingest`: every file directly in events/."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from penstock_local.sam_local.checks import Check
from penstock_local.sam_local.events import event_file, with_real_objects
from penstock_local.sam_local.functions import Functions
from penstock_local.sam_local.resources import Resources

PLAIN_KEY, ODD_KEY = "in/accidents.csv", "in/naïve café 100% a+b.csv"
FOREIGN_MESSAGE = "059f36b4-87a3-44ab-83d2-661970000003"


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer to an event: job states, or the ids of returned messages. ``results`` are the keys of new objects."""

    states: tuple[str, ...] = ()
    returned: tuple[str, ...] | None = None
    results: tuple[str, ...] = ()


# The order matters: the older event is sent after the newer one.
EXPECTED = {
    "s3-put": Expected(states=("succeeded",), results=(PLAIN_KEY,)),
    "s3-older-sequencer": Expected(states=("superseded",)),
    "s3-multipart": Expected(states=("succeeded",), results=(PLAIN_KEY,)),
    "s3-unversioned": Expected(states=("succeeded",), results=(PLAIN_KEY,)),
    "s3-encoded-key": Expected(states=("succeeded",), results=(ODD_KEY,)),
    "eventbridge": Expected(states=("succeeded",), results=(ODD_KEY,)),
    "s3-test-event": Expected(),
    "sqs-s3": Expected(returned=(), results=(PLAIN_KEY,)),
    "sqs-repeat": Expected(returned=(), results=(PLAIN_KEY,)),
    "sqs-batch": Expected(returned=(FOREIGN_MESSAGE,), results=(PLAIN_KEY, ODD_KEY)),
}


def ingest_events(resources: Resources, functions: Functions) -> Iterator[Check]:
    """Every kind of event is sent, each for small objects with different content."""
    for name, expected in EXPECTED.items():
        plain = f"{name}\n".encode() * 50_000
        heads = {f"{key}.gz": resources.upload(f"{key}.gz", gzip.compress(plain)) for key in (PLAIN_KEY, ODD_KEY)}
        answer = functions.invoke("ingest", with_real_objects(event_file(name), heads))
        yield Check(name, answer, _problem(resources, answer, expected, plain))


def _problem(resources: Resources, answer: Any, expected: Expected, plain: bytes) -> str:
    """What is wrong with an answer or with its objects; empty if nothing is."""
    match answer:
        case {"jobs": jobs} if expected.returned is None:
            right = tuple(job["state"] for job in jobs) == expected.states
        case {"batchItemFailures": failures}:
            right = tuple(failure["itemIdentifier"] for failure in failures) == expected.returned
        case _:
            right = False
    if not right:
        return f"WRONG: expected {expected}"
    wrong = [key for key in expected.results if resources.result(key) != plain]
    return f"WRONG: {wrong} differ from what was uploaded" if wrong else ""
