"""The error names that the state machine retries are those that the real Lambda runtime client reports."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock_local.runtime import Function

ROOT = Path(__file__).parents[2]
HANDLER = """
import os, time
from penstock import errors

def handler(event, context):
    if "exit" in event:
        os._exit(event["exit"])
    if "sleep" in event:
        time.sleep(event["sleep"])
    kind = getattr(errors, event["raise"])
    raise kind("as asked", **event.get("with", {}))
"""
# The arguments that some errors require.
ARGUMENTS = {"JobInProgressError": {"retry_after": 60.0}}


def retried() -> set[str]:
    machine = json.loads((ROOT / "statemachine" / "job.asl.json").read_text())
    return {name for retrier in machine["States"]["Finish"]["Retry"] for name in retrier["ErrorEquals"]}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    root = tmp_path_factory.mktemp("failing")
    (root / "app.py").write_text(HANDLER)
    with Function("app.handler", root, layers=(ROOT / "layers" / "penstock",), timeout=2, vcpus=math.inf) as function:
        yield function


@pytest.mark.parametrize("name", sorted(name for name in retried() if "." not in name))
def test_an_error_of_penstock_is_reported_by_the_name_that_is_retried(function: Function, name: str) -> None:
    event: dict[str, Any] = {"raise": name, "with": ARGUMENTS.get(name, {})}
    assert function.invoke(event).error_type == name


@pytest.mark.parametrize(("event", "name"), [({"exit": 1}, "Runtime.ExitError"), ({"sleep": 60}, "Sandbox.Timedout")])
def test_a_function_that_does_not_respond_is_retried(function: Function, event: dict[str, Any], name: str) -> None:
    assert function.invoke(event).error_type == name
    assert name in retried()
