"""What is persisted or public keeps its name: a release reads what the one before has left, and is deployed over it.

The fixed side of each comparison lies in ``tests/fixtures/persisted``, as the release before wrote it. Whoever moves or
renames code changes imports here, and nothing there.
"""

from __future__ import annotations

import inspect
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from machine import Plant
from machine_sources import TEXT, in_blocks
from penstock import errors, telemetry
from penstock.archives.archive import Skipped
from penstock.aws.jobs_table.commit_store import DynamoCommitStore
from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.open_jobs import DynamoOpenJobs
from penstock.aws.jobs_table.time_index import table_schema
from penstock.codecs.checkpoint import Checkpoint
from penstock.connect import record
from penstock.connect.model import Connection, Side
from penstock.connect.needs import sids_of
from penstock.connect.topic import own_sids
from penstock.delivery.member_jobs import MemberResult
from penstock.delivery.replacing import Replacements
from penstock.destinations import DESTINATIONS
from penstock.destinations.dynamodb.bookmark import DynamoBookmark
from penstock.destinations.field_counts import fields_of, text_of
from penstock.destinations.postgres.refused_rows import read_dropped, read_fields, read_refused, refused_text
from penstock.errors import PermanentError, RetryableError, YieldedError
from penstock.files.temporary_names import is_temporary
from penstock.formats.boundaries import BoundariesState
from penstock.formats.boundaries import Text as RecordText
from penstock.formats.survey import Survey
from penstock.jobs.announce.announcement import announcement_of
from penstock.jobs.ingest import Report, summarise
from penstock.jobs.runner import Outcome
from penstock.large_jobs.index_pass import IndexState
from penstock.large_jobs.job_files import JobSpec, Upload
from penstock.large_jobs.member_batches import MemberBatch
from penstock.large_jobs.span_plan import SpanPlanDocument
from penstock.large_jobs.survey import Piece
from penstock.model.column import ColumnType, FieldCounts
from penstock.model.commit import CommitBatch, CommitNote
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState, Phase, Stage
from penstock.model.load import Chunk, Loaded, Resume
from penstock.model.member import Member
from penstock.model.object import Source
from penstock.model.parse_options import Format
from penstock.model.record import RecordPosition, Reject
from penstock.model.serialization import from_json, to_json
from penstock.model.span import Span, SpanReceipt
from penstock.model.table import Mode
from penstock.model.upload import Proof
from penstock.routes import Routes, destination_of, parse_routes
from penstock.run.loads import load_ids
from penstock.settings import Settings
from penstock.sync.digest_cache import DigestCache
from penstock.sync.model import LocalFile, ObjectMetadata, RemoteFile
from penstock.testing import ManualDeadline
from penstock.testing.connect import ROLES, MemoryRecordFile, stack
from penstock.upload.state import from_text, to_text

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parents[1] / "fixtures" / "persisted"
NAMES: Mapping[str, Any] = json.loads((KEPT / "names.json").read_text())

EVENT: Mapping[str, Any] = {"size": 1000, "etag": "e1", "sequencer": "0A01", "event_time": "2026-11-01T00:00:00Z"}


# Ids: the same upload through the same route is the same job, whichever release asks.

KEYS = {
    "copy": "a.bin",
    "decompress": "in/a.csv.gz",
    "inferred": "a.inferred.csv",
    "declared": "a.declared.csv",
    "replace": "a.replace.csv",
    "sheet": "a.xlsx",
    "document": "a.json",
    "events": "a.jsonl",
    "items": "a.items.csv",
}


def job_of(route: str, version: str = "v1") -> Job:
    text = (KEPT / "routes.toml").read_text()
    source = Source("drops", KEYS[route], version_id=version, **EVENT)
    found = parse_routes(text, "routes.toml", {"source_bucket": "drops"}).find(source.bucket, source.key)
    assert found
    assert found.name == route
    return Job(source, found, destination_of(found, source))


def ids_of(route: str) -> dict[str, object]:
    job = job_of(route)
    loads = [] if job.route.store == "bucket" else list(islice(load_ids(job), 2))
    return {"route": job.route.digest, "job": job.id, "unversioned": job_of(route, "").id, "loads": loads}


