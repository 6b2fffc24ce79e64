"""`penstock uploads`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from penstock.model.object import Target
from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.output import Safe, echo, echo_json
from penstock_cli.params import S3_URI, human_age
from penstock_cli.table import aligned
from penstock_cli.transfers import open_transfers

if TYPE_CHECKING:
    from penstock.wiring.upload import Known


@click.command()
@click.argument("below", type=S3_URI, required=False, metavar="[s3://BUCKET/PREFIX]")
@aws_options
@output_options
def uploads(below: Target | None, aws: AwsOptions, output: OutputOptions) -> None:
    """List unfinished uploads: those started on this machine and, with a URI, those that S3 lists.

    S3 charges for their parts until they are completed or aborted.

    \b
      penstock uploads
      penstock uploads s3://lake/incoming/
    """
    from penstock.upload.unfinished import merge  # noqa: PLC0415  # boto3 takes longer to import than --help may
    from penstock.wiring.upload import upload_records, upload_states  # noqa: PLC0415
    from penstock_cli.progress import Progress  # noqa: PLC0415

    records = upload_records(upload_states())
    if below:
        transfers = open_transfers(aws, Progress(quiet=True))
        known = transfers.unfinished(below)
    else:
        known = merge([], list(records.states.values()), time.time())
    if output.as_json:
        echo_json({"uploads": [as_json(upload) for upload in known], "unreadable": sorted(records.unreadable.values())})
        return
    for line in records.unreadable.values():
        echo(f"warning: {line}", err=True)
    if not output.quiet:
        echo(*(_table(known) if known else ["No unfinished uploads."]))


def as_json(known: Known) -> dict[str, object]:
    """Return an upload as JSON. ``age`` is in seconds; ``listed``: S3 lists it."""
    return {
        "target": known.target.uri,
        "upload_id": known.id,
        "age": round(known.age),
        "source": known.state.source if known.state else None,
        "listed": known.listed,
    }


def _table(known: Sequence[Known]) -> list[Safe]:
    rows = [("age", "destination", "from", "upload id")]
    rows += [
        (
            human_age(upload.age),
            upload.target.uri,
            upload.state.source if upload.state else "(another machine)",
            upload.id,
        )
        for upload in known
    ]
    return aligned(rows)
