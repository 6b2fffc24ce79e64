"""The rights of each role: IAM simulates every action that the template gives it.

The simulation sees what takes a right away: a changed policy, a deny, a permissions boundary, a policy of the
organization. Policies of buckets and keys are tried from inside the stack (`inside`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.aws.inspection.values import Decision, Document
from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, command, failed, passed
from penstock.doctor.template import Policy
from penstock.model.wording import counted

# The most actions and resources of a remedy's sentence.
_SHOWN = 6


def roles(stack: Deployment) -> Iterator[Finding]:
    """Whether each role may do what the template says."""
    template = stack.template
    for role in template.roles():
        if role not in stack.resources:
            continue
        yield from _of_role(stack, role)


def _of_role(stack: Deployment, role: str) -> Iterator[Finding]:
    template, good, bad = stack.template, 0, 0
    role_name = stack.resources[role].id.rpartition("/")[2]
    for policy in template.policies(role):
        denied: list[Decision] = []
        for statement in policy.document["Statement"]:
            decisions = _decisions(stack, template.arn(role), statement)
            denied += [one for one in decisions if not one.allowed]
            good += sum(one.allowed for one in decisions)
        for by, some in _by_cause(denied).items():
            bad += len(some)
            yield failed(f"role {role}", _lacking(some), _remedy(stack, role_name, policy, by, some))
    if not bad:
        yield passed(f"role {role}", f"has its {counted(good, 'right')}")


def _decisions(stack: Deployment, arn: str, statement: Mapping[str, Any]) -> Sequence[Decision]:
    """Simulate one statement. One with a condition depends on values of a request, which a simulation lacks."""
    if "Condition" in statement or statement.get("Effect") != "Allow":
        return ()
    actions, resources = _list(statement.get("Action")), _list(statement.get("Resource"))
    if not (actions and resources):
        return ()
    # The template names buckets of a list in any partition. A resource of a request is in one.
    own = [one.replace("arn:*:", f"arn:{stack.stack.partition}:", 1) for one in resources]
    return stack.services.roles.simulate(arn, actions, own)


def _by_cause(denied: Sequence[Decision]) -> Mapping[str, list[Decision]]:
    found: dict[str, list[Decision]] = defaultdict(list)
    for one in denied:
        found[one.by or ("deny" if one.explicit else "")].append(one)
    return found


def _lacking(denied: Sequence[Decision]) -> str:
    """Name what is denied: actions by resource, a few of them."""
    by_resource: dict[str, list[str]] = defaultdict(list)
    for one in denied:
        by_resource[one.resource].append(one.action)
    texts = [f"{', '.join(actions)} on {resource}" for resource, actions in by_resource.items()]
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"may not {'; '.join(texts[:_SHOWN])}{more}"


def _remedy(stack: Deployment, role: str, policy: Policy, by: str, denied: Sequence[Decision]) -> str:
    if by == "deny":
        attached = command("iam", "list-attached-role-policies", role_name=role)
        return (
            f"A policy of role {role} denies it. Remove the Deny statement:\n"
            f"{command('iam', 'list-role-policies', role_name=role)}\n{attached}"
        )
    if by:
        actions = ", ".join(sorted({one.action for one in denied}))
        return f"{by[0].upper()}{by[1:]} does not allow it. Ask its owner to allow {actions} there."
    if policy.name:
        return _put(role, policy.name, policy.document)
    if policy.arn not in stack.services.roles.attached(role):
        return command("iam", "attach-role-policy", role_name=role, policy_arn=policy.arn)
    version = command("iam", "create-policy-version", policy_arn=policy.arn, policy_document=policy.document)
    return f"{version} --set-as-default"


def _put(role: str, name: str, document: Document) -> str:
    put = command("iam", "put-role-policy", role_name=role, policy_name=name, policy_document=document)
    return f"Restore the policy of the template:\n{put}"


def _list(value: object) -> list[str]:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, list) else []
