"""Asks IAM what a role may do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from typing import Any

from penstock.aws.errors import translating
from penstock.aws.inspection.values import Decision, Document
from penstock.errors import DestinationMissingError

BOUNDARY, ORGANIZATION = "the permissions boundary of the role", "a policy of the organization (SCP)"


class RoleReader:
    """Implements ``Roles``.

    The simulation includes permissions boundaries and, where the caller may see them, policies of the organization. It
    includes no policies of buckets and keys.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """

    def __init__(self, client: Callable[[], Any]) -> None:
        self._connect = client

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def simulate(self, role: str, actions: Sequence[str], resources: Sequence[str]) -> Sequence[Decision]:
        with translating(f"iam:SimulatePrincipalPolicy on {role}", missing=DestinationMissingError):
            pages = self._client.get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=role, ActionNames=list(actions), ResourceArns=list(resources)
            )
            return [
                one for page in pages for found in page["EvaluationResults"] for one in _decisions(found, resources)
            ]

    def attached(self, role_name: str) -> Collection[str]:
        with translating(f"iam:ListAttachedRolePolicies on {role_name}", missing=DestinationMissingError):
            pages = self._client.get_paginator("list_attached_role_policies").paginate(RoleName=role_name)
            return frozenset(one["PolicyArn"] for page in pages for one in page["AttachedPolicies"])


def _decisions(found: Document, resources: Sequence[str]) -> Iterator[Decision]:
    """Yield the decision on each resource, as ResourceSpecificResults has it. The response for a single resource may
    lack them, and names a kind of resources at the top.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
    """
    organization = found.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
    named = {"EvalResourceName": resources[0]} if len(resources) == 1 else {}
    for one in found.get("ResourceSpecificResults") or [{**found, **named}]:
        decision = one.get("EvalResourceDecision") or one["EvalDecision"]
        boundary = one.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True)
        yield Decision(
            found["EvalActionName"],
            one.get("EvalResourceName", "*"),
            decision == "allowed",
            decision == "explicitDeny",
            "" if boundary and organization else BOUNDARY if organization else ORGANIZATION,
        )
