"""Jobs that `ingest` hands to the state machine. Each takes a different path through statemachine/job.asl.json."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from penstock_local.sam_local.checks import Check, Scenario, check
from penstock_local.sam_local.events import event_file, with_real_objects
from penstock_local.sam_local.functions import Functions
from penstock_local.sam_local.resources import WORK, Resources

# Spans of an object are whole parts of 8 MiB. This size gives two spans; the second is small.
TWO_SPANS = 9 * 1024**2
RECORDS = 500


@dataclass(frozen=True, slots=True)
class Execution:
    """Acts as Step Functions. Each event is made from ``execution_input``, the input of the execution."""

    resources: Resources
    functions: Functions
    execution_input: dict[str, Any]

    @property
    def job(self) -> str:
        return str(self.execution_input["job"])

    def step(self, name: str, expected: object, **more: object) -> Iterator[Check]:
        """Invoke the function of an event file, with the values of this execution in the event."""
        event = {**event_file(f"steps/{name}"), **self.execution_input, **more}
        yield check(name, self.functions.invoke(name.partition("-")[0], event), expected)

    def plan(self, next_step: str) -> Generator[Check, None, list[Any]]:
        """Invoke `plan`, which names the next step; return the items of the Map that follows."""
        manifest = "manifest.jsonl" if next_step in {"work", "sequence"} else "pieces.jsonl"
        location = {"bucket": WORK, "key": f"jobs/{self.job}/{manifest}"}
        yield from self.step("plan", {"next": next_step, "round": 0, "manifest": location, "concurrency": 2})
        return [] if next_step == "index" else self.resources.items(self.job, manifest)

    def finish(self) -> Iterator[Check]:
        yield from self.step("finish", {"job": self.job, "state": "succeeded", "next": "done"})


def indexed(resources: Resources, functions: Functions) -> Iterator[Check]:
    """A gzip file of one member is indexed, then delivered in spans."""
    plain = text_of_size(TWO_SPANS)
    execution = yield from start_job(resources, functions, "in/indexed.csv.gz", gzip.compress(plain, 1))
    yield from execution.plan("index")
    yield from execution.step("index", {"done": True})
    spans = yield from execution.plan("work")
    yield check("spans", [span["number"] for span in spans], [1, 2])
    for span in spans:
        yield from execution.step("work", {"done": True}, span=span)
    yield from execution.finish()
    yield check("SHA-256 of the result", sha256(resources.result("in/indexed.csv") or b""), sha256(plain))
    yield check("open uploads", resources.open_uploads(), [])


def surveyed(resources: Resources, functions: Functions) -> Iterator[Check]:
    """A plain file goes to a table by key: its pieces are surveyed, its spans loaded in order."""
    rows = sorted(f"key-{number},{number:01000d}\n" for number in range(RECORDS))
    execution = yield from start_job(resources, functions, "items/all.csv", "".join(["id,text\n", *rows]).encode())
    pieces = yield from execution.plan("survey")
    yield check("pieces", [piece["number"] for piece in pieces], [0, 1])
    for piece in pieces:
        yield from execution.step("index-piece", {"done": True}, piece=piece)
    yield from execution.plan("sequence")
    yield from execution.step("work-sequence", {"done": True})
    yield from execution.finish()
    loaded = sorted(f"{id_},{text}\n" for id_, text in resources.records())
    yield check("SHA-256 of the records", sha256("".join(loaded).encode()), sha256("".join(rows).encode()))


def aborted(resources: Resources, functions: Functions) -> Iterator[Check]:
    """A job fails: its upload is aborted."""
    execution = yield from start_job(resources, functions, "in/aborted.csv", text_of_size(TWO_SPANS))
    yield from execution.plan("work")
    yield check("open uploads", resources.open_uploads(), ["in/aborted.csv"])
    error = event_file("steps/abort")["error"]
    yield from execution.step("abort", {"job": execution.job, "state": "failed", "error": error["Error"]})
    yield check("open uploads", resources.open_uploads(), [])
    yield check("destination object", resources.result("in/aborted.csv"), None)
    yield check("state of the job", resources.state(execution.job), "failed")


def execution_stopped(resources: Resources, functions: Functions) -> Iterator[Check]:
    """An execution is stopped between two spans: EventBridge sends an event, and a late worker delivers nothing."""
    execution = yield from start_job(resources, functions, "in/stopped.csv", text_of_size(TWO_SPANS))
    spans = yield from execution.plan("work")
    yield from execution.step("work", {"done": True}, span=spans[0])
    event = event_file("steps/abort-stopped")
    detail = {
        **event["detail"],
        "name": execution.execution_input["attempt"],
        "input": json.dumps(execution.execution_input),
    }
    answer = functions.invoke("abort", {**event, "detail": detail})
    yield check("abort-stopped", answer, {"job": execution.job, "state": "failed", "error": "ABORTED"})
    yield check("open uploads", resources.open_uploads(), [])
    yield from execution.step("work", {"errorType": "LeaseLostError"}, span=spans[1])
    yield from execution.step("finish", {"errorType": "LeaseLostError"})
    yield check("destination object", resources.result("in/stopped.csv"), None)


def unknown_job(resources: Resources, functions: Functions) -> Iterator[Check]:
    """The event of the file is sent unchanged: its job does not exist."""
    yield from Execution(resources, functions, {}).step("plan", {"errorType": "IncompleteJobError"})


def source_deleted(resources: Resources, functions: Functions) -> Iterator[Check]:
    """The source is deleted before the plan: nothing is delivered."""
    key = "in/gone.csv"
    execution = yield from start_job(resources, functions, key, text_of_size(TWO_SPANS // 8))
    resources.remove(key)
    yield from execution.step("plan", {"errorType": "SourceGoneError"})
    error = {"Error": "SourceGoneError", "Cause": json.dumps({"errorMessage": "it is gone"})}
    expected = {"job": execution.job, "state": "superseded", "error": "SourceGoneError"}
    yield from execution.step("abort", expected, error=error)


EXECUTIONS: tuple[Scenario, ...] = (indexed, surveyed, aborted, execution_stopped, unknown_job, source_deleted)
# Invokes each step at least once, and includes a failure.
SHORT: tuple[Scenario, ...] = (indexed, aborted, unknown_job)


def start_job(resources: Resources, functions: Functions, key: str, body: bytes) -> Generator[Check, None, Execution]:
    """Upload an object. `ingest` hands its job to the state machine."""
    event = event_file("s3-put")
    (record,) = event["Records"]
    record["s3"]["object"]["key"] = quote_plus(key, safe="/")
    answer = functions.invoke("ingest", with_real_objects(event, {key: resources.upload(key, body)}))
    states = [job["state"] for job in answer["jobs"]] if "jobs" in answer else None
    yield Check("ingest", answer, "" if states == ["executing"] else "WRONG: expected one job that is executing")
    return Execution(resources, functions, resources.execution_input(answer["jobs"][0]["job"]))


def text_of_size(size: int) -> bytes:
    """Lines of text, ``size`` bytes in all, which gzip compresses to about half."""
    draw = random.Random(size)
    text = bytearray()
    while len(text) < size:
        text += b"%d,%x\n" % (len(text), draw.getrandbits(8_000))
    return bytes(text[:size])


def sha256(content: bytes) -> str:
    """The digest, for contents that are too long to print."""
    return hashlib.sha256(content).hexdigest()
