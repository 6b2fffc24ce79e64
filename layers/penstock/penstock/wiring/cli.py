"""Shared by commands: the routes of a file or a stack, and the settings of a stack."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.stack_outputs import read_stack_outputs
from penstock.aws.text_files import UriTexts
from penstock.explain.explanation import NAMES, StackEnvironment
from penstock.limits import MIB, MOST_WORKERS, Budget
from penstock.routes import NO_STACK, Routes, StackBuckets, parse_routes
from penstock.routes.stack_buckets import meaning
from penstock.wiring.cli_clients import CliClients
from penstock.wiring.routes import packaged_routes

__all__ = ["CliClients", "StackEnvironment", "read_routes", "stack_environment"]


def stack_environment(clients: CliClients, stack: str = "", memory: int = 0) -> StackEnvironment:
    """Read the settings of a stack, or return the template's defaults; ``memory`` takes precedence."""
    if not stack:
        return StackEnvironment({name: name for name in NAMES}, memory=memory or 1769 * MIB)
    with cli_errors(f"cloudformation:DescribeStacks on {stack}", again=RUN_AGAIN):
        deployed = read_stack_outputs(clients.cloudformation(), stack)

    def number(name: str, default: int) -> int:
        return int(deployed.parameters.get(name) or default)

    buckets = StackBuckets(*(_listed(deployed.outputs, kind) for kind in ("Source", "Destination")))
    names = {name: deployed.outputs.get(_output(name), name) for name in NAMES}
    if buckets.known:
        # An output that is empty does not exist.
        names["source_bucket"] = meaning(deployed.outputs.get("SourceBucketName", ""), buckets.sources)
        names["destination_bucket"] = meaning(deployed.outputs.get("DestinationBucketName", ""), buckets.destinations)
    return StackEnvironment(
        names=names,
        buckets=buckets,
        memory=memory or number("MemorySize", 1769) * MIB,
        timeout=number("Timeout", 900),
        workers=number("MapConcurrency", 0) or MOST_WORKERS,
        large_bytes=number("LargeBytes", 0),
        span_bytes=number("SpanBytes", 0),
        index_spacing=number("IndexSpacing", 0),
        after_actions=deployed.parameters.get("AfterActions", "none"),
        routes_uri=deployed.parameters.get("RoutesUri", ""),
    )


def read_routes(
    clients: CliClients, uri: str, names: Mapping[str, str], buckets: StackBuckets = NO_STACK
) -> tuple[str, Routes]:
    """Read the routes of a path or s3:// URI, or the packaged ones if ``uri`` is empty; also return the file's name.

    Raises InvalidRouteError, which names file, route and field, and ConfigurationError if it cannot be read.
    """
    file = uri or str(packaged_routes())
    with cli_errors(f"s3:GetObject on {file}", again=RUN_AGAIN):
        text = UriTexts(lambda: clients.s3(Budget.of(128 * MIB))).read(file)
    return file, parse_routes(text, file, names, buckets)


def _listed(outputs: Mapping[str, str], kind: str) -> tuple[str, ...]:
    """Return all source or destination buckets. An earlier release has one of each, and lists none."""
    listed = outputs.get(f"All{kind}BucketNames", "")
    if not listed and "AllSourceBucketNames" not in outputs:
        listed = outputs.get(f"{kind}BucketName", "")
    return tuple(filter(None, listed.split(",")))


def _output(name: str) -> str:
    """``source_bucket`` -> ``SourceBucketName``."""
    return "".join(word.title() for word in name.split("_")) + "Name"
