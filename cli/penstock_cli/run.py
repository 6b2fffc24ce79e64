"""`penstock run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from penstock.destinations import destination_named, find_destination
from penstock.model.route import ONCE_VERSION
from penstock.model.wording import counted
from penstock_cli.completion import complete_file
from penstock_cli.interrupt import interrupted_once
from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.output import echo
from penstock_cli.password_file import read_password
from penstock_cli.route_options import route_options
from penstock_cli.run_archive import run_archive
from penstock_cli.run_lines import tell_result
from penstock_cli.run_options import TableOptions, table_options

if TYPE_CHECKING:
    from penstock.model.job import Progress as Counts
    from penstock.model.route import Route
    from penstock.wiring.run import RunRequest
    from penstock_cli.progress import Progress

# The memory of the functions of a default stack, which gives them one vCPU.
MEMORY = 1769

# Standard output as a destination.
STDOUT = "-"

INTERRUPTED = {
    **dict.fromkeys(
        ("append", "upsert"),
        "complete chunks are in {target}. Run the same command again, without --again, to resume after them.",
    ),
    "staged": "nothing is visible in {target} yet. Run the same command again, without --again, to resume.",
    "items": "the items written to {target} stay. Run the same command again; writing an item twice changes nothing.",
    "files": "no file was added to {target}. Run the same command again.",
    "object": "nothing was written to {target}. Run the same command again.",
    "stdout": "standard output is incomplete.",
    "pipe": "complete chunks may be in {target}, and standard input cannot be read again.",
}


@click.command(
    epilog="""\b
Examples:
  penstock run sales.csv.gz --to sales.csv
  penstock run https://example.org/big.csv.zst --to s3://lake/raw/big.csv
  penstock run orders.csv.gz --to postgresql:orders --create --key order_id --mode upsert
  penstock run s3://lake/in/orders.csv.gz --routes routes.toml
  penstock run orders.csv.gz --to orders.parquet
  penstock run data.zip --to out/ --members '*.csv' --members '!__MACOSX/*'
  zcat *.gz | penstock run - --to postgresql:events --format jsonl --max-rejects 1%
