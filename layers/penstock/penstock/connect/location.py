"""Where the bucket is: whether it exists, in which region, and of which account."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.connect.findings import Finding, Level
from penstock.connect.model import Connection, StackTarget
from penstock.connect.ports import Bucket

CHECK = "bucket"


@dataclass(frozen=True, slots=True)
class Location:
    """``account`` is empty if another account owns the bucket and the user's credentials do not tell which."""

    region: str
    account: str

    def is_foreign(self, stack: StackTarget) -> bool:
        return self.account != stack.account


def find_location(bucket: Bucket, connection: Connection, stack: StackTarget) -> tuple[Location | None, list[Finding]]:
    """Return the location, or None if nothing more can be known of the bucket, and what to say of it."""
    region = bucket.region()
    if region is None:
        remedy = f"Correct the name, or create it: aws s3 mb s3://{connection.bucket} --region {stack.region}"
        return None, [Finding(CHECK, Level.BLOCKED, f"s3://{connection.bucket} does not exist", remedy)]
    account = _owner(bucket, stack)
    if account is None:
        return None, [_hidden(connection, region)]
    owner = f"account {account}" if account else "another account"
    found = [Finding(CHECK, Level.OK, f"exists in {region}, in {owner}")]
    if region != stack.region:
        text = f"the functions are in {stack.region}: S3 charges for what they transfer between the regions"
        found.append(Finding("region", Level.NOTE, text))
    return Location(region, account), found


def _owner(bucket: Bucket, stack: StackTarget) -> str | None:
    """The account that owns the bucket, empty if it is not known; None if the user may not see the bucket."""
    if bucket.is_owned_by(stack.account):
        return stack.account
    caller = bucket.caller_account()
    if caller != stack.account and bucket.is_owned_by(caller):
        return caller
    return "" if bucket.is_visible() else None


def _hidden(connection: Connection, region: str) -> Finding:
    return Finding(
        CHECK,
        Level.DENIED,
        f"exists in {region}, but access is denied: s3:ListBucket on s3://{connection.bucket}",
        "If it is yours, ask for that right. If another account owns it, use credentials of that account: "
        "--bucket-profile NAME.",
    )
