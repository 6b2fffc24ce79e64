"""Jobs that `ingest` hands to the state machine, each by another way through statemachine/job.asl.json."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from penstock_local.sam_local.events import event_file, fitted
from penstock_local.sam_local.functions import Functions
from penstock_local.sam_local.job_report import Seen, Story, seen
from penstock_local.sam_local.site import WORK, Site

# Spans of an object are whole parts of 8 MiB: this is two, the second of them small.
TWO_SPANS = 9 * 1024**2
RECORDS = 500


@dataclass(frozen=True, slots=True)
class Execution:
    """The part of Step Functions: ``given`` is the input of the execution, from which each event is made."""

    site: Site
    functions: Functions
    given: dict[str, Any]

    @property
    def job(self) -> str:
        return str(self.given["job"])

    def step(self, name: str, expected: object, **more: object) -> Iterator[Seen]:
        """Call the function that the event is for, with the event fitted to this execution."""
        event = {**event_file(f"steps/{name}"), **self.given, **more}
        yield seen(name, self.functions.invoke(name.partition("-")[0], event), expected)

    def plan(self, following: str) -> Generator[Seen, None, list[Any]]:
        """`plan` says what comes next; answers the items of its Map."""
        manifest = "manifest.jsonl" if following in {"work", "sequence"} else "pieces.jsonl"
        place = {"bucket": WORK, "key": f"jobs/{self.job}/{manifest}"}
        yield from self.step("plan", {"next": following, "round": 0, "manifest": place, "concurrency": 2})
        return [] if following == "index" else self.site.items(self.job, manifest)

    def finish(self) -> Iterator[Seen]:
        yield from self.step("finish", {"job": self.job, "state": "succeeded", "next": "done"})


def indexed(site: Site, functions: Functions) -> Iterator[Seen]:
    """A gzip file of one member: indexed, then carried in spans."""
    plain = lines(TWO_SPANS)
    execution = yield from begun(site, functions, "in/indexed.csv.gz", gzip.compress(plain, 1))
    yield from execution.plan("index")
    yield from execution.step("index", {"done": True})
    spans = yield from execution.plan("work")
    yield seen("spans", [span["number"] for span in spans], [1, 2])
    for span in spans:
        yield from execution.step("work", {"done": True}, span=span)
    yield from execution.finish()
    yield seen("SHA-256 of the result", digest(site.result("in/indexed.csv") or b""), digest(plain))
    yield seen("uploads that are open", site.unfinished(), [])


def surveyed(site: Site, functions: Functions) -> Iterator[Seen]:
    """A plain file into a table by key: its pieces surveyed, its spans loaded in order."""
    rows = sorted(f"key-{number},{number:01000d}\n" for number in range(RECORDS))
    execution = yield from begun(site, functions, "items/all.csv", "".join(["id,text\n", *rows]).encode())
    pieces = yield from execution.plan("survey")
    yield seen("pieces", [piece["number"] for piece in pieces], [0, 1])
    for piece in pieces:
        yield from execution.step("index-piece", {"done": True}, piece=piece)
    yield from execution.plan("sequence")
    yield from execution.step("work-sequence", {"done": True})
    yield from execution.finish()
    loaded = sorted(f"{id_},{text}\n" for id_, text in site.records())
    yield seen("SHA-256 of the records", digest("".join(loaded).encode()), digest("".join(rows).encode()))


def aborted(site: Site, functions: Functions) -> Iterator[Seen]:
    """A job that cannot be finished: its upload is aborted."""
    execution = yield from begun(site, functions, "in/aborted.csv", lines(TWO_SPANS))
    yield from execution.plan("work")
    yield seen("uploads that are open", site.unfinished(), ["in/aborted.csv"])
    error = event_file("steps/abort")["error"]
    yield from execution.step("abort", {"job": execution.job, "state": "failed", "error": error["Error"]})
    yield seen("uploads that are open", site.unfinished(), [])
    yield seen("what stands", site.result("in/aborted.csv"), None)
    yield seen("state of the job", site.state(execution.job), "failed")


def stopped(site: Site, functions: Functions) -> Iterator[Seen]:
    """An execution that somebody stops between two spans: EventBridge tells, and a late worker delivers nothing."""
    execution = yield from begun(site, functions, "in/stopped.csv", lines(TWO_SPANS))
    spans = yield from execution.plan("work")
    yield from execution.step("work", {"done": True}, span=spans[0])
    event = event_file("steps/abort-stopped")
    told = {**event["detail"], "name": execution.given["attempt"], "input": json.dumps(execution.given)}
    answer = functions.invoke("abort", {**event, "detail": told})
    yield seen("abort-stopped", answer, {"job": execution.job, "state": "failed", "error": "ABORTED"})
    yield seen("uploads that are open", site.unfinished(), [])
    yield from execution.step("work", {"errorType": "LeaseLostError"}, span=spans[1])
    yield from execution.step("finish", {"errorType": "LeaseLostError"})
    yield seen("what stands", site.result("in/stopped.csv"), None)


def unknown(site: Site, functions: Functions) -> Iterator[Seen]:
    """The event as it stands in its file: of a job that never was."""
    yield from Execution(site, functions, {}).step("plan", {"errorType": "IncompleteJobError"})


def gone(site: Site, functions: Functions) -> Iterator[Seen]:
    """A source that was deleted meanwhile: nothing to do."""
    key = "in/gone.csv"
    execution = yield from begun(site, functions, key, lines(TWO_SPANS // 8))
    site.remove(key)
    yield from execution.step("plan", {"errorType": "SourceGoneError"})
    error = {"Error": "SourceGoneError", "Cause": json.dumps({"errorMessage": "it is gone"})}
    expected = {"job": execution.job, "state": "superseded", "error": "SourceGoneError"}
    yield from execution.step("abort", expected, error=error)


EXECUTIONS: tuple[Story, ...] = (indexed, surveyed, aborted, stopped, unknown, gone)
# Each function once, and a failure.
SHORT: tuple[Story, ...] = (indexed, aborted, unknown)


def begun(site: Site, functions: Functions, key: str, body: bytes) -> Generator[Seen, None, Execution]:
    """Upload an object; `ingest` hands it over."""
    event = event_file("s3-put")
    (record,) = event["Records"]
    record["s3"]["object"]["key"] = quote_plus(key, safe="/")
    answer = functions.invoke("ingest", fitted(event, {key: site.upload(key, body)}))
    states = [job["state"] for job in answer["jobs"]] if "jobs" in answer else None
    yield Seen("ingest", answer, "" if states == ["executing"] else "WRONG: expected one job that is executing")
    return Execution(site, functions, site.handed_over(answer["jobs"][0]["job"]))


def lines(size: int) -> bytes:
    """So many bytes of text, of which gzip leaves half."""
    draw = random.Random(size)
    text = bytearray()
    while len(text) < size:
        text += b"%d,%x\n" % (len(text), draw.getrandbits(8_000))
    return bytes(text[:size])


def digest(content: bytes) -> str:
    """Of contents that are too long to be shown."""
    return hashlib.sha256(content).hexdigest()
