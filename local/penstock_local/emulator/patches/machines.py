"""Step Functions."""
# ruff: noqa: SLF001  # the version is pinned and checked: its private names are what there is to correct

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ministack.core import iam_evaluator  # type: ignore[import-not-found]  # lives in a virtual environment of its own
from ministack.services import iam, lambda_svc, stepfunctions  # type: ignore[import-not-found]  # the same

RUNNING = "RUNNING"


def start_once() -> None:
    """StartExecution with the name and the input of an execution that runs answers with that execution.

    MiniStack says ExecutionAlreadyExists, which AWS does once it has ended or if the input differs.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    start = stepfunctions._start_execution

    def start_execution(data: Any) -> Any:
        name = str(data.get("stateMachineArn", "")).rpartition(":")[2]
        arn = f"arn:aws:states:{stepfunctions.get_region()}:{stepfunctions.get_account_id()}:execution:{name}"
        there = stepfunctions._executions.get(f"{arn}:{data.get('name')}")
        if there and there["status"] == RUNNING and there["input"] == data.get("input", "{}"):
            return stepfunctions.json_response({"executionArn": there["executionArn"], "startDate": there["startDate"]})
        return start(data)

    stepfunctions._start_execution = start_execution


def stay_stopped() -> None:
    """An execution that was stopped stays ABORTED, whatever the state that it was in comes to.

    MiniStack calls it FAILED when that state fails afterwards.
    """
    fail = stepfunctions._fail_execution

    def fail_execution(execution: Any, error: str, cause: str) -> None:
        if execution["status"] == RUNNING:
            fail(execution, error, cause)

    stepfunctions._fail_execution = fail_execution


def obey_concurrency_path() -> None:
    """A Distributed Map runs as many children at once as MaxConcurrencyPath finds; MiniStack knows MaxConcurrency only.

    https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
    """
    run = stepfunctions._run_distributed_map

    def run_distributed_map(state: Any, *rest: Any) -> Any:
        _, effective, _, _, context = rest
        if path := state.get("MaxConcurrencyPath"):
            state = {**state, "MaxConcurrency": stepfunctions._resolve_path_or_ctx(path, effective, context)}
        return run(state, *rest)

    stepfunctions._run_distributed_map = run_distributed_map


def start_no_child_in_vain() -> None:
    """No child of a Distributed Map begins once another has failed the Map, or the execution has been stopped.

    MiniStack runs all the rest first. Unlike AWS it still waits for the children that are at work.
    """
    run = stepfunctions._run_sub_machine

    def run_sub_machine(states: Any, start_at: str, given: Any, execution: Any, context: Any) -> Any:
        if map_run := stepfunctions._map_runs.get(execution.get("mapRunArn")):
            tolerant = map_run["toleratedFailurePercentage"] or map_run["toleratedFailureCount"]
            failed = map_run["itemCounts"]["failed"] and not tolerant
            if failed or stepfunctions._executions[map_run["executionArn"]]["status"] != RUNNING:
                raise stepfunctions._ExecutionError("States.Aborted", "the Map Run has ended")
        return run(states, start_at, given, execution, context)

    stepfunctions._run_sub_machine = run_sub_machine


def act_under_the_machines_role() -> None:
    """A state machine may do what its role grants: call functions, read a Map's items, start children, write results.

    MiniStack does all that in its own name.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    role = ContextVar("role", default="")
    run, call = stepfunctions._run_execution, stepfunctions._call_lambda
    read, run_map = stepfunctions._read_map_items, stepfunctions._run_distributed_map

    def demand(action: str, resource: str, error: str) -> None:
        if refusal := refused(role.get(), action, resource):
            raise stepfunctions._ExecutionError(error, refusal)

    def run_execution(arn: str) -> None:
        machine = stepfunctions._state_machines.get(stepfunctions._executions[arn]["stateMachineArn"])
        role.set(machine["roleArn"] if machine else "")
        run(arn)

    def call_lambda(reference: str, event: Any) -> Any:
        _, config, _ = lambda_svc._get_func_record_for_ref(reference)
        if config:
            demand("lambda:InvokeFunction", config["FunctionArn"], "Lambda.AWSLambdaException")
        return call(reference, event)

    def read_map_items(reader: Any, effective: Any, context: Any) -> Any:
        where = stepfunctions._resolve_params_obj(reader.get("Parameters") or {}, effective, context)
        if reader.get("Resource", "").endswith(":s3:getObject"):
            demand("s3:GetObject", f"arn:aws:s3:::{where['Bucket']}/{where['Key']}", "States.ItemReaderFailed")
        return read(reader, effective, context)

    def run_distributed_map(state: Any, *rest: Any) -> Any:
        _, effective, _, execution, context = rest
        demand("states:StartExecution", execution["stateMachineArn"], "States.Permissions")
        if writer := state.get("ResultWriter"):
            where = stepfunctions._resolve_params_obj(writer["Parameters"], effective, context)
            manifest = f"arn:aws:s3:::{where['Bucket']}/{where['Prefix']}/map-run/manifest.json"
            demand("s3:PutObject", manifest, "States.ResultWriterFailed")
        return run_map(state, *rest)

    stepfunctions._run_execution = run_execution
    stepfunctions._call_lambda = call_lambda
    stepfunctions._read_map_items = read_map_items
    stepfunctions._run_distributed_map = run_distributed_map


def refused(role_arn: str, action: str, resource: str) -> str:
    """Why a role may not do something; empty if it may."""
    account = stepfunctions.get_account_id()
    name = role_arn.rpartition("/")[2]
    request = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/states",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=stepfunctions.get_region(),
    )
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    verdict = iam_evaluator.evaluate(request, iam_evaluator._gather_role_policies(name, account), *limits)
    if verdict.decision == "Allow":
        return ""
    return f"User: {request.principal_arn} is not authorized to perform: {action} on resource: {resource}"
