"""The handlers of the state machine's steps: what they pass on, what they say when a step fails."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import CorruptSourceError, PenstockError, ServiceUnavailableError
from penstock.wiring import functions

FUNCTIONS = Path(__file__).parents[2] / "functions"
JOB = {"job": "0a1b", "attempt": "0a1b"}
ENDED = {
    "detail-type": "Step Functions Execution Status Change",
    "source": "aws.states",
    "detail": {"status": "ABORTED", "input": json.dumps(JOB), "error": None, "cause": None},
}


@dataclass(frozen=True)
class Context:
    """What the handlers and Powertools ask of a Lambda context."""

    function_name: str = "a-step"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:a-step"
    aws_request_id: str = "a-request"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """A service name of its own: a logger of the same one would write where the last test's output went.

    Handlers stop the collector until what they replace here is made.
    """
    for name, value in {
        "POWERTOOLS_SERVICE_NAME": request.node.name,
        "POWERTOOLS_METRICS_NAMESPACE": "Penstock",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PENSTOCK_JOBS_TABLE": "jobs",
        "PENSTOCK_SOURCE_BUCKET": "drops",
        "PENSTOCK_DESTINATION_BUCKET": "lake",
        "PENSTOCK_WORK_BUCKET": "work",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    gc.enable()


def handler(verb: str) -> Callable[[Any, Any], Any]:
    spec = spec_from_file_location(f"{verb}_app", FUNCTIONS / verb / "app.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Any, Any], Any] = module.handler
    return found


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], list[Any]]:
    """Replaces a step by one that notes what it is called with, the deadline aside; then calls its handler."""

    def call(verb: str, event: Any) -> list[Any]:
        noted: list[Any] = []

        def do(*arguments: Any) -> dict[str, object]:
            noted.extend(argument for argument in arguments if not hasattr(argument, "remaining"))
            return {"did": verb}

        monkeypatch.setattr(functions, verb, lambda: do)
        assert handler(verb)(event, Context()) == {"did": verb}
        return noted

    return call


@pytest.mark.parametrize(
    ("verb", "more", "passed"),
    [
        ("plan", {}, []),
        ("index", {}, [None]),
        ("index", {"piece": {"number": 7}}, [{"number": 7}]),
        ("work", {"span": {"number": 3}}, [{"number": 3}, 0]),
        ("work", {"span": {"number": 3}, "round": 2}, [{"number": 3}, 2]),
        ("finish", {}, [0]),
        ("finish", {"round": 2}, [2]),
        ("abort", {"error": {"Error": "States.Timeout", "Cause": ""}}, [{"Error": "States.Timeout", "Cause": ""}]),
    ],
)
def test_a_step_is_told_the_job_its_attempt_and_what_is_its_own(
    step: Callable[[str, Any], list[Any]], verb: str, more: dict[str, Any], passed: list[Any]
) -> None:
    assert step(verb, {**JOB, **more}) == ["0a1b", "0a1b", *passed]


def test_abort_learns_from_the_event_of_an_executions_end_what_the_machine_would_have_told_it(
    step: Callable[[str, Any], list[Any]],
) -> None:
    error = {"Error": "ABORTED", "Cause": "a user stopped the execution"}
    assert step("abort", ENDED) == ["0a1b", "0a1b", error]


def test_abort_learns_the_error_of_an_execution_that_ended_with_one(step: Callable[[str, Any], list[Any]]) -> None:
    error = {"error": "States.DataLimitExceeded", "cause": "too large"}
    ended = {**ENDED, "detail": {**ENDED["detail"], "status": "FAILED", **error}}  # type: ignore[dict-item]  # a mapping
    assert step("abort", ended)[2] == {"Error": "States.DataLimitExceeded", "Cause": "too large"}


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (CorruptSourceError("bad block", offset=7, hint="send it again"), "ERROR"),
        (ServiceUnavailableError("slow down", hint="wait"), "WARNING"),
    ],
)
def test_an_error_is_said_in_one_line_and_goes_on_to_the_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: PenstockError, level: str
) -> None:
    def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(functions, "work", lambda: fail)
    with pytest.raises(type(error)) as caught:
        handler("work")({**JOB, "span": {"number": 3}}, Context())
    assert caught.value is error
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (said,) = [line for line in lines if "level" in line]
    assert (said["level"], said["job_id"], said["error"]) == (level, "0a1b", type(error).__name__)
    assert said["hint"] == error.hint
    (measured,) = [line for line in lines if "_aws" in line]
    assert measured["PeakMemory"][0] > 0
