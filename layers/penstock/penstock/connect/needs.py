"""What the roles of the stack do with a bucket and its key. Their policies in template.yaml allow the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from penstock.connect.model import Connection, Side, StackTarget

_ON_OBJECTS = {
    Side.SOURCE: ("s3:GetObject", "s3:GetObjectVersion"),
    Side.DESTINATION: ("s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"),
}
_ON_BUCKET = {
    Side.SOURCE: ("s3:ListBucket",),
    Side.DESTINATION: ("s3:ListBucket", "s3:ListBucketMultipartUploads"),
}
# Each value of AfterActions includes those before it; to move is to copy and to delete.
_AFTER = {
    "none": (),
    "tag": ("s3:GetObjectTagging", "s3:GetObjectVersionTagging", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
    "move": (
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    ),
    "delete": (),
}
_SEE_VERSIONS = ("s3:ListBucket", "s3:ListBucketVersions")


@dataclass(frozen=True, slots=True)
class Need:
    """What some roles do, on the objects below the prefix or on the bucket itself. ``sid`` is that of the statement.

    Connections of several prefixes share what is on the bucket: ``is_shared``.
    """

    sid: str
    roles: tuple[str, ...]
    actions: tuple[str, ...]
    resource: str
    is_shared: bool = False


def needs_of(connection: Connection, stack: StackTarget) -> Iterator[Need]:
    """Return all needs of a connection."""
    side, arn = connection.side, stack.bucket_arn(connection)
    objects, name = f"{arn}/{connection.prefix}*", str(side).title()
    yield Need(stack.sid_for(f"{name}Objects", connection.prefix), stack.roles[side], _ON_OBJECTS[side], objects)
    yield Need(stack.sid_for(f"{name}Bucket"), stack.roles[side], _ON_BUCKET[side], arn, is_shared=True)
    if side is Side.SOURCE and (actions := _after(stack.after_actions)) and stack.after_roles:
        on_objects = (*_ON_OBJECTS[side], *actions)
        yield Need(stack.sid_for("AfterObjects", connection.prefix), stack.after_roles, on_objects, objects)
        on_bucket = _SEE_VERSIONS if moves(stack) else _ON_BUCKET[side]
        yield Need(stack.sid_for("AfterBucket"), stack.after_roles, on_bucket, arn, is_shared=True)


def sids_of(connection: Connection, stack: StackTarget, *, shared: bool) -> list[str]:
    """Return the Sids of all statements that connect may have set, whatever AfterActions was then.

    ``shared``: also those that connections of other prefixes of the bucket need.
    """
    widest = replace(stack, after_actions="delete", after_roles=stack.after_roles or ("any",))
    return [need.sid for need in needs_of(connection, widest) if shared or not need.is_shared]


def moves(stack: StackTarget) -> bool:
    """Whether the role of `after` may copy and delete objects of a source."""
    return stack.after_actions in ("move", "delete")


def _after(most: str) -> tuple[str, ...]:
    """Return the actions of AfterActions up to ``most``."""
    names = list(_AFTER)
    reached = names[: names.index(most) + 1] if most in _AFTER else []
    return tuple(action for name in reached for action in _AFTER[name])


def key_users(side: Side, stack: StackTarget) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the roles that use the key of the bucket, and the operations of KMS that each needs.

    A multipart upload needs Decrypt too. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
    """
    both = ("Decrypt", "GenerateDataKey")
    for role in stack.roles[side]:
        yield role, both if side is Side.DESTINATION else both[:1]
    if side is Side.SOURCE and moves(stack):
        for role in stack.after_roles:
            yield role, both