"""
)
@click.argument("source", metavar="SRC", shell_complete=complete_file)
@click.option(
    "--to",
    default="",
    metavar="DST",
    shell_complete=complete_file,
    help="FILE, FOLDER/, s3://BUCKET/KEY, postgresql:TABLE, dynamodb:TABLE, iceberg:NAMESPACE.TABLE, parquet:FOLDER/, "
    "parquet:s3://BUCKET/PREFIX/, or - for standard output. FILE.parquet becomes a Parquet file.",
)
@route_options("A routes.toml that names the destination; also s3://.")
@table_options
@click.option("--dsn", default="", envvar="PENSTOCK_POSTGRES_DSN", show_envvar=True, help="The PostgreSQL database.")
@click.option(
    "--catalog",
    default="",
    envvar="PENSTOCK_ICEBERG_CATALOG",
    show_envvar=True,
    metavar="CATALOG",
    help="The catalog of Iceberg tables: glue, the ARN of an S3 table bucket, https://..., or sqlite:///FILE.",
)
@click.option(
    "--warehouse",
    default="",
    envvar="PENSTOCK_ICEBERG_WAREHOUSE",
    show_envvar=True,
    metavar="URI",
    help="Where new Iceberg tables lie: s3://BUCKET/PREFIX, or a folder for sqlite.",
)
@click.option("--again", is_flag=True, help="Repeat a load that is complete.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that lists rejected records.  [default: SRC.rejects.jsonl]",
)
@click.option(
    "--members",
    multiple=True,
    metavar="PATTERN",
    help="Members of an archive to deliver, such as '*.csv'; ! excludes. May be given several times: the last match "
    "decides.  [default: all]",
)
@click.option(
    "--on-member-failure",
    type=click.Choice(["continue", "fail"]),
    default="continue",
    show_default=True,
    help="Go on with the other members of an archive, or begin no more.",
)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="PENSTOCK_PASSWORD_FILE",
    show_envvar=True,
    help="File with the password of encrypted members.",
)
@click.option(
    "--memory", type=click.IntRange(128, 10_240), default=MEMORY, show_default=True, help="Memory limit in MB."
)
@aws_options
@output_options
def run(
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
    catalog: str,
    warehouse: str,
    again: bool,
    rejects: Path | None,
    members: tuple[str, ...],
    on_member_failure: Literal["continue", "fail"],
    password_file: Path | None,
    memory: int,
    aws: AwsOptions,
    output: OutputOptions,
) -> None:
    """Deliver SRC on this machine, without Lambda.

    SRC is a file, s3://BUCKET/KEY, any URI that smart_open reads, or - for standard input. It is decoded into a file or
    an object, or parsed, checked and loaded into a table. A file or an object appears complete or not at all. Standard
    output is complete if the exit code is 0; messages then go to stderr.

    An archive (.zip, .tar, .tar.gz, ...) whose DST is FOLDER/, s3://BUCKET/PREFIX/ or a table is delivered member by
    member. The exit code is 1 if some members failed; the others were delivered.

    An interrupted load into PostgreSQL resumes when the same command runs again. A complete load is not repeated.
    Rejected records are listed with row, offset and reason.
    """
    from penstock.wiring.api import prepare_run  # noqa: PLC0415  # imported only to run
    from penstock.wiring.run_archive import PreparedArchive  # noqa: PLC0415  # as above
    from penstock_cli.progress import Progress  # noqa: PLC0415  # as above

    if bool(to) == bool(routes_uri or stack):
        raise click.UsageError(
            "Give one destination: either --to DST, or --routes FILE or --stack NAME."
            if to
            else "Give a destination: --to DST, --routes FILE or --stack NAME."
        )
    if to and route_name:
        raise click.UsageError("--route needs --routes or --stack, not --to.")
    if not to and (given := table.given):
        raise click.UsageError(f"{given[0]} needs --to; with a route, the route sets it.")
    _check_connection(to)
    if to == STDOUT and output.as_json:
        raise click.UsageError("--json and --to - both need standard output.")
    if to == STDOUT and sys.stdout is None:
        raise click.UsageError("--to - needs standard output, which is closed.")
    with interrupted_once():
        prepared = click.get_current_context().with_resource(
            prepare_run(
                source,
                to=to,
                routes=routes_uri,
                route=route_name,
                stack=stack,
                as_key=as_key,
                codec=codec,
                dsn=dsn,
                catalog=catalog,
                warehouse=warehouse,
                again=again,
                rejects=rejects,
                members=members,
                on_member_failure=on_member_failure,
                password=read_password(password_file) if password_file else "",
                memory=memory,
                profile=aws.profile,
                region=aws.region,
                endpoint_url=aws.endpoint_url,
                **(table.options if to else {}),
            )
        )
        if isinstance(prepared, PreparedArchive):
            run_archive(prepared, output)
            return
        if _is_given("password_file"):
            raise click.UsageError("--password-file is for an archive that is taken apart, and SRC is none.")
        _tell_ignored(prepared.request.route)
        with Progress(quiet=output.quiet or output.as_json) as progress:
            try:
                result = prepared.run(_Progress(progress, prepared.request))
            except KeyboardInterrupt:
                progress.tell(_interrupted(prepared.request))
                raise
    tell_result(result, progress, output, to_stdout=to == STDOUT)


def _tell_ignored(route: Route) -> None:
    """Say that a run leaves its source as it is."""
    if route.after:
        echo(f"{route.name}: `after` is for jobs of a stack: the source stays as it is", err=True)
    if route.once != ONCE_VERSION:
        echo(f"{route.name}: `once` is for jobs of a stack: a run looks for no repeats", err=True)


def _is_given(option: str) -> bool:
    """Whether an option stands on the command line, and not only in the environment."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def _check_connection(to: str) -> None:
    """Raises UsageError for a database or a catalog of another destination."""
    found = find_destination(to)
    if to and _is_given("dsn") and not (found and found.takes_dsn):
        raise click.UsageError(f"--dsn is for a table of a database, but --to is {to}.")
    if to and _is_given("catalog") and not (found and found.commits_later):
        raise click.UsageError(f"--catalog is for an Iceberg table, but --to is {to}.")


class _Progress:
    """Shows the progress of the run."""

    def __init__(self, progress: Progress, request: RunRequest) -> None:
        self._bar = progress
        self._name = request.resolved.source.uri.rpartition("/")[2]
        self._done = 0
        progress.total = request.resolved.size
        progress.description = self._name

    def __call__(self, counts: Counts) -> None:
        if counts.rows:
            self._bar.description = f"{self._name} {counted(counts.rows, 'row')}"
        self._bar.add(counts.bytes_in - self._done)
        self._done = counts.bytes_in


def _interrupted(request: RunRequest) -> str:
    route, target = request.route, request.target
    table = route.plan.table if route.plan else None
    if route.plan is None:
        kind = "stdout" if route.destination == STDOUT else "object"
    elif destination_named(route.store).writes_files:
        kind = "files"
    elif not destination_named(route.store).has_ledger:
        kind = "items"
    elif request.resolved.source.uri == "standard input":
        kind = "pipe"
    else:
        kind = "staged" if table and table.staged else str(table.mode) if table else "append"
    return "Interrupted: " + INTERRUPTED[kind].format(target=target if isinstance(target, Path) else target.uri)
