"""What `penstock connect` reads of a stack and asks for its roles is what the template has and grants."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deployed_template import ACCOUNT, REGION, deployed
from penstock.aws.stack_outputs import StackOutputs
from penstock.connect.listing import MOST_BUCKETS, MOST_CHARACTERS
from penstock.connect.listing import PARAMETERS as PARAMETER_NAMES
from penstock.connect.model import Connection, Side, StackTarget, Via
from penstock.connect.needs import key_users, needs_of
from penstock.wiring.connect import stack_target

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
PARAMETERS = {"SourceBucketNames": "drops", "DestinationBucketNames": "lake", "BucketKmsKeyArns": KEY}
BUCKETS = {Side.SOURCE: "drops", Side.DESTINATION: "lake"}


def target_of(template: dict[str, Any], **parameters: str) -> tuple[StackTarget, dict[str, Any]]:
    """The stack as connect sees it, and as it is deployed. The ARN of a role ends with its logical id here."""
    given = {**PARAMETERS, **parameters}
    stack = deployed(template, given)
    outputs = {name: str(output["Value"]) for name, output in stack["Outputs"].items()}
    outputs["QueueArn"] = f"arn:aws:sqs:{REGION}:{ACCOUNT}:penstock-ingest"
    values = {name: str(one["Default"]) for name, one in template["Parameters"].items()} | given
    return stack_target("penstock", StackOutputs(values, outputs)), stack


def statements(stack: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Every statement of a role, with those of the policies that it shares, or of one policy."""
    properties = stack["Resources"][name]["Properties"]
    policies = properties.get("Policies", [properties])
    found = [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]
    return found + [one for shared in properties.get("ManagedPolicyArns", ()) for one in statements(stack, shared)]


def granted(stack: dict[str, Any], role: str, bucket: str) -> set[tuple[str, bool]]:
    """The actions that a role may do with a bucket; True for those on its objects."""
    found = set()
    for one in statements(stack, role):
        for resource in [one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"]:
            _, _, path = resource.partition(":::")
            if path.partition("/")[0] == bucket:
                listed = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
                found |= {(action, "/" in path) for action in listed}
    return found


def test_connect_reads_parameters_and_outputs_of_the_template(template: dict[str, Any]) -> None:
    target, _ = target_of(template)
    assert "drops" in target.buckets[Side.SOURCE]
    assert "lake" in target.buckets[Side.DESTINATION]
    assert target.parameters == {
        "SourceBucketNames": ("drops",),
        "DestinationBucketNames": ("lake",),
        "BucketKmsKeyArns": (KEY,),
        "SourceTopicArns": (),
    }
    assert target.keys == (KEY,)
    assert target.after_actions == "none"
    assert all((target.queue_url, target.roles[Side.SOURCE], target.roles[Side.DESTINATION], target.after_roles))


def test_a_list_of_buckets_holds_what_the_template_takes(template: dict[str, Any]) -> None:
    for name in PARAMETER_NAMES.values():
        parameter = template["Parameters"][name]
        names = ["b" * 38 for _ in range(MOST_BUCKETS)]
        assert int(parameter["MaxLength"]) == MOST_CHARACTERS
        assert re.fullmatch(parameter["AllowedPattern"], ",".join(names))
        assert not re.fullmatch(parameter["AllowedPattern"], ",".join([*names, "bbb"]))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("after", ["none", "tag", "move", "delete"])
def test_connect_asks_for_what_the_roles_are_granted(template: dict[str, Any], side: Side, after: str) -> None:
    target, stack = target_of(template, AfterActions=after)
    bucket = BUCKETS[side]
    asked: dict[str, set[tuple[str, bool]]] = {}
    for need in needs_of(Connection(bucket, "", side, Via.EVENTBRIDGE), target):
        for role in need.roles:
            name = role.removesuffix(".Arn").rpartition("/")[2]
            asked.setdefault(name, set()).update((action, need.resource.endswith("*")) for action in need.actions)
    if side is Side.SOURCE and after == "none":
        assert "AfterRole" not in asked
    for role, actions in asked.items():
        # The policy of a foreign bucket is the same for all roles of a side; their own policies are narrower.
        assert granted(stack, role, bucket) <= actions, role
    everything = set().union(*(granted(stack, role, bucket) for role in asked))
    assert everything == set().union(*asked.values())


def test_connect_grants_the_key_to_no_role_that_may_not_use_it(template: dict[str, Any]) -> None:
    target, stack = target_of(template, AfterActions="move")
    for side in Side:
        for role, operations in key_users(side, target):
            name = role.removesuffix(".Arn").rpartition("/")[2]
            allowed = {action for one in statements(stack, name) if KEY in one["Resource"] for action in one["Action"]}
            assert {f"kms:{operation}" for operation in operations} <= allowed
