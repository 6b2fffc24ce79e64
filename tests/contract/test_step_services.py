"""The services of the steps: work files, state machine and event bus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from contract.object_backends import MemoryBackend, ObjectBackend, S3Backend
from penstock.aws.s3.work_files import S3WorkFiles
from penstock.aws.state_machine import StepFunctionsStateMachine
from penstock.errors import ConfigurationError, ServiceUnavailableError, SourceGoneError
from penstock.large_jobs.ports import StateMachine, WorkFiles
from penstock.model.span import Stored
from penstock.testing import MemoryStateMachine, MemoryWorkFiles

KEY = "jobs/1234/ünïcode +%.json"


@pytest.fixture
def files(objects: ObjectBackend) -> WorkFiles:
    if isinstance(objects, MemoryBackend):
        return MemoryWorkFiles()
    assert isinstance(objects, S3Backend)
    return S3WorkFiles(objects.client, objects.plain)


def test_a_file_that_was_never_written_is_missing(files: WorkFiles) -> None:
    assert files.read(KEY) is None
    with pytest.raises(SourceGoneError):
        files.read_part(Stored(KEY, 0, 1))


@pytest.mark.parametrize("data", [b"", b"some bytes"])
def test_a_file_is_read_as_it_was_written_last(files: WorkFiles, data: bytes) -> None:
    files.write(KEY, b"before")
    files.write(KEY, data)
    assert files.read(KEY) == data


@pytest.mark.parametrize(("start", "size"), [(0, 4), (3, 4), (9, 1), (0, 10), (4, 0)])
def test_a_part_of_a_file_is_read_alone(files: WorkFiles, start: int, size: int) -> None:
    files.write(KEY, b"0123456789")
    assert files.read_part(Stored(KEY, start, size)) == b"0123456789"[start : start + size]


def test_a_part_that_goes_beyond_the_end_is_shorter(files: WorkFiles) -> None:
    files.write(KEY, b"0123456789")
    assert files.read_part(Stored(KEY, 7, 100)) == b"789"


@pytest.mark.parametrize("first", [b"", b"first"])
def test_what_is_written_once_stays(files: WorkFiles, first: bytes) -> None:
    assert files.write_once(KEY, first) == first
    assert files.write_once(KEY, b"second") == first
    assert files.read(KEY) == first


def test_of_several_who_write_once_at_the_same_time_all_get_the_same(files: WorkFiles) -> None:
    with ThreadPoolExecutor(6) as threads:
        existing = set(threads.map(lambda n: files.write_once(KEY, b"%d" % n), range(12)))
    assert existing == {files.read(KEY)}


class Conflicting:
    """A client whose first conditional writes conflict with other writes in progress."""

    def __init__(self, client: Any, conflicts: int) -> None:
        self._client = client
        self._conflicts = conflicts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **request: Any) -> Any:
        self._conflicts -= 1
        if self._conflicts >= 0 and "IfNoneMatch" in request:
            raise ClientError(
                {"Error": {"Code": "ConditionalRequestConflict"}, "ResponseMetadata": {"HTTPStatusCode": 409}},  # type: ignore[typeddict-item]  # only the fields that are read
                "PutObject",
            )
        return self._client.put_object(**request)


@pytest.fixture
def bucket() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="work")
        yield client


def test_a_write_that_conflicts_with_a_failed_write_is_repeated(bucket: Any) -> None:
    assert S3WorkFiles(Conflicting(bucket, 2), "work").write_once(KEY, b"ours") == b"ours"  # type: ignore[arg-type]  # a client
    assert S3WorkFiles(bucket, "work").read(KEY) == b"ours"


def test_a_write_that_keeps_conflicting_is_a_retryable_error(bucket: Any) -> None:
    with pytest.raises(ServiceUnavailableError):
        S3WorkFiles(Conflicting(bucket, 99), "work").write_once(KEY, b"ours")  # type: ignore[arg-type]  # a client


# The state machine

WAITS = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}
ROLE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def stepfunctions() -> Iterator[tuple[Any, str]]:
    with mock_aws():
        role = boto3.client("iam").create_role(RoleName="m", AssumeRolePolicyDocument=json.dumps(ROLE))["Role"]["Arn"]
        client = boto3.client("stepfunctions")
        yield (
            client,
            client.create_state_machine(name="job", definition=json.dumps(WAITS), roleArn=role)["stateMachineArn"],
        )


@pytest.fixture(params=["memory", "moto"])
def machine(request: pytest.FixtureRequest) -> tuple[StateMachine, Any]:
    """A state machine, and a function that lists the names and inputs of its executions."""
    if request.param == "memory":
        fake = MemoryStateMachine()
        return fake, lambda: fake.started
    client, arn = request.getfixturevalue("stepfunctions")

    def started() -> dict[str, str]:
        executions = client.list_executions(stateMachineArn=arn)["executions"]
        arns = {one["name"]: one["executionArn"] for one in executions}
        return {name: client.describe_execution(executionArn=one)["input"] for name, one in arns.items()}

    return StepFunctionsStateMachine(lambda: client, arn), started


def test_an_execution_is_started_once_by_its_name(machine: tuple[StateMachine, Any]) -> None:
    started = machine[1]
    machine[0].start("one", '{"job": "1"}')
    machine[0].start("one", '{"job": "1"}')
    machine[0].start("two", '{"job": "2"}')
    assert started() == {"one": '{"job": "1"}', "two": '{"job": "2"}'}


def test_an_execution_that_has_ended_is_not_started_again(stepfunctions: tuple[Any, str]) -> None:
    client, arn = stepfunctions
    machine = StepFunctionsStateMachine(lambda: client, arn)
    assert machine.start("one", "{}")
    (execution,) = client.list_executions(stateMachineArn=arn)["executions"]
    client.stop_execution(executionArn=execution["executionArn"])
    assert not machine.start("one", "{}")
    assert len(client.list_executions(stateMachineArn=arn)["executions"]) == 1


class Refusing:
    """A Step Functions client that raises an error."""

    def __init__(self, code: str) -> None:
        self.code = code

    def start_execution(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "StartExecution")


@pytest.mark.parametrize(
    ("code", "error"),
    [("StateMachineDoesNotExist", ConfigurationError), ("ThrottlingException", ServiceUnavailableError)],
)
def test_the_error_of_a_failed_start_has_its_cause(code: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="states:StartExecution on arn:job"):
        StepFunctionsStateMachine(lambda: Refusing(code), "arn:job").start("one", "{}")


# The event bus