@pytest.mark.parametrize("route", KEYS)
def test_a_route_keeps_its_digest_and_a_job_its_id(route: str) -> None:
    assert ids_of(route) == NAMES["ids"][route]


@pytest.mark.parametrize("route", KEYS)
def test_a_route_that_was_written_and_read_keeps_its_digest(route: str) -> None:
    job = from_json(Job, to_json(job_of(route)))
    assert [job.route.digest, job.id] == [NAMES["ids"][route]["route"], NAMES["ids"][route]["job"]]


# Documents: read, and written again just as they were.

DOCUMENTS = {
    "ticket_bucket": JobSpec,
    "ticket_table": JobSpec,
    "ticket_choice": JobSpec,
    "ticket_archive": JobSpec,
    "ticket_member": JobSpec,
    "cut": SpanPlanDocument,
    "cut_archive": SpanPlanDocument,
    "member": Member,
    "member_inner": Member,
    "skipped": Skipped,
    "member_batch": MemberBatch,
    "member_result": MemberResult,
    "member_result_failed": MemberResult,
    "member_result_staged": MemberResult,
    "member_staged": Member,
    "replaced": Replacements,
    "span": Span,
    "span_receipt": SpanReceipt,
    "upload": Upload,
    "routes": Routes,
    "text": RecordText,
    "piece": Piece,
    "survey": Survey,
    "index_state": IndexState,
}


def kept(name: str) -> str:
    return (KEPT / "documents" / f"{name}.json").read_text().rstrip("\n")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_work_file_is_read_and_written_as_it_was(name: str) -> None:
    assert to_json(from_json(DOCUMENTS[name], kept(name))) == kept(name)


@pytest.mark.parametrize(("name", "kind"), [("checkpoint", Checkpoint), ("boundaries_state", BoundariesState)])
def test_what_an_index_pass_goes_on_from_is_read_and_written_as_it_was(name: str, kind: Any) -> None:
    assert json.dumps(kind.from_json(json.loads(kept(name))).to_json()) == kept(name)


def test_the_state_of_an_upload_is_read_and_written_as_it_was() -> None:
    text = (KEPT / "documents" / "upload_state.json").read_text()
    assert to_text(from_text(text, "state.json")) == text


def test_the_record_of_a_connection_is_read_and_written_as_it_was() -> None:
    file = MemoryRecordFile(kept("connection"))
    record.save(file, record.load(file, "drops as source of 111122223333/us-east-1/penstock-dev"))
    assert file.text == kept("connection")


def test_what_connect_has_set_is_found_by_later_releases() -> None:
    connection, target = Connection("drops.example", "in/", Side.SOURCE), stack("drops.example", after_actions="move")
    assert target.id_for(connection) == "penstock-dev-connect-282a0d85-39154c0a"
    assert sids_of(connection, target, shared=True) == [
        "PenstockSourceObjects1bac3425",
        "PenstockSourceBucket01c7c7fc",
        "PenstockAfterObjects1bac3425",
        "PenstockAfterBucket01c7c7fc",
    ]
    assert own_sids(connection, target) == ("PenstockPublish9365d023", "PenstockSubscribe9365d023")
    assert target.grant_for(connection, ROLES[Side.SOURCE][0]) == (
        "penstock/penstock-dev/282a0d85/source/drops_example/ingest"
    )


def test_the_rejects_and_fields_of_a_ledger_entry_are_read_and_written_as_they_were() -> None:
    entry = NAMES["refused"]
    rejects, fields = read_refused(entry), read_fields(entry)
    assert (len(rejects), fields.is_told) == (2, True)
    chunk = Chunk(0, end=1, next_row=2, records=1, rows=(), fields=fields)
    assert json.loads(refused_text(chunk, Loaded(1, rejects, read_dropped(entry))) or "") == entry
    assert text_of(fields_of(entry["fields"])) == entry["fields"]


def test_a_line_of_the_reject_log_says_what_it_said() -> None:
    assert Reject(RecordPosition(1, 2, "raw"), "reason", "column", 3).flat == NAMES["reject"]


# What enums are stored as, and errors by name.

ENUMS = (ColumnType, Format, JobState, Mode, Phase, Proof, Stage)


def values_of(kinds: Iterable[type[Enum]]) -> list[list[str]]:
    return [[str(member.value) for member in kind] for kind in kinds]


