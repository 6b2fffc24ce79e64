"""The uploads of a command: one set of clients, which the end of the command closes."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from penstock_cli.options import AwsOptions

if TYPE_CHECKING:
    from penstock.wiring.upload import Transfers
    from penstock_cli.progress import Progress


def open_transfers(aws: AwsOptions, progress: Progress, *, threads: int = 1) -> Transfers:
    """Open uploads for the running command, with the states that this machine keeps."""
    from penstock.wiring.upload import Transfers, upload_states  # noqa: PLC0415  # imports boto3

    transfers = Transfers(
        progress,
        states=upload_states(),
        profile=aws.profile,
        region=aws.region,
        endpoint_url=aws.endpoint_url,
        threads=threads,
    )
    return click.get_current_context().with_resource(closing(transfers))
