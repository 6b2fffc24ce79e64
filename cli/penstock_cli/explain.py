"""`penstock explain`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.limits import MIB
from penstock.model.column import Column
from penstock.model.parse_options import Format
from penstock.model.route import ONCE_CONTENT, ONCE_KEY, Route
from penstock_cli.completion import complete_file
from penstock_cli.explain_archive import archive_lines, plan_lines
from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.output import echo, echo_json
from penstock_cli.params import human_size
from penstock_cli.prices_option import prices_option
from penstock_cli.stacks import local_options, local_stack

if TYPE_CHECKING:
    from penstock.explain.costs import Usage
    from penstock.explain.explanation import Forecast
    from penstock.explain.prices import Prices
    from penstock.wiring.explain import Explanation

CENT = 0.01


@click.command(
    epilog="""\b
Examples:
  penstock explain s3://penstock-dev-source/in/orders.csv.gz --stack penstock-dev
  penstock explain orders.csv.gz --local
  penstock explain s3://lake/in/orders.csv.gz --routes my-routes.toml --memory 512
  penstock explain orders.csv.gz --routes my-routes.toml --as orders/2026/orders.csv.gz
"""
)
@click.argument("source", metavar="SRC", shell_complete=complete_file)
@click.option(
    "--routes", "routes_uri", default="", metavar="FILE", help="A routes.toml; also s3://.  [default: the packaged one]"
)
@click.option("--stack", default="", metavar="NAME", help="Use the names, routes and sizes of this deployed stack.")
@click.option("--as", "as_key", default="", metavar="KEY", help="Treat SRC as an object with this key.")
@click.option(
    "--memory",
    type=click.IntRange(128, 10_240),
    help="Memory of a function in MB.  [default: that of the stack, else 1769]",
)
@prices_option
@aws_options
@local_options
@output_options
def explain(
    *,
    source: str,
    routes_uri: str,
    stack: str,
    as_key: str,
    memory: int | None,
    local: bool,
    state_dir: Path | None,
    prices: Prices,
    aws: AwsOptions,
    output: OutputOptions,
) -> None:
    """Show what would happen to SRC, without changing anything.

    SRC is s3://BUCKET/KEY or a local file. The answer shows the matching route, the codec and the columns by the first
    bytes, the destination, whether one invocation or the state machine runs the job, the number of spans, the duration
    and the cost. Duration and cost are estimates for text, without storage and transfer. Of an archive, it shows the
    members, and where the routes lead them.
    """
    from penstock.wiring.explain import CliClients  # noqa: PLC0415  # boto3 is slow to import: not for --help
    from penstock.wiring.explain import explain as explain_with  # noqa: PLC0415  # as above

    clients = CliClients(aws.profile, aws.region, aws.endpoint_url)
    if local:
        from penstock_local.deploy import STACK_NAME  # noqa: PLC0415  # imported only for --local

        started = local_stack(state_dir)
        clients = CliClients("", started.region, started.endpoint, started.access_key_id, started.secret_access_key)
        stack = STACK_NAME
    with closing(clients):
        found = explain_with(clients, source, as_key=as_key, file=routes_uri, stack=stack, memory=(memory or 0) * MIB)
    if output.as_json:
        echo_json(_as_json(found, prices))
        return
    if output.quiet:
        return
    echo(f"{found.source.uri} ({human_size(found.source.size)})")
    for name, text in _lines(found, prices):
        echo(f"  {name:<12} {text}")
    if found.archive:
        echo(*archive_lines(found.archive))


def _lines(found: Explanation, prices: Prices) -> list[tuple[str, str]]:
    taken, target = found.match, found.target
    if taken is None or target is None:
        names = ", ".join(route.name for route in found.routes.routes)
        return [("route", f"none of {found.file} takes it ({names}): it would be recorded as skipped")]
    lines = [("route", f"{taken.route.name}, by {taken.pattern} of {found.file}")]
    if taken.before:
        lines.append(("not by", "; ".join(f"{route.name} ({' '.join(route.match)})" for route in taken.before)))
    lines += [("codec", found.preview.codec)] if found.preview.codec else []
    lines.append(("destination", "that of each member" if taken.route.takes_apart else target.uri))
    lines += _table_lines(found)
    if found.forecast:
        lines += _forecast_lines(found, found.forecast, prices)
    if found.archive and found.archive.forecast:
        expected = found.archive.forecast
        lines += [*plan_lines(expected), *_price_lines(expected.seconds, expected.usage, prices)]
    lines += [("warning", warning) for warning in found.preview.warnings]
    return [*lines, *(("problem", problem) for problem in _problems(found))]


def _problems(found: Explanation) -> list[str]:
    """That of an archive stands below its members."""
    return [problem for problem in found.problems if not found.archive or problem != found.archive.problem]


def _table_lines(found: Explanation) -> list[tuple[str, str]]:
    plan = found.preview.plan
    if plan is None:
        return []
    lines = [("records", str(plan.parse.format))] if plan.parse.format is not Format.AUTO else []
    tables = [plan.table] if plan.table else list(plan.choice.tables.values()) if plan.choice else []
    for table in tables:
        by = f" by {', '.join(table.key)}" if table.key else ""
        made = ", made where it is missing" if table.create and not table.guessed else ""
        lines.append(("table", f"{table.name}: {table.mode}{by}{made}"))
        columns = ", ".join(_column(column) for column in table.columns)
        lines.append(("columns", columns or "inferred when it is loaded"))
    return lines


def _column(column: Column) -> str:
    return f"{column.name} {column.declared_type}{'' if column.nullable else ' not null'}"


def _forecast_lines(found: Explanation, expected: Forecast, prices: Prices) -> list[tuple[str, str]]:
    memory = f"{found.environment.memory // MIB:,} MB"
    alone = f"one invocation of {memory} would take about {_duration(expected.single_seconds)}"
    lines = [("done by", f"the state machine: {alone}" if expected.by_state_machine else f"ingest: {alone}")]
    if expected.by_state_machine:
        lines.append(("spans", _spans(found, expected)))
    if found.match and (repeats := _repeats(found.match.route, found.preview.checksum)):
        lines.append(("repeats", repeats))
    lines.append(("decoded", f"about {human_size(expected.decoded)}, were it text"))
    return [*lines, *_price_lines(expected.seconds, expected.usage, prices)]


def _repeats(route: Route, checksum: str) -> str:
    if route.once == ONCE_KEY:
        return "found by key"
    if route.once != ONCE_CONTENT:
        return ""
    return (
        f"found by content: S3 has its CRC64NVME, {checksum}"
        if checksum
        else ("found by content: all of it is read once more before the first row, because S3 has no CRC64NVME of it")
    )


def _price_lines(seconds: float, usage: Usage, prices: Prices) -> list[tuple[str, str]]:
    return [
        ("time", f"about {_duration(seconds)}"),
        ("cost", f"about {_dollars(usage.dollars(prices))} ({prices.name})"),
    ]


def _spans(found: Explanation, expected: Forecast) -> str:
    if not expected.spans:
        return "the source cannot be split: one worker processes all of it"
    how = (
        "one after another, so that the last row of a key wins"
        if expected.ordered
        else f"{found.environment.workers} at once"
    )
    return f"about {expected.spans:,} of {human_size(expected.span_bytes)}, {how}"


def _dollars(each: float) -> str:
    """Format a price; below one cent, that of a thousand jobs."""
    return f"{each:,.2f} dollars" if each >= CENT else f"{each * 1000:,.2f} dollars for a thousand like it"


def _duration(seconds: float) -> str:
    hours, rest = divmod(max(1, round(seconds)), 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _as_json(found: Explanation, prices: Prices) -> dict[str, object]:
    plan = found.preview.plan
    tables = [plan.table] if plan and plan.table else list(plan.choice.tables.values()) if plan and plan.choice else []
    expected = found.forecast
    of_archive = found.archive.forecast if found.archive else None
    either = expected or of_archive
    return {
        "source": found.source.uri,
        "size": found.source.size,
        "routes": found.file,
        "route": found.match.route.name if found.match else None,
        "pattern": found.match.pattern if found.match else None,
        "not_by": [route.name for route in found.match.before]
        if found.match
        else [route.name for route in found.routes.routes],
        "target": found.target.uri if found.target else None,
        "codec": found.preview.codec or None,
        "format": plan.parse.format if plan else None,
        "tables": [
            {
                "name": table.name,
                "mode": table.mode,
                "key": table.key,
                "columns": [{"name": c.name, "type": c.type, "nullable": c.nullable} for c in table.columns],
            }
            for table in tables
        ],
        "memory": found.environment.memory,
        "machine": either.by_state_machine if either else None,
        "spans": either.spans if either else None,
        "span_bytes": expected.span_bytes if expected else None,
        "index_invocations": expected.index_invocations if expected else None,
        "decoded_bytes": expected.decoded if expected else None,
        "seconds": round(either.seconds, 1) if either else None,
        "lambda_seconds": round(either.usage.seconds, 1) if either else None,
        "invocations": either.usage.invocations if either else None,
        "dollars": either.usage.dollars(prices) if either else None,
        "prices": prices.name,
        "warnings": found.preview.warnings,
        "problems": found.problems,
        "archive": asdict(found.archive) if found.archive else None,
    }
