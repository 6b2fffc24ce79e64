"""What a person's commands share: the routes of a file or of a stack, and what a stack's functions have."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.stack_outputs import read_stack_outputs
from penstock.aws.text_files import UriTexts
from penstock.explain.explanation import NAMES, StackEnvironment
from penstock.limits import MIB, MOST_WORKERS, Budget
from penstock.routes import Routes, parse_routes
from penstock.wiring.cli_clients import CliClients
from penstock.wiring.routes import packaged_routes

__all__ = ["CliClients", "StackEnvironment", "read_routes", "stack_environment"]


def stack_environment(clients: CliClients, stack: str = "", memory: int = 0) -> StackEnvironment:
    """Those of a stack, or the template's defaults; ``memory`` overrules."""
    if not stack:
        return StackEnvironment({name: name for name in NAMES}, memory=memory or 1769 * MIB)
    with cli_errors(f"cloudformation:DescribeStacks on {stack}", again=RUN_AGAIN):
        deployed = read_stack_outputs(clients.cloudformation(), stack)

    def number(name: str, default: int) -> int:
        return int(deployed.parameters.get(name) or default)

    outputs = {name: _output(name) for name in NAMES}
    return StackEnvironment(
        names={name: deployed.outputs.get(output, name) for name, output in outputs.items()},
        memory=memory or number("MemorySize", 1769) * MIB,
        timeout=number("Timeout", 900),
        workers=number("MapConcurrency", 0) or MOST_WORKERS,
        large_bytes=number("LargeBytes", 0),
        span_bytes=number("SpanBytes", 0),
        index_spacing=number("IndexSpacing", 0),
        routes_uri=deployed.parameters.get("RoutesUri", ""),
    )


def read_routes(clients: CliClients, uri: str, names: Mapping[str, str]) -> tuple[str, Routes]:
    """The routes of a file, a path or s3://; of the packaged one where ``uri`` is empty. Also answers which it was.

    Raises InvalidRouteError naming file, route and field, ConfigurationError where it cannot be read.
    """
    where = uri or str(packaged_routes())
    with cli_errors(f"s3:GetObject on {where}", again=RUN_AGAIN):
        text = UriTexts(lambda: clients.s3(Budget.of(128 * MIB))).read(where)
    return where, parse_routes(text, where, names)


def _output(name: str) -> str:
    """``source_bucket`` -> ``SourceBucketName``."""
    return "".join(word.title() for word in name.split("_")) + "Name"
