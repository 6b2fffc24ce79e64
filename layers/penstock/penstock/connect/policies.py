"""Policies of buckets, keys, queues and topics: what a statement does to a request, and how one is added.

The logic is that of IAM: an explicit Deny decides, then an Allow.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from penstock.connect.conditions import ABSENT, Match, condition_of
from penstock.connect.model import Document
from penstock.connect.wildcards import covers, meets

VERSION = "2012-10-17"


@dataclass(frozen=True, slots=True)
class Request:
    """Requests of one principal. ``resource`` may be a pattern: all of those resources.

    ``role`` is the ARN of a role, ``service`` the name of a service; one of them is empty.
    """

    action: str
    resource: str
    role: str = ""
    service: str = ""
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        return self.role.split(":")[4] if self.role else ""


def by_role(role: str, action: str, resource: str, **known: str) -> Request:
    """A request of a function, under its role: over TLS, and in the name of no other service."""
    return Request(
        action,
        resource,
        role=role,
        known={
            "aws:securetransport": "true",
            "aws:principalarn": role,
            "aws:principalaccount": role.split(":")[4],
            "aws:principaltype": "AssumedRole",
            "aws:principalisawsservice": "false",
            "aws:viaawsservice": "false",
            "aws:multifactorauthpresent": ABSENT,
            "aws:referer": ABSENT,
            "aws:sourceaccount": ABSENT,
            "aws:sourcearn": ABSENT,
            "s3:authtype": "REST-HEADER",
            "s3:signatureversion": "AWS4-HMAC-SHA256",
            "s3:tlsversion": "1.3",
            **{name.replace("__", ":").lower(): value for name, value in known.items()},
        },
    )


def by_service(service: str, action: str, resource: str, *, source_arn: str, source_account: str) -> Request:
    """A request of a service on behalf of one of its resources; ``source_account`` is empty if it is not known."""
    known = {"aws:securetransport": "true", "aws:principalisawsservice": "true", "aws:sourcearn": source_arn}
    if source_account:
        known["aws:sourceaccount"] = source_account
    return Request(action, resource, service=service, known=known)


class Verdict(StrEnum):
    """What a policy does to a request."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied"
    PERHAPS_DENIED = "perhaps denied"


@dataclass(frozen=True, slots=True)
class Decision:
    """``statement`` decided; None if there is none. ``open_keys``: the conditions that depend on more than is known,
    and ``is_partial``: it is about some of the resources only."""

    verdict: Verdict
    statement: Document | None = None
    open_keys: tuple[str, ...] = ()
    is_partial: bool = False


def decide(policy: Document | None, request: Request) -> Decision:
    """What a policy does to a request. NOT_ALLOWED: nothing in it is about the request."""
    perhaps: Decision | None = None
    for statement in statements_of(policy, "Deny"):
        match, open_keys, is_partial = _applies(statement, request)
        if match is Match.YES:
            return Decision(Verdict.DENIED, statement, is_partial=is_partial)
        if match is Match.PERHAPS and perhaps is None:
            perhaps = Decision(Verdict.PERHAPS_DENIED, statement, open_keys, is_partial)
    if perhaps:
        return perhaps
    for statement in statements_of(policy, "Allow"):
        match, _, is_partial = _applies(statement, request)
        if match is Match.YES and not is_partial:
            return Decision(Verdict.ALLOWED, statement)
    return Decision(Verdict.NOT_ALLOWED)


def statements_of(policy: Document | None, effect: str = "") -> Iterator[Document]:
    """The statements of a policy; one alone may stand without a list."""
    found = (policy or {}).get("Statement", [])
    for statement in [found] if isinstance(found, Mapping) else found:
        if isinstance(statement, Mapping) and (not effect or statement.get("Effect") == effect):
            yield statement


