"""The state machine in Step Functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from penstock.adapters.aws_errors import code_of, translating
from penstock.errors import ConfigurationError


class StepFunctionsMachine:
    """Implements ``Machine``. ``arn`` is the state machine's; the client is made for the first job that needs it."""

    def __init__(self, client: Callable[[], Any], arn: str) -> None:
        self._client = client
        self._arn = arn

    def start(self, execution: str, payload: str) -> bool:
        """An execution of this name and input that runs is answered as if it were started now, one that has ended
        with ExecutionAlreadyExists.

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