def test_values_of_enums_are_what_they_were() -> None:
    for now, before in zip([*values_of(ENUMS), sorted(DESTINATIONS)], NAMES["enums"], strict=True):
        assert set(before) <= set(now)


def error_names() -> dict[str, str]:
    found = {}
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, RetryableError | PermanentError) and kind not in (RetryableError, PermanentError):
            found[name] = "retryable" if issubclass(kind, RetryableError) else "permanent"
    return found


def test_errors_keep_their_names_and_whether_a_retry_may_mend_them() -> None:
    """They are on record with jobs, and the state machine goes by them."""
    assert NAMES["errors"].items() <= error_names().items()


def errors_matched(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        yield from node.get("ErrorEquals", ())
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from errors_matched(inner)


def test_the_state_machine_goes_by_errors_that_exist() -> None:
    definition = json.loads((ROOT / "statemachine" / "job.asl.json").read_text())
    ours = {name for name in errors_matched(definition) if "." not in name}
    assert ours
    assert ours <= {name for name, sort in error_names().items() if sort == "retryable"}


# The jobs table.


def attributes_left(work: Callable[[Any], None]) -> dict[str, list[str]]:
    """By the prefix of its key, the attributes of every kind of item that this leaves."""
    from moto import mock_aws  # slow to import, and not needed to collect the tests

    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        schema: Any = table_schema()
        client.create_table(TableName="jobs", **schema)
        work(client)
        found: dict[str, set[str]] = defaultdict(set)
        for item in client.scan(TableName="jobs")["Items"]:
            found[item["pk"]["S"].partition("#")[0]] |= item.keys()
    return {prefix: sorted(names) for prefix, names in sorted(found.items())}


FAILURE = Failure("TruncatedSourceError", "cut short", "send it again")
RECEIPT = Receipt(1000, 5000, 1, 2, "gzip", rows=3, rejects=1, warnings=("w",))


def do_everything(client: Any) -> None:
    """All that is ever written to the jobs table."""
    store = DynamoJobStore(client, "jobs", retention_days=90)
    executions = DynamoExecutionStore(client, "jobs", retention_days=90, sleep=lambda _: None)
    reconciler = DynamoOpenJobs(client, "jobs", retention_days=90)
    first, second, third = (job_of("decompress", version) for version in ("v1", "v2", "v3"))

    def claim(job: Job) -> Claim:
        claimed = store.claim(job, lease=60, seconds=900, memory=1)
        assert isinstance(claimed, Claim)
        return claimed

    held = claim(first)
    store.heartbeat(held, Progress(1, 2, 3, 4, 5), lease=60, memory=1)
    store.record_upload(held, "upload")
    store.release(held, FAILURE)
    waiting = store.get(first.id)
    assert waiting
    reconciler.restart(waiting, 1.0)
    store.skip(first.source)
    store.record_many([(job_of("copy"), RECEIPT)], seconds=1.0)
    newer = claim(third)
    store.yield_to(claim(second), YieldedError("a newer one", newer=third.id))
    reconciler.fail_unrecorded(job_of("items"), FAILURE)
    reconciler.lock("uploads", 60.0)
    executions.hand_over(newer, third.id, lease=60)
    executions.confirm(third.id, third.id, lease=60)
    executions.record_upload(third.id, third.id, "upload-of-it")
    for phase in Phase:
        executions.start_phase(third.id, third.id, phase, units=1)
    executions.record_progress(third.id, Stage.READ, 0, Progress(1))
    executions.record_receipt(third.id, third.id, SpanReceipt(1, 1, 1))
    executions.record_totals(third.id, third.id, spans=1, size=1)
    executions.record_failure(third.id, third.id, FAILURE)
    executions.start_round(third.id, third.id, 1)
    executing = store.get(third.id)
    assert executing
    reconciler.begin_abort(executing, 1.0, FAILURE)
    executions.end(third.id, third.id, JobState.SUCCEEDED, receipt=RECEIPT)
    failed = store.get(job_of("items").id)
    assert failed
    store.reopen(failed)
    commit_and_doubt(client, store, claim(job_of("declared")))
    DynamoBookmark(client, "jobs", third.id).record(Resume(1, 2, 3, 4, 5, fields=FieldCounts(1, ("a",))))


def commit_and_doubt(client: Any, store: DynamoJobStore, held: Claim) -> None:
    """All that is ever written for the commit of a job's files."""
    commits = DynamoCommitStore(client, "jobs", retention_days=90)
    store.hold(held, RECEIPT, CommitNote(replaces="table", series="0a", order="00"))
    batch = CommitBatch("c1", "sales.orders", (held.job_id,))
    commits.take(held.job_id, "c1")
    commits.begin(batch)
    commits.record_base("c1", 7)
    commits.release("c1", doubt=True)
    commits.record_snapshot("c1", 8)
    (job,) = commits.jobs([held.job_id])
    assert commits.close(job, batch, JobState.IN_DOUBT, FAILURE)
    store.note_unused(held.job_id)


def test_items_of_the_jobs_table_have_the_attributes_that_they_had() -> None:
    assert attributes_left(do_everything) == NAMES["jobs_table"]


def test_the_jobs_table_has_the_keys_and_the_index_that_it_had() -> None:
    assert table_schema() == NAMES["jobs_table_schema"]


def status_left(client: Any) -> dict[str, Any]:
    """A job's item as today's code reads it."""
    for item in NAMES["job_items"]:
        client.put_item(TableName="jobs", Item=item)
    store = DynamoJobStore(client, "jobs", retention_days=90)
    found = store.get(NAMES["job_items"][0]["pk"]["S"].partition("#")[2])
    assert found
    document: dict[str, Any] = json.loads(to_json(found))
    return document


def test_a_job_on_record_is_read_with_all_that_it_says() -> None:
    found: dict[str, Any] = {}
    attributes_left(lambda client: found.update(status_left(client)))
    assert list(found.values()) == NAMES["job_status"]


# What a job leaves in buckets, and tells.

ROUTES = """
[[route]]
name = "decompress"
match = ["*"]
destination = "s3://out/result"
"""


def told(value: object) -> object:
    """The keys of a document, at every level."""
    if isinstance(value, Mapping):
        return {name: told(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return [told(value[0])]
    return "..."


def left_by(data: bytes, *, fails: bool = False) -> dict[str, object]:
    """The names of all that a large bucket job leaves and says, its ids left out."""
    plant = Plant(ROUTES)
    source = plant.upload("data.csv.gz", data[: len(data) // 2] if fails else data)
    outcome = plant.ingest(source)
    (payload,) = plant.machine.started.values()
    planned = plant.planner(outcome.job_id, outcome.job_id, ManualDeadline(900))
    indexed = {} if fails else plant.indexer(outcome.job_id, outcome.job_id, None, ManualDeadline(900))
    plant.execute(outcome.job_id)
    announced = announcement_of(plant.jobs.jobs[outcome.job_id])
    stored = plant.store.get("out", "result")
    report = plant.files.files.get(f"jobs/{outcome.job_id}/report.json")
    names = {key.replace(outcome.job_id, "JOB").partition("jobs/index-")[0] for key in plant.files.files}
    return {
        "payload": told(json.loads(payload)),
        "plan": told(planned),
        "index": told(indexed),
        "event": [announced.kind, told(announced.detail)],
        "report": told(json.loads(report)) if report else None,
        "files": sorted(name for name in names if name),
        "index_files": sorted({key.rpartition("/")[2].split("-")[0] for key in plant.files.files if "/index-" in key}),
        "metadata": sorted(stored.head.metadata) if stored else [],
    }


def test_a_job_leaves_and_says_what_it_did() -> None:
    assert left_by(in_blocks(TEXT)) == NAMES["success"]


def test_a_job_that_fails_says_what_it_did() -> None:
    assert left_by(in_blocks(TEXT), fails=True) == NAMES["failure"]


# Metrics and logs.


class Told:
    """What handlers log and measure: names alone."""

    def __init__(self) -> None:
        self.metrics: set[str] = set()
        self.fields: set[str] = set()

    def add_metric(self, name: str, unit: Any, value: float) -> None:  # a number of this run
        self.metrics.add(f"{name} {unit.value}")

    def append_keys(self, **keys: object) -> None:
        self.fields |= keys.keys()

    def info(self, message: str, extra: Mapping[str, object]) -> None:  # no one looks for it
        self.fields |= extra.keys()

    warning = error = info


def telemetry_told() -> dict[str, list[str]]:
    told = Told()
    to: Any = told
    source = replace(job_of("copy").source, event_time="2026-11-21T10:00:00.000Z")
    states = (*JobState, None)
    outcomes = [Outcome(source, state, "job", "route", "target", receipt=RECEIPT, failure=FAILURE) for state in states]
    outcomes.append(replace(outcomes[0], repeat=True))
    problem = errors.InvalidEventError("no event")
    ended = telemetry.EndedJobs()
    telemetry.report(Report(tuple(outcomes), (), (problem,), queued=True), to, to)
    telemetry.reconciled(
        dict.fromkeys(("restarted", "aborted", "ended", "left", "uploads", "recorded"), 1), ended, to, to
    )
    with pytest.raises(errors.CorruptSourceError), telemetry.step("job", ended, to, to):
        raise errors.CorruptSourceError("damaged", offset=1)
    return {"metrics": sorted(told.metrics), "log_fields": sorted(told.fields)}


def test_metrics_and_log_fields_keep_their_names() -> None:
    assert telemetry_told() == NAMES["telemetry"]


def test_the_function_ingest_answers_what_it_did() -> None:
    done = Outcome(job_of("copy").source, JobState.FAILED, "job", receipt=RECEIPT, failure=FAILURE)
    report = Report((done,), ("message",), (), queued=False)
    answers = [summarise(report), summarise(replace(report, queued=True))]
    assert [told(answer) for answer in answers] == NAMES["ingest_answers"]


# What this machine remembers.


KNOWN = ObjectMetadata(md5_etag=True, checksums={"crc32": "01"}, metadata={"who": "me"}, part_sizes=(2, 1))


def cache_left(path: Path) -> list[str]:
    with DigestCache(path, "service") as cache:
        cache.remember_digest(LocalFile("a", "/tree/a", 3, 1, 2, 3, 4), "md5", "1")
        cache.remember_facts(
            RemoteFile("a", "lake", "data/a", 3, "etag-2", 1.5),
            KNOWN,
        )
        cache.remember_name("/tree", "content", "a")
        cache.remember_object(RemoteFile("a", "lake", "data/a", 3, "etag-2", 1.5))
    base = sqlite3.connect(path)
    try:
        return list(base.iterdump())
    finally:
        base.close()


def test_the_cache_of_digests_is_written_as_it_was(tmp_path: Path) -> None:
    assert cache_left(tmp_path / "cache.sqlite") == NAMES["digest_cache"]


def test_the_cache_of_digests_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    base = sqlite3.connect(path)
    base.executescript("\n".join(NAMES["digest_cache"]))
    base.close()
    with DigestCache(path, "service") as cache:
        kept = RemoteFile("a", "lake", "data/a", 3, "etag-2", 1.5)
        assert cache.digests(LocalFile("a", "/tree/a", 3, 1, 2, 3, 4)) == {"md5": "1"}
        assert cache.facts(kept) == KNOWN
        assert (cache.names("/tree", "content"), cache.objects("lake", "data/", 3)) == (["a"], [kept])


def test_a_file_in_the_making_is_known_by_its_name() -> None:
    assert is_temporary("folder/.penstock-making-0123456789abcdef")


# What a deployment is told.


def template() -> Any:
    class Loader(yaml.CSafeLoader):
        """Passes over CloudFormation's own tags."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    return yaml.load((ROOT / "template.yaml").read_text(), Loader)  # a SafeLoader


def test_parameters_outputs_and_variables_keep_their_names() -> None:
    found = template()
    assert set(NAMES["parameters"]) <= set(found["Parameters"])
    assert set(NAMES["outputs"]) <= set(found["Outputs"])
    assert set(NAMES["variables"]) <= Settings.VARIABLES


def test_resources_that_jobs_under_way_need_keep_their_logical_ids() -> None:
    """Under another one, CloudFormation makes a new table, bucket or queue, and deletes the old one; an execution that
    is under way goes on by the definition and the functions with which it began."""
    found = template()["Resources"]
    assert NAMES["stateful"].items() <= {name: one.get("Type") for name, one in found.items()}.items()
