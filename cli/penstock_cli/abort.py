"""`penstock abort`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.errors import UploadInProgressError
from penstock.model.object import Target
from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.output import echo, echo_json
from penstock_cli.params import AGE, S3_URI, human_age
from penstock_cli.transfers import open_transfers
from penstock_cli.uploads import as_json

if TYPE_CHECKING:
    from penstock.wiring.upload import Known, Transfers


@click.command()
@click.argument("target", type=S3_URI, metavar="s3://BUCKET/KEY")
@click.option("--upload-id", default="", metavar="ID", help="Id of the upload, if several have the same key.")
@click.option(
    "--older-than",
    type=AGE,
    metavar="AGE",
    help="Abort all uploads under this prefix that are older, such as 12h or 7d.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be aborted, without aborting it.")
@aws_options
@output_options
def abort(
    *, target: Target, upload_id: str, older_than: float | None, dry_run: bool, aws: AwsOptions, output: OutputOptions
) -> None:
    """Abort an unfinished upload, or all that are older than an age. S3 deletes their parts.

    \b
      penstock abort s3://lake/incoming/big.csv.gz
      penstock abort --older-than 7d s3://lake/incoming/
    """
    from penstock_cli.progress import Progress  # noqa: PLC0415  # rich takes longer to import than --help may

    if upload_id and older_than is not None:
        raise click.UsageError("--upload-id and --older-than exclude each other: give only one of them.")
    if not target.key and older_than is None:
        raise click.UsageError("To abort every upload of a bucket, add --older-than 0s.")
    transfers = open_transfers(aws, Progress(quiet=True))
    if older_than is None:
        chosen = [transfers.find(target, upload_id)]
    else:
        chosen = [known for known in transfers.unfinished(target) if known.age >= older_than]
    ended = []
    for known in chosen:
        if not dry_run and not _end(transfers, known, skip_busy=older_than is not None):
            continue
        ended.append(known)
        if not output.quiet and not output.as_json:
            echo(f"{'(dryrun) ' if dry_run else ''}abort: {known.target.uri} {known.id} ({human_age(known.age)} old)")
    if output.as_json:
        echo_json({"dry_run": dry_run, "aborted": [as_json(known) for known in ended]})
    elif not ended and not output.quiet:
        echo("No unfinished uploads.")


def _end(transfers: Transfers, known: Known, *, skip_busy: bool) -> bool:
    """Abort an upload; False if it is skipped because a local process works on it."""
    try:
        transfers.abort(known)
    except UploadInProgressError as error:
        if not skip_busy:
            raise
        echo(f"skipped: {error}", err=True)
        return False
    return True