def with_statement(policy: Document | None, statement: Document) -> dict[str, Any]:
    """Return the policy with a statement in place of the one with the same Sid; all others stay as they are."""
    merged: dict[str, Any] = copy.deepcopy(dict(policy)) if policy else {"Version": VERSION}
    others = [one for one in statements_of(merged) if one.get("Sid") != statement["Sid"]]
    merged["Statement"] = [*others, dict(statement)]
    return merged


def without_sids(policy: Document | None, sids: Sequence[str]) -> dict[str, Any] | None:
    """Return the policy without the statements of these Sids; None if no statement is left."""
    kept = [one for one in statements_of(policy) if one.get("Sid") not in sids]
    return {**copy.deepcopy(dict(policy or {})), "Statement": copy.deepcopy(kept)} if kept else None


def has_statement(policy: Document | None, statement: Document) -> bool:
    """Whether the policy has this statement, up to the order of lists, which AWS may change."""
    return any(canonical(one) == canonical(statement) for one in statements_of(policy))


def canonical(value: object) -> object:
    """Return a form in which two documents of the same meaning are equal: AWS writes a list of one as its item, and
    orders lists at will."""
    if isinstance(value, Mapping):
        return {key: canonical(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        items = sorted((canonical(one) for one in value), key=repr)
        return items[0] if len(items) == 1 else items
    return value


def exempting(statement: Document, roles: Sequence[str]) -> dict[str, Any]:
    """Return a Deny that no longer denies these roles, and is otherwise unchanged.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    changed = copy.deepcopy(dict(statement))
    condition = changed.setdefault("Condition", {})
    unlike = condition.setdefault("ArnNotLike", {})
    unlike["aws:PrincipalArn"] = list(dict.fromkeys([*_listed(unlike.get("aws:PrincipalArn", [])), *roles]))
    return changed


def _applies(statement: Document, request: Request) -> tuple[Match, tuple[str, ...], bool]:
    """Whether a statement is about a request, the conditions that decide it, and whether about some resources only."""
    if not _names_action(statement, request.action):
        return Match.NO, (), False
    resource = _names_resource(statement, request.resource)
    principal = _names_principal(statement, request)
    if Match.NO in (resource, principal):
        return Match.NO, (), False
    condition, open_keys = condition_of(statement.get("Condition"), request.known)
    if condition is Match.NO:
        return Match.NO, (), False
    return min(principal, condition), open_keys, resource is Match.PERHAPS


def _names_action(statement: Document, action: str) -> bool:
    if "NotAction" in statement:
        return not any(covers(one, action, ignore_case=True) for one in _listed(statement["NotAction"]))
    return any(covers(one, action, ignore_case=True) for one in _listed(statement.get("Action", [])))


def _names_resource(statement: Document, resource: str) -> Match:
    """YES for all of the resources, PERHAPS for some."""
    if "NotResource" in statement:
        patterns = _listed(statement["NotResource"])
        if any(covers(one, resource) for one in patterns):
            return Match.NO
        return Match.PERHAPS if any(meets(one, resource) for one in patterns) else Match.YES
    patterns = _listed(statement.get("Resource", "*"))
    if any(covers(one, resource) for one in patterns):
        return Match.YES
    return Match.PERHAPS if any(meets(one, resource) for one in patterns) else Match.NO


def _names_principal(statement: Document, request: Request) -> Match:
    if "NotPrincipal" in statement:
        # It denies a session of a role unless it lists the session, the role and the account.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
        listed = _names(statement["NotPrincipal"], request)
        return Match.PERHAPS if listed else Match.YES
    return Match.YES if _names(statement.get("Principal"), request) else Match.NO


def _names(principal: object, request: Request) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, Mapping):
        return False
    listed = _listed(principal.get("AWS", []))
    if "*" in listed:
        return True
    if request.service:
        return any(one.lower() == request.service for one in _listed(principal.get("Service", [])))
    account = request.account
    return any(one in (request.role, account) or one.endswith(f":iam::{account}:root") for one in listed)


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
