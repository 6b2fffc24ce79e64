"""Step Functions and EventBridge of the local stack. Each name says how AWS behaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

import machines
from machines import allow
from penstock_local.account import Account, emulator_only

BUCKET = "manifests"
CODE = """
import json, os, time
import boto3

class ServiceUnavailableError(Exception):
    pass

class BrokenError(Exception):
    pass

s3 = boto3.client("s3")

def note(name, what):
    s3.put_object(Bucket="manifests", Key=f"notes/{name}/{time.time_ns()}", Body=what)

def notes(name):
    return s3.list_objects_v2(Bucket="manifests", Prefix=f"notes/{name}/").get("KeyCount", 0)

def handler(event, context):
    name = event["name"]
    note(name, "began")
    if event.get("announce"):
        entry = {"Source": "test", "DetailType": event["announce"], "Detail": "{}"}
        answer = boto3.client("events").put_events(Entries=[entry])
        return {"failed": answer["FailedEntryCount"]}
    time.sleep(event.get("sleep", 0) if notes(name) <= event.get("slow", 99) else 0)
    if event.get("fails", 0) >= notes(name):
        raise {"ServiceUnavailableError": ServiceUnavailableError, "BrokenError": BrokenError}[event["error"]](name)
    note(name + "-ended", "")
    return {"name": name, "event": event}
