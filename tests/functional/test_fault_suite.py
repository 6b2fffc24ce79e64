"""The fault suite in its short form: runs most kinds of jobs, and proves that the suite detects errors.

The long form is `make faults`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import boto3
import pytest
from faults import outcome
from faults.any_run import run
from faults.report import table
from faults.run import Result, Run
from faults.schedule import Fault, Schedule
from faults.scripted_run import ScriptedFault, ScriptedSchedule
from faults.servers import Servers, running_servers
from faults.sources import JobKind, kinds

from lengths import long

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.timeout(120)]

KINDS = kinds()
EVERY = tuple(Fault)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with running_servers() as servers:
        yield servers


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("gzip", 1),
        long("members", 2),
        long("large-plain", 3),
        ("upsert", 4),
        long("replace", 5),
        long("dynamodb", 6),
        long("large-dynamodb", 7),
        ("after-move", 10),
        long("after-delete-plain", 11),
        long("after-tag", 12),
        long("zip-after-move", 13),
    ],
)
def test_a_job_ends_as_it_should_through_faults_and_kills(servers: Servers, name: str, seed: int) -> None:
    result = run(servers, KINDS[name], seed, 0.05)
    assert not result.problems, result.schedule.injected
    assert result.schedule.injected
    assert f"| {name} | 1 |" in table([result])


class Once(Schedule):
    """One fault, for the first request of an operation, except the read of the first bytes."""

    def __init__(self, operation: str, fault: Fault) -> None:
        super().__init__("once", rate=0.0, kills=0)
        self._waiting = (operation, fault)

    def draw(self, request: str, kinds: Sequence[Fault], *, rate_factor: float = 1.0) -> Fault | None:
        operation, fault = self._waiting
        is_it = request.startswith(f"{operation} ") and not request.endswith("bytes=0-9")
        if self.fault_free or self.injected or not is_it or fault not in kinds:
            return None
        self.injected.append((fault, request))
        return fault


def struck(servers: Servers, name: str, operation: str, fault: Fault) -> Result:
    """Run with this fault only, and check that the result is not wrong."""
    with servers.resources(f"{name}-{operation}-{fault.name.replace('_', '-')}".lower()) as resources:
        one = Run(resources, KINDS[name], 0, 0.0)
        one.schedule = Once(operation, fault)
        result = one()
    assert [found for found, _ in result.schedule.injected] == [fault]
    assert not result.problems
    return result


# The bytes of a large object that needs no decoding stay inside S3, which copies its parts.
@pytest.mark.parametrize("name", ["gzip", "plain", long("large-gzip")])
def test_a_bit_that_flips_in_a_source_is_noticed_before_its_object_is_published(servers: Servers, name: str) -> None:
    assert struck(servers, name, "GetObject", Fault.FLIPPED_DOWN).state == "failed"


@pytest.mark.parametrize(("name", "operation"), [("gzip", "PutObject"), ("large-gzip", "UploadPart")])
@pytest.mark.long
def test_a_bit_that_flips_in_a_result_is_noticed_and_sent_again(servers: Servers, name: str, operation: str) -> None:
    assert struck(servers, name, operation, Fault.FLIPPED_UP).state == "succeeded"


@pytest.mark.parametrize(("name", "fault"), [("members", Fault.HIDDEN), long("large-gzip", Fault.HIDDEN_DONE)])
def test_a_completion_with_status_200_and_an_error_is_repeated(servers: Servers, name: str, fault: Fault) -> None:
    assert struck(servers, name, "CompleteUpload", fault).state == "succeeded"


@pytest.mark.parametrize(("fault", "found", "left"), [(Fault.KILL_AFTER, 1, 0), (Fault.LOST, 0, 1)])
def test_an_upload_whose_response_was_lost_is_aborted_by_the_next_attempt_or_the_sweep(
    servers: Servers, fault: Fault, found: int, left: int
) -> None:
    result = struck(servers, "members", "CreateUpload", fault)
    assert (result.state, result.schedule.found_uploads, result.orphans) == ("succeeded", found, left)


@pytest.mark.long
def test_a_message_that_died_before_its_job_was_on_record_ends_by_the_reconciler(servers: Servers) -> None:
    """Every delivery is killed when it reads the routes."""
    with servers.resources("died-unclaimed") as resources:
        one = Run(resources, KINDS["append"], 0, 0.0)
        one.schedule = ScriptedSchedule([ScriptedFault("GetObject /work/config", Fault.KILL_BEFORE, 5)], {}, set())
        result = one()
    assert (result.state, result.problems) == ("dead letter", [])


def faults_of(seed: str, requests: list[str]) -> dict[str, list[Fault | None]]:
    schedule = Schedule(seed, rate=0.3, kills=0)
    found: dict[str, list[Fault | None]] = {}
    for request in requests:
        found.setdefault(request, []).append(schedule.draw(request, EVERY))
    return found


def test_a_seed_draws_the_same_faults_in_whatever_order_requests_come() -> None:
    requests = [f"UploadPart {part}" for part in range(20)] * 3
    drawn = faults_of("seed", requests)
    assert drawn == faults_of("seed", sorted(requests))
    assert drawn != faults_of("another", requests)
    assert any(fault for faults in drawn.values() for fault in faults)


def test_the_names_of_jobs_and_a_calm_have_no_say_in_it() -> None:
    ours, theirs = Schedule("seed", 0.5, 0), Schedule("seed", 0.5, 0)
    for _ in range(20):
        assert ours.draw(f"PutObject /work/jobs/{'a' * 32}/cut.json", EVERY) == theirs.draw(
            f"PutObject /work/jobs/{'b' * 32}/cut.json", EVERY
        )
    ours.fault_free = True
    assert {ours.draw("HeadObject", EVERY) for _ in range(50)} == {None}


def ended(servers: Servers, kind: JobKind) -> Iterator[Run]:
    """A run without faults."""
    with servers.resources(f"checked-{kind.name}") as resources:
        one = Run(resources, kind, 0, 0.0)
        one.schedule.fault_free = True
        assert not one().problems
        yield one


def test_half_an_object_and_a_second_version_are_found(servers: Servers) -> None:
    for one in ended(servers, KINDS["gzip"]):
        s3 = servers.client("s3")
        s3.put_object(
            Bucket=one.resources.results, Key=f"{one.resources.name}/bucket-a.csv", Body=one.kind.content()[:-1]
        )
        found = outcome.problems(one.resources, one.kind, one.jobs(), success_only=True)
        assert any("that are not the" in problem for problem in found)
        assert any("was published 2 times" in problem for problem in found)


@pytest.mark.long
def test_a_row_twice_a_staging_table_and_an_open_upload_are_found(servers: Servers) -> None:
    for one in ended(servers, KINDS["append"]):
        one.resources.execute("INSERT INTO people SELECT * FROM people WHERE id = 5")
        one.resources.execute("CREATE TABLE penstock_staging (id int)")
        found = outcome.problems(one.resources, one.kind, one.jobs(), success_only=True)
        assert len(found) == 2, found
        assert "rows, not the" in found[0]
        assert "penstock_staging" in found[1]
        half = [{**job, "state": "failed"} for job in one.jobs()]
        assert any(
            "rows twice" in problem for problem in outcome.problems(one.resources, one.kind, half, success_only=False)
        )


@pytest.mark.long
def test_an_upload_that_is_open_is_ended_by_the_reconciler_or_found(servers: Servers) -> None:
    for one in ended(servers, KINDS["gzip"]):
        given = one.resources.credentials("ingest")
        ours = boto3.client(
            "s3",
            endpoint_url=servers.account.endpoint,
            region_name=servers.account.region,
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=given["AWS_SESSION_TOKEN"],
        )
        with closing(ours):
            ours.create_multipart_upload(Bucket=one.resources.results, Key=f"{one.resources.name}/left")
        assert not one.is_complete()
        assert one.reconcile_all() == 1
        assert (one.problems, one.resources.uploads()) == ([], [])
        # The sweep does not abort uploads that no role of the stack initiated.
        servers.client("s3").create_multipart_upload(
            Bucket=one.resources.results, Key=f"{one.resources.name}/of another"
        )
        assert one.reconcile_all() == 0
        assert one.problems == ["left without an end: jobs ['succeeded'], 1 uploads open"]


def test_rows_rejects_and_states_on_record_are_compared(servers: Servers) -> None:
    for one in ended(servers, KINDS["dynamodb"]):
        more = replace(one.kind, records=one.kind.records + 1, rejects=[])
        found = outcome.problems(one.resources, more, one.jobs(), success_only=True)
        assert [problem.split()[0] for problem in found] == ["rows", str(len(one.kind.rejects))]


def test_what_penstock_does_not_mean_to_raise_is_found(servers: Servers) -> None:
    with servers.resources("raises") as resources:
        one = Run(resources, KINDS["gzip"], 0, 0.0)
        answer = one.invoke("ingest", {"neither": "event"})
        assert (answer.error, answer.is_penstock_error) == ("InvalidEventError", True)
        assert not one.problems
        answer = one.invoke("plan", {})
        assert (answer.error, answer.is_penstock_error) == ("KeyError", False)
        assert one.problems
