"""Reads Lambda functions, their event source mappings and the state machine, and calls the function `check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.aws.inspection.values import Concurrency, Document, FunctionState, MappingState
from penstock.errors import DestinationMissingError, ServiceUnavailableError

# The function `check` opens a connection to every service, and one to the database. Its own timeout is 120 s.
CALL_CONFIG = Config(read_timeout=130, connect_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})

# An idle function in a VPC is made ready by the first call, which fails:
# https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
_NOT_READY = "ResourceConflictException"

# The most characters of a function's error that are shown.
_SHOWN = 500


class FunctionReader:
    """Implements ``Functions``."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._connect = client

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def state(self, name: str) -> FunctionState:
        with translating(f"lambda:GetFunctionConfiguration on {name}", missing=DestinationMissingError):
            found = self._client.get_function_configuration(FunctionName=name)
        return FunctionState(
            name,
            found["FunctionArn"],
            found.get("Runtime", ""),
            found.get("State", "Active"),
            found.get("StateReason", "") or found.get("LastUpdateStatusReason", ""),
            found.get("LastUpdateStatus", "Successful"),
            [layer["Arn"] for layer in found.get("Layers", ())],
            found["Timeout"],
        )

    def concurrency(self, name: str) -> int | None:
        with translating(f"lambda:GetFunctionConcurrency on {name}", missing=DestinationMissingError):
            found: int | None = self._client.get_function_concurrency(FunctionName=name).get(
                "ReservedConcurrentExecutions"
            )
        return found

    def mapping(self, uuid: str) -> MappingState:
        with translating(f"lambda:GetEventSourceMapping on {uuid}", missing=DestinationMissingError):
            found = self._client.get_event_source_mapping(UUID=uuid)
        return MappingState(
            uuid,
            found.get("EventSourceArn", ""),
            found.get("FunctionArn", "").rpartition(":")[2],
            found["State"],
            found.get("LastProcessingResult", "") or found.get("StateTransitionReason", ""),
            "ReportBatchItemFailures" in found.get("FunctionResponseTypes", ()),
        )

    def account(self) -> Concurrency:
        with translating("lambda:GetAccountSettings"):
            limit = self._client.get_account_settings()["AccountLimit"]
        return Concurrency(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"])

    def invoke(self, name: str, request: Document) -> Any:
        with translating(f"lambda:InvokeFunction on {name}", missing=DestinationMissingError):
            try:
                answer = self._client.invoke(FunctionName=name, Payload=json.dumps(request).encode())
            except ClientError as error:
                if code_of(error) != _NOT_READY:
                    raise
                raise ServiceUnavailableError(f"function {name} is not ready: ask again in a minute") from error
            text = answer["Payload"].read().decode(errors="replace")
        if answer.get("FunctionError"):
            raise ServiceUnavailableError(
                f"function {name} failed: {text[:_SHOWN]}", hint=f"See its log: aws logs tail /aws/lambda/{name}"
            )
        return json.loads(text)


class MachineReader:
    """Implements ``Machines``."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client

    def status(self, arn: str) -> str:
        with translating(f"states:DescribeStateMachine on {arn}", missing=DestinationMissingError):
            return str(self._client().describe_state_machine(stateMachineArn=arn)["status"])
