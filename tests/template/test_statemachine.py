"""The definition of the state machine, in its file and in the deployed template."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import errors
from penstock_local.tools import ensure

Resources = dict[str, dict[str, Any]]
State = dict[str, Any]

# From npm.
ASL_VALIDATOR = "4.0.0"
TO_ABORT = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Abort"}]
WAITING = {"IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy", "ErrorEquals"}
# The errors of a Lambda function that did not respond: from the service, from a limit, or from a killed process.
OF_LAMBDA = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.ENILimitReachedException",
    "Lambda.SubnetIPAddressLimitReachedException",
    "Lambda.ResourceNotReadyException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    "States.Timeout",
}


def states_of(machine: dict[str, Any]) -> Iterator[tuple[str, State]]:
    """All states, including those of child executions."""
    for name, state in machine["States"].items():
        yield name, state
        if state["Type"] == "Map":
            yield from states_of(state["ItemProcessor"])


def tasks_of(machine: dict[str, Any]) -> dict[str, State]:
    return {name: state for name, state in states_of(machine) if state["Type"] == "Task"}


def maps_of(machine: dict[str, Any]) -> dict[str, State]:
    return {name: state for name, state in states_of(machine) if state["Type"] == "Map"}


def tree(branch: type[errors.PenstockError]) -> set[str]:
    return {branch.__name__}.union(*(tree(subclass) for subclass in branch.__subclasses__()))


def retried(state: State) -> set[str]:
    return {name for retrier in state["Retry"] for name in retrier["ErrorEquals"]}


class TestEveryTask:
    def test_is_retried_for_exactly_the_temporary_errors(self, machine: dict[str, Any]) -> None:
        for name, task in tasks_of(machine).items():
            expected = (
                {"States.ALL"} if name == "Abort" else OF_LAMBDA | (tree(errors.RetryableError) - {"RetryableError"})
            )
            assert retried(task) == expected, name

    def test_is_not_retried_for_permanent_errors(self, machine: dict[str, Any]) -> None:
        for name, task in tasks_of(machine).items():
            assert not retried(task) & tree(errors.PermanentError), name

    def test_waits_with_backoff_a_limit_and_jitter(self, machine: dict[str, Any]) -> None:
        for _, state in states_of(machine):
            for retrier in state.get("Retry", []):
                assert set(retrier) == WAITING
                assert retrier["IntervalSeconds"] == 1
                assert retrier["BackoffRate"] == 2
                assert retrier["JitterStrategy"] == "FULL"
                assert retrier["MaxDelaySeconds"] <= 300

    def test_waits_for_hours_if_the_account_has_no_concurrency_left(self, machine: dict[str, Any]) -> None:
        for name, task in tasks_of(machine).items():
            for retrier in task["Retry"]:
                if "Lambda.TooManyRequestsException" in retrier["ErrorEquals"]:
                    waits = [min(2.0**attempt, retrier["MaxDelaySeconds"]) for attempt in range(retrier["MaxAttempts"])]
                    assert sum(waits) / 2 > 6 * 3600, name

    def test_waits_longer_than_a_lease_if_another_attempt_has_the_job(self, machine: dict[str, Any]) -> None:
        (retrier,) = [
            entry for entry in machine["States"]["Plan"]["Retry"] if "JobInProgressError" in entry["ErrorEquals"]
        ]
        waits = [min(2**attempt, retrier["MaxDelaySeconds"]) for attempt in range(retrier["MaxAttempts"])]
        assert sum(waits) / 2 > 60  # full jitter halves the mean; a lease is 60 seconds

    def test_times_out_after_the_longest_timeout_of_a_function(
        self, machine: dict[str, Any], parameters: Resources
    ) -> None:
        for name, task in tasks_of(machine).items():
            assert max(parameters["Timeout"]["AllowedValues"]) < task["TimeoutSeconds"] <= 1000, name
            assert "HeartbeatSeconds" not in task, name

    def test_leads_to_abort_after_any_error(self, machine: dict[str, Any]) -> None:
        for name, state in machine["States"].items():
            if state["Type"] in {"Task", "Map"} and name != "Abort":
                assert state["Catch"] == TO_ABORT, name

    def test_calls_the_function_of_its_name(self, machine: dict[str, Any]) -> None:
        called = {name: task["Resource"] for name, task in tasks_of(machine).items()}
        assert called == {
            "Plan": "${PlanFunctionArn}",
            "Index": "${IndexFunctionArn}",
            "SurveyPiece": "${IndexFunctionArn}",
            "WorkSpan": "${WorkFunctionArn}",
            "Sequence": "${WorkFunctionArn}",
            "Finish": "${FinishFunctionArn}",
            "Abort": "${AbortFunctionArn}",
        }


class TestEveryMap:
    def test_runs_child_executions_that_may_take_fifteen_minutes(self, machine: dict[str, Any]) -> None:
        for state in maps_of(machine).values():
            assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}

    def test_reads_the_json_lines_that_the_plan_names(self, machine: dict[str, Any]) -> None:
        for state in maps_of(machine).values():
            assert state["ItemReader"] == {
                "Resource": "arn:${Partition}:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSONL"},
                "Parameters": {"Bucket.$": "$.plan.manifest.bucket", "Key.$": "$.plan.manifest.key"},
            }

    def test_fails_with_the_first_item_that_fails_permanently(self, machine: dict[str, Any]) -> None:
        for state in maps_of(machine).values():
            assert state["ToleratedFailurePercentage"] == 0

    def test_has_the_concurrency_of_the_plan(self, machine: dict[str, Any], resources: Resources) -> None:
        for state in maps_of(machine).values():
            assert state["MaxConcurrencyPath"] == "$.plan.concurrency"
        variables = resources["PlanFunction"]["Properties"]["Environment"]["Variables"]
        assert variables["PENSTOCK_MAP_CONCURRENCY"] == {"Ref": "MapConcurrency"}

    def test_passes_each_item_and_the_job_to_a_child(self, machine: dict[str, Any]) -> None:
        selected = {name: state["ItemSelector"] for name, state in maps_of(machine).items()}
        job = {"job.$": "$.job", "attempt.$": "$.attempt"}
        assert selected == {
            "Survey": {**job, "piece.$": "$$.Map.Item.Value"},
            "Work": {**job, "round.$": "$.plan.round", "span.$": "$$.Map.Item.Value"},
        }


class TestThePayload:
    def test_drops_the_results_of_a_map_which_are_in_the_work_bucket(self, machine: dict[str, Any]) -> None:
        for state in maps_of(machine).values():
            assert state["ResultPath"] is None
            assert state["ResultWriter"] == {
                "Resource": "arn:${Partition}:states:::s3:putObject",
                "Parameters": {"Bucket.$": "$.plan.manifest.bucket", "Prefix": "jobs/map"},
            }
            (child,) = state["ItemProcessor"]["States"].values()
            assert child["OutputPath"] is None

    def test_contains_only_the_last_answer_of_each_step(self, machine: dict[str, Any]) -> None:
        kept = {name: state["ResultPath"] for name, state in machine["States"].items() if "ResultPath" in state}
        assert kept == {
            "Plan": "$.plan", "Index": "$.index", "Sequence": "$.sequence",
            "Survey": None, "Work": None, "Finish": "$.finish", "Abort": None,
        }  # fmt: skip

    def test_a_step_gets_the_job_and_its_attempt_and_abort_also_the_error(self, machine: dict[str, Any]) -> None:
        job = {"job.$": "$.job", "attempt.$": "$.attempt"}
        parameters = {name: state["Parameters"] for name, state in machine["States"].items() if state["Type"] == "Task"}
        assert parameters == {
            "Plan": job,
            "Index": job,
            "Sequence": {**job, "span": None},
            "Finish": {**job, "round.$": "$.plan.round"},
            "Abort": {**job, "error.$": "$.error"},
        }


class TestTheFlow:
    def test_begins_with_the_plan(self, machine: dict[str, Any]) -> None:
        assert machine["StartAt"] == "Plan"

    def test_follows_the_plan_until_there_is_work_and_then_finishes(self, machine: dict[str, Any]) -> None:
        states = machine["States"]
        assert [(choice["StringEquals"], choice["Next"]) for choice in states["Route"]["Choices"]] == [
            ("index", "Index"),
            ("survey", "Survey"),
            ("work", "Work"),
            ("sequence", "Sequence"),
        ]
        following = {name: state["Next"] for name, state in states.items() if "Next" in state}
        assert following == {
            "Plan": "Route",
            "Index": "Indexed",
            "Survey": "Plan",
            "Work": "Finish",
            "Sequence": "Sequenced",
            "Children": "Sequence",
            "Finish": "Finished",
            "Abort": "Failed",
        }

    def test_indexes_until_it_is_done(self, machine: dict[str, Any]) -> None:
        indexed = machine["States"]["Indexed"]
        assert indexed["Choices"] == [{"Variable": "$.index.done", "BooleanEquals": True, "Next": "Plan"}]
        assert indexed["Default"] == "Index"

    def test_repeats_a_sequence_until_every_span_is_delivered(self, machine: dict[str, Any]) -> None:
        sequenced = machine["States"]["Sequenced"]
        assert sequenced["Choices"][0] == {"Variable": "$.sequence.done", "BooleanEquals": True, "Next": "Finish"}
        assert sequenced["Default"] == "Sequence"

    def test_waits_for_executions_of_members_as_long_as_work_says(self, machine: dict[str, Any]) -> None:
        sequenced, children = machine["States"]["Sequenced"], machine["States"]["Children"]
        assert sequenced["Choices"][1:] == [{"Variable": "$.sequence.wait", "IsPresent": True, "Next": "Children"}]
        assert (children["Type"], children["SecondsPath"]) == ("Wait", "$.sequence.wait")

    def test_starts_another_round_if_the_upload_cannot_be_completed(self, machine: dict[str, Any]) -> None:
        finished = machine["States"]["Finished"]
        assert finished["Choices"] == [
            {"Variable": "$.finish.next", "StringEquals": "again", "Next": "Plan"},
            {"Variable": "$.finish.next", "StringEquals": "yielded", "Next": "Yielded"},
            {"Variable": "$.finish.next", "StringEquals": "children", "Next": "Sequence"},
        ]
        assert finished["Default"] == "Succeeded"
        assert machine["States"]["Yielded"]["Type"] == "Succeed"

    def test_fails_with_the_error_that_led_to_abort_even_if_abort_fails_too(self, machine: dict[str, Any]) -> None:
        failed = machine["States"]["Failed"]
        assert (failed["ErrorPath"], failed["CausePath"]) == ("$.error.Error", "$.error.Cause")
        (catch,) = machine["States"]["Abort"]["Catch"]
        assert catch == {"ErrorEquals": ["States.ALL"], "ResultPath": "$.abort", "Next": "Failed"}

    def test_ends_before_its_work_files_and_its_upload_expire(
        self, machine: dict[str, Any], parameters: Resources
    ) -> None:
        days = machine["TimeoutSeconds"] / 86400
        assert days <= parameters["WorkRetentionDays"]["Default"]
        assert days <= parameters["UnfinishedUploadDays"]["Default"]


@pytest.mark.long
def test_the_definition_is_in_the_amazon_states_language(
    template: dict[str, Any], machine: dict[str, Any], tmp_path: Path
) -> None:
    """`sam validate --lint` does not check a definition in a separate file."""
    names = template["Resources"]["StateMachine"]["Properties"]["DefinitionSubstitutions"]
    properties = {
        "RoleArn": "arn:aws:iam::123456789012:role/machine",
        "Definition": machine,
        "DefinitionSubstitutions": dict.fromkeys(names, "arn:aws:lambda:eu-west-1:123456789012:function:step"),
    }
    inlined = {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    (tmp_path / "inlined.json").write_text(json.dumps(inlined))
    linter = ensure("sam") / "bin" / "cfn-lint"
    done = subprocess.run([linter, tmp_path / "inlined.json"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("npm"), reason="asl-validator needs Node.js, and npm to install it")
def test_a_second_validator_finds_nothing_in_the_definition(machine: dict[str, Any], tmp_path: Path) -> None:
    """It also parses every path."""
    install = ["npm", "install", "--silent", "--no-fund", "--no-audit", f"asl-validator@{ASL_VALIDATOR}"]
    subprocess.run(install, cwd=tmp_path, check=True, timeout=120)
    text = json.dumps(machine)
    for name, definition, code in (("deployed", text, 0), ("broken", text.replace('"$.plan"', '"$.plan["'), 1)):
        (tmp_path / f"{name}.json").write_text(definition)
        command = [str(tmp_path / "node_modules/.bin/asl-validator"), "--json-path", str(tmp_path / f"{name}.json")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr


def test_the_template_deploys_this_definition_with_all_substitutions(
    template: dict[str, Any], machine: dict[str, Any]
) -> None:
    deployed = template["Resources"]["StateMachine"]["Properties"]
    assert (Path(__file__).parents[2] / deployed["DefinitionUri"]).is_file()
    substitutions = deployed["DefinitionSubstitutions"]
    assert set(re.findall(r"\$\{(\w+)\}", json.dumps(machine))) == set(substitutions)
    for name, value in substitutions.items():
        if name.endswith("FunctionArn"):
            assert value == {"Fn::GetAtt": [name.removesuffix("Arn"), "Arn"]}


def test_the_machine_logs_errors_without_payloads_and_is_traced(resources: Resources) -> None:
    deployed = resources["StateMachine"]["Properties"]
    assert deployed["Type"] == "STANDARD"
    assert deployed["Logging"]["Level"] == "ERROR"
    assert deployed["Logging"]["IncludeExecutionData"] is False
    assert deployed["Tracing"] == {"Enabled": True}


def test_the_role_names_its_state_machine(resources: Resources) -> None:
    name = resources["StateMachine"]["Properties"]["Name"]["Fn::Sub"]
    (policy,) = resources["StateMachineRole"]["Properties"]["Policies"]
    (start,) = [
        statement for statement in policy["PolicyDocument"]["Statement"] if statement.get("Sid") == "StartChildren"
    ]
    assert start["Resource"]["Fn::Sub"].endswith(f":stateMachine:{name}")


@pytest.mark.parametrize("status", ["ABORTED", "FAILED", "TIMED_OUT"])
def test_abort_also_gets_the_end_of_executions_that_no_catch_handles(resources: Resources, status: str) -> None:
    pattern = resources["AbortFunction"]["Properties"]["Events"]["Ended"]["Properties"]["Pattern"]
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert pattern["detail"]["stateMachineArn"] == [{"Ref": "StateMachine"}]
    assert status in pattern["detail"]["status"]
