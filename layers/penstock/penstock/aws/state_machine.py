"""The state machine in Step Functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.errors import ConfigurationError
from penstock.model.job_status import Execution


class StepFunctionsStateMachine:
    """Implements ``StateMachine``. ``arn`` is that of the state machine. The client is created for the first call."""

    def __init__(self, client: Callable[[], Any], arn: str) -> None:
        self._client = client
        self._arn = arn

    def start(self, execution: str, payload: str) -> bool:
        """Step Functions accepts the name and input of a running execution as if it started now.

        For the name of an execution that has ended, it returns ExecutionAlreadyExists.

        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
        """
        with translating(f"states:StartExecution on {self._arn}", missing=ConfigurationError):
            try:
                self._client().start_execution(stateMachineArn=self._arn, name=execution, input=payload)
            except ClientError as error:
                if code_of(error) != "ExecutionAlreadyExists":
                    raise
                return False
        return True

    def describe(self, execution: str) -> Execution | None:
        with translating(f"states:DescribeExecution on {self._arn}", missing=ConfigurationError):
            try:
                found = self._client().describe_execution(executionArn=self._execution_arn(execution))
            except ClientError as error:
                if code_of(error) != "ExecutionDoesNotExist":
                    raise
                return None
        return Execution(found["status"], found.get("error", ""), found.get("cause", ""))

    def _execution_arn(self, execution: str) -> str:
        """Build arn:aws:states:region:account:execution:machine:name from the ARN of the state machine."""
        head, _, name = self._arn.rpartition(":stateMachine:")
        return f"{head}:execution:{name}:{execution}"
