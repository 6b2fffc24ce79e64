"""Whether the parameters of the stack list the bucket: they give its roles the rights, and its queue the policy."""

from __future__ import annotations

from penstock.connect.findings import Finding, Level
from penstock.connect.model import Connection, Side, StackTarget

PARAMETERS = {Side.SOURCE: "SourceBucketNames", Side.DESTINATION: "DestinationBucketNames"}


def check_listing(connection: Connection, stack: StackTarget) -> Finding:
    """The functions may use exactly the buckets that the parameters list."""
    name = PARAMETERS[connection.side]
    if connection.bucket in stack.buckets[connection.side]:
        return Finding("stack", Level.OK, f"{stack.name} lists the bucket as a {connection.side}")
    return Finding(
        "stack",
        Level.BLOCKED,
        f"{name} of {stack.name} does not list {connection.bucket}: its functions have no rights to the bucket",
        "Deploy the stack with the parameters below.",
        parameters={name: (connection.bucket,)},
    )
