"""Whether the parameters of the stack list the bucket: they give its roles the rights, and its queue the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.connect.findings import Finding, Level
from penstock.connect.model import Connection, Side, StackTarget

PARAMETERS = {Side.SOURCE: "SourceBucketNames", Side.DESTINATION: "DestinationBucketNames"}
# What the template takes; docs/deploy.md says why.
MOST_BUCKETS, MOST_CHARACTERS = 20, 800


def check_listing(connection: Connection, stack: StackTarget) -> Finding:
    """The functions may use exactly the buckets that the parameters list."""
    name, parameters = PARAMETERS[connection.side], listing_parameters(connection, stack)
    if connection.bucket in stack.buckets[connection.side]:
        return Finding("stack", Level.OK, f"{stack.name} lists the bucket as a {connection.side}")
    text = f"{name} of {stack.name} does not list {connection.bucket}: its functions have no rights to the bucket"
    if parameters:
        return Finding(
            "stack", Level.BLOCKED, text, "Deploy the stack with the parameters below.", parameters=parameters
        )
    return Finding(
        "stack",
        Level.BLOCKED,
        f"{text}. The list is full: it holds {MOST_BUCKETS} names and {MOST_CHARACTERS} characters",
        "Deploy a second stack for more buckets, or take one from the list.",
    )


def listing_parameters(connection: Connection, stack: StackTarget) -> Mapping[str, Sequence[str]]:
    """Return the parameter that must list the bucket, with its name; empty if the list is full."""
    name = PARAMETERS[connection.side]
    listed = dict.fromkeys((*stack.parameters.get(name, ()), connection.bucket))
    fits = len(listed) <= MOST_BUCKETS and len(",".join(listed)) <= MOST_CHARACTERS
    return {name: (connection.bucket,)} if fits else {}
