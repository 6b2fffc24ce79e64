"""`penstock check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock_cli.check_text import as_json, lines_of
from penstock_cli.completion import complete_file
from penstock_cli.interrupt import interrupted_once
from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.output import echo, echo_json
from penstock_cli.route_options import route_options
from penstock_cli.run_options import TableOptions, table_options

if TYPE_CHECKING:
    from penstock.model.job import Progress as Counts
    from penstock_cli.progress import Progress

# The memory of the functions of a default stack.
MEMORY = 1769
# A table for a check without routes. It is not looked at.
NO_TABLE = "postgresql:records"
# Exit code of a source of which a load would fail, as that of `penstock run`.
FAILED = 1


@click.command(
    epilog="""\b
Examples:
  penstock check orders.csv.gz
  penstock check orders.csv.gz --routes routes.toml --as orders/2026/orders.csv.gz
  penstock check s3://lake/in/orders.csv --routes routes.toml --dsn postgresql://localhost/shop
  penstock check orders.csv --delimiter ';' --null NULL --json
"""
)
@click.argument("source", metavar="SRC", shell_complete=complete_file)
@click.option(
    "--to",
    default="",
    metavar="DST",
    help="postgresql:TABLE or dynamodb:TABLE, to check as for this table without a route.",
)
@route_options("A routes.toml whose route is tried; also s3://.")
@table_options
@click.option(
    "--dsn",
    default="",
    envvar="PENSTOCK_POSTGRES_DSN",
    show_envvar=True,
    help="The PostgreSQL database with the real table, which is only read.",
)
@click.option(
    "--limit", type=click.IntRange(min=0), default=10, show_default=True, help="Print the first rejects, up to this."
)
@click.option(
    "--memory", type=click.IntRange(128, 10_240), default=MEMORY, show_default=True, help="Memory limit in MB."
)
@aws_options
@output_options
def check(
    *,
    source: str,
    to: str,
    routes_uri: str,
    route_name: str,
    stack: str,
    as_key: str,
    codec: str,
    table: TableOptions,
    dsn: str,
    limit: int,
    memory: int,
    aws: AwsOptions,
    output: OutputOptions,
) -> None:
    """Parse and check all records of SRC as its route would, and load nothing.

    SRC is as for `penstock run`. The answer shows the rejects with row, byte offset, column and reason, the most
    frequent reasons, and of each column the share of nulls, the smallest and the largest value, and the number of
    distinct values (above 2,048 an estimate, within about 5 %).

    With --dsn and a route (or --to) to PostgreSQL, the real table is compared too: types, NOT NULL, lengths, ranges,
    rights, and rows of SRC that repeat a key of a unique index. What only the database can refuse is not seen: CHECK
    constraints, foreign keys, triggers, and rows that the table already has.

    The exit code is 1 if a load would fail: by an error, or by more rejects than the route allows.
    """
    from penstock.wiring.api import prepare_run  # noqa: PLC0415  # imported only to check
    from penstock.wiring.source_check import check_source  # noqa: PLC0415  # as above
    from penstock_cli.progress import Progress  # noqa: PLC0415  # as above

    has_routes = bool(routes_uri or stack)
    if has_routes and to:
        raise click.UsageError("Give --to DST, or --routes FILE or --stack NAME, not both.")
    if route_name and not has_routes:
        raise click.UsageError("--route needs --routes or --stack.")
    if has_routes and (given := table.given):
        raise click.UsageError(f"{given[0]} is not for routes: the route sets it.")
    with interrupted_once():
        prepared = click.get_current_context().with_resource(
            prepare_run(
                source,
                to="" if has_routes else to or NO_TABLE,
                routes=routes_uri,
                route=route_name,
                stack=stack,
                as_key=as_key,
                codec=codec,
                dsn=dsn if has_routes or to else "",
                memory=memory,
                profile=aws.profile,
                region=aws.region,
                endpoint_url=aws.endpoint_url,
                **({} if has_routes else table.options),
            )
        )
        with Progress(quiet=output.quiet or output.as_json) as progress:
            found = check_source(prepared, _Advance(progress), listed=limit)
    if output.as_json:
        echo_json(as_json(found))
    elif not output.quiet:
        echo(*lines_of(found))
    if found.passed_limit:
        click.get_current_context().exit(FAILED)


class _Advance:
    """Moves the bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def __call__(self, counts: Counts) -> None:
        self._progress.add(counts.bytes_in - self._done)
        self._done = counts.bytes_in