"""
AGAIN = {"IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 2, "MaxDelaySeconds": 60, "JitterStrategy": "FULL"}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        account.client("s3").create_bucket(Bucket=BUCKET)
        yield account


@pytest.fixture(scope="module")
def working(account: Account) -> str:
    objects = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    granted = machines.role(account, "working", allow(["s3:ListBucket", "s3:PutObject"], objects))
    return machines.function(account, "working", CODE, granted, timeout=2)


@pytest.fixture(scope="module")
def able(account: Account, working: str) -> str:
    return machines.role(
        account,
        "able",
        allow("lambda:InvokeFunction", working),
        allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{BUCKET}/*"),
        allow("states:StartExecution", "*"),
    )


@pytest.fixture(scope="module")
def sleeping(account: Account, working: str, able: str) -> str:
    return machines.machine(account, "sleeping", task(working), able)


def task(working: str, **more: Any) -> dict[str, Any]:
    return {"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": working, "End": True, **more}}}


def mapped(working: str, *, retry: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    items: dict[str, Any] = {
        "Type": "Map",
        "Label": "items",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Parameters": {"Bucket": BUCKET, "Key.$": "$.manifest"},
        },
        "ItemSelector": {"name.$": "$$.Map.Item.Value.name", "sleep.$": "$.sleep", "error.$": "$.error",
                         "fails.$": "$$.Map.Item.Value.fails"},
        "MaxConcurrencyPath": "$.concurrency",
        "ToleratedFailurePercentage": 0,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            **task(working, OutputPath=None, Retry=list(retry)),
        },
        "ResultPath": None,
        "End": True,
    }  # fmt: skip
    return {"StartAt": "Map", "States": {"Map": items | more}}


@pytest.fixture
def manifest(account: Account) -> Callable[..., dict[str, Any]]:
    """Write a manifest, and return the input of a Map over it."""

    def leave(name: str, failing: dict[int, int], *, items: int = 4, concurrency: int = 4, sleep: float = 0,
              error: str = "BrokenError") -> dict[str, Any]:  # fmt: skip
        lines = [json.dumps({"name": f"{name}-{n}", "fails": failing.get(n, 0)}) for n in range(items)]
        account.client("s3").put_object(Bucket=BUCKET, Key=f"{name}.jsonl", Body="\n".join(lines))
        return {"manifest": f"{name}.jsonl", "concurrency": concurrency, "sleep": sleep, "error": error}

    return leave


def recorded_calls(account: Account, name: str) -> int:
    found = account.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"notes/{name}/")
    return int(found.get("KeyCount", 0))


class TestErrors:
    def test_a_retry_by_class_waits_and_calls_again(self, account: Account, working: str, able: str) -> None:
        retry = [{"ErrorEquals": ["ServiceUnavailableError"], **AGAIN}]
        arn = machines.machine(account, "retrying", task(working, Retry=retry), able)
        given = {"name": "twice", "fails": 1, "error": "ServiceUnavailableError"}
        assert machines.run(account, arn, given)["status"] == "SUCCEEDED"
        assert recorded_calls(account, "twice") == 2

    def test_another_class_is_not_retried(self, account: Account, working: str, able: str) -> None:
        retry = [{"ErrorEquals": ["ServiceUnavailableError"], **AGAIN}]
        arn = machines.machine(account, "choosing", task(working, Retry=retry), able)
        end = machines.run(account, arn, {"name": "once", "fails": 1, "error": "BrokenError"})
        assert (end["status"], end["error"]) == ("FAILED", "BrokenError")
        assert json.loads(end["cause"])["errorMessage"] == "once"
        assert recorded_calls(account, "once") == 1

    def test_a_function_that_takes_too_long_is_a_sandbox_timed_out(
        self, account: Account, working: str, able: str
    ) -> None:
        retry = [{"ErrorEquals": ["Sandbox.Timedout"], **AGAIN}]
        arn = machines.machine(account, "patient", task(working, Retry=retry), able)
        assert machines.run(account, arn, {"name": "slow", "sleep": 5, "slow": 1})["status"] == "SUCCEEDED"
        assert recorded_calls(account, "slow") == 2

    def test_a_fail_state_takes_error_and_cause_from_what_was_caught(
        self, account: Account, working: str, able: str
    ) -> None:
        catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}]
        definition = task(working, Catch=catch)
        definition["States"]["Failed"] = {"Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause"}
        arn = machines.machine(account, "failing", definition, able)
        end = machines.run(account, arn, {"name": "caught", "fails": 1, "error": "BrokenError"})
        assert (end["status"], end["error"]) == ("FAILED", "BrokenError")


class TestDistributedMaps:
    def test_an_item_that_fails_is_retried_alone(
        self, account: Account, working: str, able: str, manifest: Callable[..., dict[str, Any]]
    ) -> None:
        retry = {"ErrorEquals": ["ServiceUnavailableError"], **AGAIN}
        arn = machines.machine(account, "map-retrying", mapped(working, retry=(retry,)), able)
        given = manifest("alone", {2: 1}, error="ServiceUnavailableError")
        end = machines.run(account, arn, given)
        assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", given)
        assert [recorded_calls(account, f"alone-{n}") for n in range(4)] == [1, 1, 2, 1]

    def test_an_item_that_fails_permanently_fails_the_map_and_no_more_items_start(
        self, account: Account, working: str, able: str, manifest: Callable[..., dict[str, Any]]
    ) -> None:
        arn = machines.machine(account, "map-failing", mapped(working), able)
        end = machines.run(account, arn, manifest("broken", {0: 9}, concurrency=1))
        assert (end["status"], end["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
        assert [recorded_calls(account, f"broken-{n}") for n in range(4)] == [1, 0, 0, 0]

    @pytest.mark.parametrize("concurrency", [1, 2])
    def test_the_input_limits_the_number_of_concurrent_children(
        self, account: Account, working: str, able: str, manifest: Callable[..., dict[str, Any]], concurrency: int
    ) -> None:
        arn = machines.machine(account, f"map-{concurrency}", mapped(working), able)
        given = manifest(f"at-once-{concurrency}", {}, items=6, concurrency=concurrency, sleep=0.1)
        assert machines.run(account, arn, given)["status"] == "SUCCEEDED"
        assert most_at_once(account, f"at-once-{concurrency}", 6) <= concurrency

    def test_the_children_are_counted(
        self, account: Account, working: str, able: str, manifest: Callable[..., dict[str, Any]]
    ) -> None:
        arn = machines.machine(account, "map-counting", mapped(working), able)
        end = machines.run(account, arn, manifest("counted", {}, items=3))
        states = account.client("stepfunctions")
        (map_run,) = states.list_map_runs(executionArn=end["executionArn"])["mapRuns"]
        counts = states.describe_map_run(mapRunArn=map_run["mapRunArn"])["itemCounts"]
        assert (counts["total"], counts["succeeded"]) == (3, 3)


def most_at_once(account: Account, name: str, items: int) -> int:
    """The most items that ran at the same time, according to the times of their start and end notes."""
    s3 = account.client("s3")
    times: list[tuple[int, int]] = []
    for n in range(items):
        for suffix, step in (("", 1), ("-ended", -1)):
            (found,) = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"notes/{name}-{n}{suffix}/")["Contents"]
            times.append((int(found["Key"].rpartition("/")[2]), step))
    running = most = 0
    for _, step in sorted(times):
        running += step
        most = max(most, running)
    return most


class TestTheRoleOfTheMachine:
    """Actions that the role does not grant are refused, one permission at a time."""

    @pytest.fixture
    def granting(self, account: Account, working: str) -> Callable[..., str]:
        every = {
            "call": allow("lambda:InvokeFunction", working),
            "read": allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*"),
            "start": allow("states:StartExecution", "*"),
            "write": allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/results/*"),
        }

        def all_but(*names: str) -> str:
            granted = [statement for name, statement in every.items() if name not in names]
            return machines.role(account, f"all-but-{'-'.join(names)}", *granted)

        return all_but

    # The missing permission, and the error of the execution.
    @pytest.mark.parametrize(
        "case",
        [
            ("read", "States.ItemReaderFailed"),
            ("start", "States.Permissions"),
            ("write", "States.ResultWriterFailed"),
            ("call", "States.ExceedToleratedFailureThreshold"),
            ("", ""),
        ],
    )
    def test_applies_to_a_map(
        self, account: Account, working: str, granting: Callable[..., str],
        manifest: Callable[..., dict[str, Any]], case: tuple[str, str],
    ) -> None:  # fmt: skip
        missing, error = case
        writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": BUCKET, "Prefix": "results"}}
        definition = mapped(working, ResultWriter=writer)
        arn = machines.machine(account, f"map-without-{missing}", definition, granting(missing))
        assert machines.run(account, arn, manifest("rights", {})).get("error", "") == error

    def test_applies_to_the_invocation_of_a_function(
        self, account: Account, working: str, granting: Callable[..., str]
    ) -> None:
        arn = machines.machine(account, "not-calling", task(working), granting("call", "start"))
        end = machines.run(account, arn, {"name": "uncalled"})
        assert end["error"] == "Lambda.AWSLambdaException"
        assert "is not authorized to perform: lambda:InvokeFunction on resource: " in end["cause"]
        assert recorded_calls(account, "uncalled") == 0


class TestExecutions:
    def test_repeating_a_start_returns_the_running_execution(self, account: Account, sleeping: str) -> None:
        given = {"name": "same", "sleep": 0.5}
        first = machines.start(account, sleeping, given, name="same")
        assert machines.start(account, sleeping, given, name="same") == first
        with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
            machines.start(account, sleeping, {"name": "other"}, name="same")
        assert machines.end_of(account, first)["status"] == "SUCCEEDED"
        with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
            machines.start(account, sleeping, given, name="same")
        assert recorded_calls(account, "same") == 1

    def test_a_stopped_execution_stays_aborted_and_starts_nothing_more(
        self, account: Account, working: str, able: str, manifest: Callable[..., dict[str, Any]]
    ) -> None:
        arn = machines.machine(account, "stopping", mapped(working), able)
        execution = machines.start(account, arn, manifest("stopped", {0: 9}, concurrency=1, sleep=0.5))
        while not recorded_calls(account, "stopped-0"):
            time.sleep(0.02)
        account.client("stepfunctions").stop_execution(executionArn=execution, error="Enough", cause="said so")
        while map_is_running(account, execution):
            time.sleep(0.02)
        end = machines.end_of(account, execution)
        assert (end["status"], end["error"]) == ("ABORTED", "Enough")
        assert [recorded_calls(account, f"stopped-{n}") for n in range(4)] == [1, 0, 0, 0]

    def test_the_end_of_an_execution_is_sent_by_a_rule(self, account: Account, sleeping: str) -> None:
        pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [sleeping], "status": ["ABORTED"]}}
        take = listen(account, "ended", pattern)
        execution = machines.start(account, sleeping, {"name": "heard", "sleep": 0.5})
        account.client("stepfunctions").stop_execution(executionArn=execution)
        event = take()
        assert event["detail-type"] == "Step Functions Execution Status Change"
        assert event["detail"]["executionArn"] == execution
        assert json.loads(event["detail"]["input"])["name"] == "heard"


def map_is_running(account: Account, execution: str) -> bool:
    runs = account.client("stepfunctions").list_map_runs(executionArn=execution)["mapRuns"]
    states = account.client("stepfunctions")
    return any(states.describe_map_run(mapRunArn=run["mapRunArn"])["status"] == "RUNNING" for run in runs)


def listen(account: Account, name: str, pattern: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Create a rule with a queue as its target, and return a function that waits for an event."""
    sqs, events = account.client("sqs"), account.client("events")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"]
    may = {**allow("sqs:SendMessage", arn), "Principal": {"Service": "events.amazonaws.com"},
           "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}  # fmt: skip
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [may]})})
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

    def take() -> dict[str, Any]:
        (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
        found: dict[str, Any] = json.loads(message["Body"])
        return found

    return take


class TestEvents:
    def test_a_rule_sends_the_event_of_a_function_to_a_queue(self, account: Account) -> None:
        take = listen(account, "announced", {"source": ["test"], "detail-type": ["Penstock Job Succeeded"]})
        objects = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
        bus = "arn:aws:events:us-east-1:000000000000:event-bus/default"
        granted = machines.role(
            account, "announcing", allow("events:PutEvents", bus), allow(["s3:ListBucket", "s3:PutObject"], objects)
        )
        machines.function(account, "announcing", CODE, granted)
        answer = invoke(account, "announcing", name="announcing", announce="Penstock Job Succeeded")
        assert answer == {"failed": 0}
        assert take()["detail-type"] == "Penstock Job Succeeded"

    def test_a_function_without_the_right_may_send_none(self, account: Account, working: str) -> None:
        answer = invoke(account, "working", name="silent", announce="Penstock Job Succeeded")
        assert "AccessDenied" in answer["errorMessage"]


def invoke(account: Account, function: str, **event: Any) -> Any:
    answer = account.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())
