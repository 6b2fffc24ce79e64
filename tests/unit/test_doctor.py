"""The doctor's findings: how a check that fails, or may not be made, is shown."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from penstock.aws.access import Access
from penstock.doctor import clock
from penstock.doctor.finding import (
    Finding,
    Level,
    NotDeployedError,
    as_json,
    command,
    from_json,
    guarded,
    of_check,
    passed,
)
from penstock.errors import AccessDeniedError, ConfigurationError, InvalidRouteError, ServiceUnavailableError
from penstock.model.check import Check
from penstock.model.release import VERSION
from penstock.wiring.doctor import examine_destination


def found(error: Exception) -> list[Finding]:
    def check() -> Iterator[Finding]:
        yield passed("first", "is there")
        raise error

    return list(guarded("second", check))


def test_a_right_that_the_user_lacks_is_named_and_never_green() -> None:
    assert found(AccessDeniedError("iam:SimulatePrincipalPolicy on arn:role"))[1] == Finding(
        "second", Level.NOT_CHECKED, "needs iam:SimulatePrincipalPolicy on arn:role"
    )


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ServiceUnavailableError("S3 does not answer"), Level.NOT_CHECKED),
        (NotDeployedError("no function check"), Level.NOT_CHECKED),
        (InvalidRouteError("routes.toml: route 1: no match", hint="Add one."), Level.FAILED),
    ],
)
def test_an_error_ends_its_own_check_only(error: Exception, level: Level) -> None:
    first, second = found(error)
    assert (first.level, second.level, second.found) == (Level.OK, level, str(error))


@pytest.mark.parametrize(
    ("check", "level"),
    [
        (Check("a", True, "b"), Level.OK),
        (Check("a", False, "b", "do c"), Level.FAILED),
        (Check("a", None, "b", "do c"), Level.WARNING),
        (Check("a", None, "b"), Level.NOTE),
    ],
)
def test_a_shared_check_has_a_level(check: Check, level: Level) -> None:
    assert of_check(check) == Finding(check.name, level, check.found, check.remedy)


def test_findings_pass_from_the_function_to_the_command() -> None:
    sent: Iterable[Finding] = [passed("a", "b"), Finding("c", Level.FAILED, "d", "e\nf")]
    assert from_json(as_json(sent)) == sent
    # A level of a later release is shown, and does not make the command fail.
    assert from_json([{"name": "a", "level": "dire", "found": "b"}]) == [Finding("a", Level.WARNING, "b")]
    with pytest.raises(ConfigurationError):
        from_json({"errorMessage": "no list"})


def test_a_command_survives_the_shell() -> None:
    line = command("sqs", "set-queue-attributes", queue_url="https://q", attributes={"Policy": '{"a": "it\'s"}'})
    assert shlex.split(line) == [
        "aws", "sqs", "set-queue-attributes",
        "--queue-url", "https://q",
        "--attributes", '{"Policy": "{\\"a\\": \\"it\'s\\"}"}',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "level"), [(1000.4, Level.OK), (1061.5, Level.WARNING), (930.0, Level.WARNING), (2000.0, Level.FAILED)]
)
def test_a_wrong_clock_is_seen_by_the_time_of_s3(ours: float, level: Level) -> None:
    assert clock.compared(ours, theirs=1000.0).level is level


def test_the_layer_says_the_release_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


@pytest.mark.parametrize("to", ["orders.parquet", "parquet:out/", "orders.csv", "iceberg:sales.orders"])
def test_what_only_a_run_can_try_is_not_looked_for_in_aws(to: str) -> None:
    with pytest.raises(ConfigurationError, match="only buckets, databases"):
        next(examine_destination(Access(), to, "", {}, connections=1))
