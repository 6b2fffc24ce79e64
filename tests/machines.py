"""State machines and fake functions on the emulator."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any

from penstock_local.account import Account

# The trust policy of a role that functions and state machines may assume.
ASSUMED = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
ENDED = 20.0


def role(account: Account, name: str, *statements: dict[str, Any]) -> str:
    """The ARN of a new role that grants these statements."""
    iam = account.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(ASSUMED))
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy)
    return str(made["Role"]["Arn"])


def allow(action: str | list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def function(account: Account, name: str, code: str, role_arn: str, *, timeout: int = 10, **variables: str) -> str:
    """The ARN of a new function. ``code`` contains its ``handler``."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", code)
    made = account.client("lambda").create_function(
        FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=role_arn, Timeout=timeout,
        Code={"ZipFile": archive.getvalue()}, Environment={"Variables": variables},
    )  # fmt: skip
    return str(made["FunctionArn"])


def machine(account: Account, name: str, definition: dict[str, Any], role_arn: str) -> str:
    """The ARN of a new state machine."""
    made = account.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=role_arn, type="STANDARD"
    )
    return str(made["stateMachineArn"])


def start(account: Account, machine_arn: str, given: object, **more: str) -> str:
    """The ARN of a new execution."""
    states = account.client("stepfunctions")
    return str(states.start_execution(stateMachineArn=machine_arn, input=json.dumps(given), **more)["executionArn"])


def end_of(account: Account, execution: str) -> dict[str, Any]:
    """Wait until an execution has ended, and return its description."""
    states = account.client("stepfunctions")
    deadline = time.monotonic() + ENDED
    while (answer := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the execution did not end"
        time.sleep(0.05)
    found: dict[str, Any] = answer
    return found


def run(account: Account, machine_arn: str, given: object) -> dict[str, Any]:
    return end_of(account, start(account, machine_arn, given))
