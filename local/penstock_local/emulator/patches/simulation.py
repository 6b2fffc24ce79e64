"""Patches of IAM's policy simulator."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator, responses  # type: ignore[import-not-found]  # installed in another virtual environment
from ministack.services import iam  # type: ignore[import-not-found]  # the same

from penstock_local.emulator.patches.multipart import Response

DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny"}
_ROLE = "role/"


def simulate_every_resource_within_the_boundary() -> None:
    """SimulatePrincipalPolicy answers for every resource, and within the permissions boundary of a role.

    The results of the resources are in ResourceSpecificResults; the name at the top is that of no resource. MiniStack
    answers for the first resource, and by the role's own policies.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
    """
    original = iam._simulate_principal_policy

    def simulate(parameters: Any) -> Response:
        arn = iam._p(parameters, "PolicySourceArn")
        if _ROLE not in arn:
            answer: Response = original(parameters)
            return answer
        results = _results(arn, _members(parameters, "ActionNames"), _members(parameters, "ResourceArns") or ["*"])
        body = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
        name = "SimulatePrincipalPolicy"
        found: Response = iam._xml(200, f"{name}Response", f"<{name}Result>{body}</{name}Result>", ns="iam")
        return found

    iam._simulate_principal_policy = simulate
    for handlers in (value for value in vars(iam).values() if isinstance(value, dict)):
        for key in [key for key, value in handlers.items() if value is original]:
            handlers[key] = simulate


def _results(arn: str, actions: Sequence[str], resources: Sequence[str]) -> str:
    account, name = responses.get_account_id(), arn.rpartition("/")[2]
    policies = iam_evaluator._gather_role_policies(name, account)
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)

    def decide(action: str, resource: str, *within: Any) -> str:
        context = iam_evaluator.EvalContext(
            principal_arn=arn,
            principal_type="AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region="us-east-1",
        )
        return DECISIONS.get(iam_evaluator.evaluate(context, policies, *within).decision, "implicitDeny")

    found = []
    for action in actions:
        one_by_one = {
            resource: (decide(action, resource, *limits), not limits or decide_by(limits, decide, action, resource))
            for resource in resources
        }
        found.append(_result(action, one_by_one))
    return "".join(found)


def decide_by(limits: Any, decide: Any, action: str, resource: str) -> bool:
    """Whether the boundary alone allows an action."""
    return bool(decide(action, resource, *limits) == "allowed" or decide(action, resource) != "allowed")


def _result(action: str, decisions: Mapping[str, tuple[str, bool]]) -> str:
    """One EvaluationResult, with a result of each resource."""
    members = "".join(
        f"<member><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalResourceDecision>{decision}</EvalResourceDecision>{_boundary(within)}</member>"
        for resource, (decision, within) in decisions.items()
    )
    decision, within = next((one for one in decisions.values() if one[0] != "allowed"), ("allowed", True))
    return (
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>*</EvalResourceName>"
        f"<EvalDecision>{decision}</EvalDecision>{_boundary(within)}"
        f"<ResourceSpecificResults>{members}</ResourceSpecificResults></member>"
    )


def _boundary(allows: bool) -> str:
    text = str(allows).lower()
    inner = f"<AllowedByPermissionsBoundary>{text}</AllowedByPermissionsBoundary>"
    return f"<PermissionsBoundaryDecisionDetail>{inner}</PermissionsBoundaryDecisionDetail>"


def _members(parameters: Any, name: str) -> list[str]:
    found: list[str] = []
    while value := iam._p(parameters, f"{name}.member.{len(found) + 1}"):
        found.append(value)
    return found
