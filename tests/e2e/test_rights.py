"""The state machine's role on the deployed stack: what it may do is used, or is Step Functions' own to use."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from faults.rights import grants

from penstock_local.access import decisions
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack
from stack_jobs import upload

_LOGS = "Step Functions sets up the delivery of its logs; the emulator delivers none"
_TRACES = "Step Functions sends traces; the emulator has none"
_CHILDREN = "Step Functions watches and stops the children of a Map; the emulator runs them in its own process"
_PARTS = "Step Functions writes large results of a Map in parts; the emulator writes none"
UNSEEN: Mapping[str, str] = {
    "logs:CreateLogDelivery": _LOGS,
    "logs:DeleteLogDelivery": _LOGS,
    "logs:DescribeLogGroups": _LOGS,
    "logs:DescribeResourcePolicies": _LOGS,
    "logs:GetLogDelivery": _LOGS,
    "logs:ListLogDeliveries": _LOGS,
    "logs:PutResourcePolicy": _LOGS,
    "logs:UpdateLogDelivery": _LOGS,
    "xray:GetSamplingRules": _TRACES,
    "xray:GetSamplingTargets": _TRACES,
    "xray:PutTelemetryRecords": _TRACES,
    "xray:PutTraceSegments": _TRACES,
    "states:DescribeExecution": _CHILDREN,
    "states:StopExecution": _CHILDREN,
    "s3:AbortMultipartUpload": _PARTS,
    "s3:ListMultipartUploadParts": _PARTS,
}
DRAW = random.Random(13)


def documents(stack: Stack, role: str) -> list[dict[str, Any]]:
    """The inline policies of a role, as they are deployed."""
    iam = stack.client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    found = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return [json.loads(one) if isinstance(one, str) else one for one in found]


def test_the_machine_uses_every_right_that_it_has(stack: Stack) -> None:
    formation = stack.client("cloudformation")
    resource = formation.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId="StateMachineRole")
    role = resource["StackResourceDetail"]["PhysicalResourceId"]
    granted = set(grants(role, documents(stack, role)))

    def unused() -> set[tuple[str, str]]:
        used = {(one.action, one.resource) for one in decisions(stack) if one.role == role and one.allowed}
        return {(one.action, one.resource) for one in granted} - used

    wanted = {one for one in unused() if one[0] not in UNSEEN}
    if wanted:
        # Surveyed, worked on and finished; and aborted, for there is no such table.
        lines = b"id,name\n" + b"".join(b"%d,%x\n" % (n, DRAW.getrandbits(600)) for n in range(70_000))
        assert upload(stack, "orders/rights.csv", lines)["state"]["S"] == "succeeded"
        assert upload(stack, "nowhere/rights.csv", lines)["state"]["S"] == "failed"
        wanted = {one for one in unused() if one[0] not in UNSEEN}
    assert not wanted
    assert {action for action, _ in unused()} == UNSEEN.keys()
    assert not [one for one in decisions(stack) if one.role == role and not one.allowed]
