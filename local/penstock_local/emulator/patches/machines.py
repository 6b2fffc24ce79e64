"""Patches of Step Functions."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ministack.core import iam_evaluator  # type: ignore[import-not-found]  # installed in another virtual environment
from ministack.services import iam, lambda_svc, stepfunctions  # type: ignore[import-not-found]  # the same

RUNNING = "RUNNING"


def make_start_idempotent() -> None:
    """StartExecution with the name and the input of a running execution returns that execution.

    MiniStack answers ExecutionAlreadyExists. AWS does so only if the execution has ended or the input differs.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    start = stepfunctions._start_execution

    def start_execution(data: Any) -> Any:
        name = str(data.get("stateMachineArn", "")).rpartition(":")[2]
        arn = f"arn:aws:states:{stepfunctions.get_region()}:{stepfunctions.get_account_id()}:execution:{name}"
        existing = stepfunctions._executions.get(f"{arn}:{data.get('name')}")
        if existing and existing["status"] == RUNNING and existing["input"] == data.get("input", "{}"):
            return stepfunctions.json_response(
                {"executionArn": existing["executionArn"], "startDate": existing["startDate"]}
            )
        return start(data)

    stepfunctions._start_execution = start_execution


def keep_stopped_executions_aborted() -> None:
    """A stopped execution stays ABORTED, whatever the result of its current state.

    MiniStack changes it to FAILED if that state fails later.
    """
    fail = stepfunctions._fail_execution

    def fail_execution(execution: Any, error: str, cause: str) -> None:
        if execution["status"] == RUNNING:
            fail(execution, error, cause)

    stepfunctions._fail_execution = fail_execution


def obey_concurrency_path() -> None:
    """MaxConcurrencyPath limits the parallel children of a Distributed Map. MiniStack supports MaxConcurrency only.

    https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
    """
    run = stepfunctions._run_distributed_map

    def run_distributed_map(state: Any, *rest: Any) -> Any:
        _, effective, _, _, context = rest
        if path := state.get("MaxConcurrencyPath"):
            state = {**state, "MaxConcurrency": stepfunctions._resolve_path_or_ctx(path, effective, context)}
        return run(state, *rest)

    stepfunctions._run_distributed_map = run_distributed_map


def start_no_child_after_failure() -> None:
    """No child of a Distributed Map starts after another child failed the Map, or after the execution was stopped.

    MiniStack runs the remaining children first. With this patch it still waits for running children, unlike AWS.
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


def enforce_state_machine_role() -> None:
    """A state machine needs the permissions of its role: to invoke functions, read a Map's items, start children and
    write results. MiniStack does all of this without a role.

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
    """Why a role may not perform an action; empty if it may."""
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
    result = iam_evaluator.evaluate(request, iam_evaluator._gather_role_policies(name, account), *limits)
    if result.decision == "Allow":
        return ""
    return f"User: {request.principal_arn} is not authorized to perform: {action} on resource: {resource}"
