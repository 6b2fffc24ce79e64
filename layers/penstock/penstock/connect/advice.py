"""Settings of the bucket that do not stop a connection, and what they mean for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from penstock.connect.findings import Finding, Level
from penstock.connect.location import Location
from penstock.connect.model import Connection, Document, Side, StackTarget
from penstock.connect.needs import moves
from penstock.connect.ports import Bucket
from penstock.errors import AccessDeniedError


def check_settings(bucket: Bucket, connection: Connection, stack: StackTarget, location: Location) -> Iterator[Finding]:
    """What cannot be read is a note: nothing here stops a job."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("versioning", lambda: _versioning(bucket, connection, stack)),
        ("object ownership", lambda: _ownership(bucket, connection, stack, location)),
        ("object lock", lambda: _object_lock(bucket, connection, stack)),
        ("requester pays", lambda: _request_payer(bucket, stack, location)),
    ]
    if connection.side is Side.DESTINATION:
        checks.append(("lifecycle", lambda: _lifecycle(bucket.lifecycle(), connection)))
    for name, check in checks:
        try:
            yield check()
        except AccessDeniedError as error:
            yield Finding(name, Level.NOTE, f"cannot be read: {error}")


def _versioning(bucket: Bucket, connection: Connection, stack: StackTarget) -> Finding:
    status = bucket.versioning()
    if connection.side is Side.DESTINATION:
        return Finding("versioning", Level.OK, status or "off")
    if status == "Enabled":
        return Finding("versioning", Level.OK, "on: a job reads the version that its event names")
    return Finding(
        "versioning",
        Level.NOTE,
        f"{status.lower() or 'off'}: an object that is overwritten before its job reads it is lost, and its job ends "
        "as superseded" + ("; `after` deletes without a way back" if moves(stack) else ""),
        f"aws s3api put-bucket-versioning --bucket {connection.bucket} --versioning-configuration Status=Enabled",
    )


def _ownership(bucket: Bucket, connection: Connection, stack: StackTarget, location: Location) -> Finding:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html"""
    setting = bucket.ownership()
    if setting == "BucketOwnerEnforced":
        return Finding("object ownership", Level.OK, f"{setting}: the owner of the bucket owns all objects")
    foreign = connection.side is Side.SOURCE or location.is_foreign(stack)
    return Finding(
        "object ownership",
        Level.NOTE if foreign else Level.OK,
        f"{setting}: an object that another account uploads may belong to that account, and policies of the bucket "
        "then do not let others read it",
        f"aws s3api put-bucket-ownership-controls --bucket {connection.bucket} "
        "--ownership-controls 'Rules=[{ObjectOwnership=BucketOwnerEnforced}]'"
        if foreign
        else "",
    )


def _object_lock(bucket: Bucket, connection: Connection, stack: StackTarget) -> Finding:
    retention = bucket.object_lock().get("Rule", {}).get("DefaultRetention", {})
    if not retention:
        return Finding("object lock", Level.OK, "no default retention")
    span = f"{retention.get('Days', retention.get('Years'))} {'days' if 'Days' in retention else 'years'}"
    text = f"objects are locked for {span} ({retention.get('Mode', '').lower()})"
    if connection.side is Side.SOURCE and moves(stack):
        text += ": `after` deletes with a marker, and `delete:permanent` fails until then"
    elif connection.side is Side.DESTINATION:
        text += ": every result that is delivered again keeps its old versions until then"
    return Finding("object lock", Level.NOTE, text)


def _request_payer(bucket: Bucket, stack: StackTarget, location: Location) -> Finding:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html"""
    if bucket.request_payer() != "Requester":
        return Finding("requester pays", Level.OK, "off")
    if location.is_foreign(stack):
        return Finding(
            "requester pays",
            Level.BLOCKED,
            "on: S3 refuses requests of other accounts that do not say that they pay, and Penstock does not say it",
            "Ask the owner to turn it off, or replicate the bucket to yours.",
        )
    return Finding("requester pays", Level.NOTE, "on: requests of your own account are charged to it as before")


def _lifecycle(rules: Sequence[Document], connection: Connection) -> Finding:
    for rule in rules:
        below = rule.get("Filter", {}).get("Prefix", rule.get("Prefix", ""))
        days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
        if rule.get("Status") == "Enabled" and days and connection.prefix.startswith(below):
            level = Level.OK if days >= 7 else Level.NOTE  # noqa: PLR2004  # a job may take a week
            text = f"aborts unfinished uploads after {days} days"
            return Finding("lifecycle", level, text if level is Level.OK else f"{text}: a large job may take seven")
    return Finding(
        "lifecycle",
        Level.NOTE,
        "no rule aborts unfinished uploads: parts of a function that was killed are charged until someone aborts them",
        "Add this rule to the lifecycle configuration of the bucket.",
        {
            "ID": "abort-unfinished-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
    )
