"""The policy of the bucket: what denies the roles of the stack, and what must allow them from another account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.connect.findings import Finding, Level, PutBucketStatement
from penstock.connect.location import Location
from penstock.connect.model import Connection, Document, StackTarget
from penstock.connect.needs import Need, needs_of
from penstock.connect.policies import Decision, Verdict, by_role, decide, exempting
from penstock.connect.ports import Bucket

CHECK = "bucket policy"
_DENIALS = (Verdict.DENIED, Verdict.PERHAPS_DENIED)


def check_policy(bucket: Bucket, connection: Connection, stack: StackTarget, location: Location) -> Iterator[Finding]:
    """In its own account, a role needs nothing of the policy but that it does not deny."""
    policy = bucket.policy()
    needs = list(needs_of(connection, stack))
    decisions = {need: _decisions(policy, need, location) for need in needs}
    denials = list(_denials(decisions, stack))
    yield from denials
    missing = [need for need in needs if any(one.verdict is Verdict.NOT_ALLOWED for one, _, _ in decisions[need])]
    if location.is_foreign(stack) and missing:
        for need in missing:
            statement = allowing(need)
            yield Finding(
                CHECK,
                Level.MISSING,
                f"does not allow {', '.join(need.actions)} to the roles of {stack.name}, in account {stack.account}",
                "--apply adds the statement.",
                statement,
                changes=(PutBucketStatement(statement),),
            )
    elif not denials:
        yield Finding(CHECK, Level.OK, "denies nothing that the roles need" if policy else "the bucket has none")


def allowing(need: Need) -> dict[str, Any]:
    """Return the statement that allows roles of the stack what they need in a bucket of another account.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-walkthroughs-managing-access-example2.html
    """
    return {
        "Sid": need.sid,
        "Effect": "Allow",
        "Principal": {"AWS": list(need.roles)},
        "Action": list(need.actions),
        "Resource": need.resource,
    }


def _decisions(policy: Document | None, need: Need, location: Location) -> list[tuple[Decision, str, str]]:
    known = {"aws__requestedregion": location.region}
    if location.account:
        known |= {"aws__resourceaccount": location.account, "s3__resourceaccount": location.account}
    return [
        (decide(policy, by_role(role, action, need.resource, **known)), role, action)
        for role in need.roles
        for action in need.actions
    ]


def _denials(decisions: dict[Need, list[tuple[Decision, str, str]]], stack: StackTarget) -> Iterator[Finding]:
    """One finding for each statement that denies or may deny, with the statement as it must be."""
    found: dict[str, tuple[Decision, list[str], list[str]]] = {}
    for decision, role, action in (one for group in decisions.values() for one in group):
        if decision.verdict in _DENIALS:
            _, roles, actions = found.setdefault(repr(decision.statement), (decision, [], []))
            roles.append(role)
            actions.append(action)
    for decision, roles, actions in found.values():
        yield _denial(decision, list(dict.fromkeys(roles)), list(dict.fromkeys(actions)), stack)


def _denial(decision: Decision, roles: list[str], actions: list[str], stack: StackTarget) -> Finding:
    statement = decision.statement or {}
    sid = statement.get("Sid") or "without a Sid"
    what = f"{', '.join(actions)} to roles of {stack.name}" + (" for some keys" if decision.is_partial else "")
    if decision.verdict is Verdict.DENIED:
        return Finding(
            CHECK,
            Level.NOTE if decision.is_partial else Level.BLOCKED,
            f"its statement {sid} denies {what}",
            "Ask the owner of the policy to change the statement to this one. connect changes no statement of others.",
            exempting(statement, roles),
        )
    keys = ", ".join(decision.open_keys) or "NotPrincipal"
    return Finding(
        CHECK,
        Level.NOTE,
        f"its statement {sid} may deny {what}: that depends on {keys}",
        "`penstock doctor` tries it. If it denies, change the statement to this one.",
        exempting(statement, roles),
    )
