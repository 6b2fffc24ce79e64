"""The KMS key of the bucket: whether the stack has it, and whether the key lets the roles use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.connect.findings import CreateGrant, Finding, Level
from penstock.connect.location import Location
from penstock.connect.model import Connection, Document, StackTarget
from penstock.connect.needs import key_users
from penstock.connect.policies import Request, Verdict, by_role, decide, exempting
from penstock.connect.ports import Bucket, Keys

CHECK = "key"
PARAMETER = "BucketKmsKeyArns"
_KMS = ("aws:kms", "aws:kms:dsse")


def check_key(
    bucket: Bucket, keys: Keys, connection: Connection, stack: StackTarget, location: Location
) -> Iterator[Finding]:
    """The roles need the key of the bucket from the stack's parameters, and the key must allow them."""
    algorithm, key = bucket.default_encryption()
    if algorithm not in _KMS:
        yield Finding("encryption", Level.OK, f"{algorithm}: no key to share")
        return
    described = keys.describe(key) if key else {}
    if not key or described.get("KeyManager") == "AWS":
        yield _aws_managed(stack, location)
        return
    yield from _customer_key(keys, described, connection, stack, location)


def usable_key(bucket: Bucket, keys: Keys) -> str:
    """Return the ARN of the customer's key that encrypts the bucket by default; empty if there is none."""
    algorithm, key = bucket.default_encryption()
    if algorithm not in _KMS or not key:
        return ""
    described = keys.describe(key)
    return "" if described.get("KeyManager") == "AWS" else str(described["Arn"])


def _aws_managed(stack: StackTarget, location: Location) -> Finding:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html: no other account can use it."""
    if not location.is_foreign(stack):
        return Finding("encryption", Level.OK, "the key aws/s3, which every role of the account may use")
    return Finding(
        "encryption",
        Level.BLOCKED,
        "the key aws/s3 of another account, which its policy lends to nobody",
        "Encrypt the bucket with a key of its own, and the objects again: aws s3 cp --recursive onto themselves.",
    )


def _customer_key(
    keys: Keys, described: Document, connection: Connection, stack: StackTarget, location: Location
) -> Iterator[Finding]:
    arn = str(described["Arn"])
    if described.get("KeyState", "Enabled") != "Enabled":
        yield Finding(CHECK, Level.BLOCKED, f"{arn} is {described['KeyState']}", "Enable the key.")
    if arn not in stack.keys:
        yield Finding(
            CHECK,
            Level.BLOCKED,
            f"{PARAMETER} of {stack.name} does not list {arn}: its roles have no rights to it",
            "Deploy the stack with the parameters below.",
            parameters={PARAMETER: (arn,)},
        )
    policy, grants = keys.policy(arn), keys.grants(arn)
    lacking = []
    for role, operations in key_users(connection.side, stack):
        decisions = [decide(policy, _use(role, operation, stack, location)) for operation in operations]
        denial = next((one.statement for one in decisions if one.verdict is Verdict.DENIED), None)
        if denial:
            yield _denial(arn, denial, connection, stack)
            return
        if any(one.verdict is not Verdict.ALLOWED for one in decisions) and not _granted(grants, role, operations):
            lacking.append(CreateGrant(arn, stack.grant_for(connection, role), role, operations))
    if lacking:
        yield Finding(
            CHECK,
            Level.MISSING,
            f"neither the policy nor a grant of {arn} lets {', '.join(change.role for change in lacking)} use it",
            "--apply creates a grant for each role, which leaves the policy of the key as it is.",
            changes=tuple(lacking),
        )
    else:
        yield Finding(CHECK, Level.OK, f"{arn} lets the roles use it")


def _denial(arn: str, statement: Document, connection: Connection, stack: StackTarget) -> Finding:
    """A Deny of the policy counts more than a grant. https://docs.aws.amazon.com/kms/latest/developerguide/grants.html"""
    return Finding(
        CHECK,
        Level.BLOCKED,
        f"the policy of {arn} denies the roles of {stack.name} its use: statement "
        f"{statement.get('Sid') or 'without a Sid'}. A grant cannot change that",
        "Ask the owner of the key to change the statement to this one.",
        exempting(statement, [role for role, _ in key_users(connection.side, stack)]),
    )


def own_grants(grants: Sequence[Document], connection: Connection, stack: StackTarget) -> list[Document]:
    """Return the grants that connect has created for this bucket."""
    return [one for one in grants if str(one.get("Name", "")).startswith(stack.own_grants(connection))]


def _use(role: str, operation: str, stack: StackTarget, location: Location) -> Request:
    return by_role(
        role,
        f"kms:{operation}",
        "*",
        kms__viaservice=f"s3.{location.region}.{stack.dns_suffix}",
        kms__calleraccount=stack.account,
        kms__grantisforawsresource="false",
    )


def _granted(grants: Sequence[Document], role: str, operations: Sequence[str]) -> bool:
    """Whether grants without constraints allow all operations. https://docs.aws.amazon.com/kms/latest/developerguide/grants.html"""
    allowed = {
        operation
        for grant in grants
        if grant.get("GranteePrincipal") == role and not grant.get("Constraints")
        for operation in grant.get("Operations", ())
    }
    return allowed >= set(operations)
