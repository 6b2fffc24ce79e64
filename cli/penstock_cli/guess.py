"""`penstock guess`."""

from __future__ import annotations

from contextlib import closing

import click

from penstock_cli.completion import complete_file
from penstock_cli.interrupt import interrupted_once
from penstock_cli.options import AwsOptions, aws_options
from penstock_cli.output import echo_document
from penstock_cli.params import Size

MIB = 1024 * 1024
MEMORY = 1769 * MIB
SAMPLE = "8 MiB"


@click.command(
    epilog="""\b
Examples:
  penstock guess orders.csv.gz > routes.toml
  penstock check orders.csv.gz --routes routes.toml
  penstock guess s3://lake/in/orders.csv --sample 64MiB
  penstock guess orders.csv --all
"""
)
@click.argument("source", metavar="SRC", shell_complete=complete_file)
@click.option("--as", "as_key", default="", metavar="KEY", help="Treat SRC as an object with this key.")
@click.option(
    "--sample", type=Size(), default=SAMPLE, show_default=True, metavar="SIZE", help="Decoded bytes to guess by."
)
@click.option("--all", "read_all", is_flag=True, help="Then try the guess on all of SRC, and correct its types.")
@aws_options
def guess(*, source: str, as_key: str, sample: int, read_all: bool, aws: AwsOptions) -> None:
    """Print a route for SRC: a routes file, with the evidence as comments.

    SRC is as for `penstock run`. Guessed are the encoding, the delimiter, quotes and escapes, lines to skip, comments,
    the header, the types of the columns with formats of dates and numbers, words for null, and candidates for a key.
    What is undecided is said in a comment, and read as text. Values of what was read are not rejected because of the
    guess: try the rest with `penstock check`.
    """
    from penstock.wiring.guess import guess_route  # noqa: PLC0415  # imported only to guess
    from penstock.wiring.run import CliClients, Runner  # noqa: PLC0415  # as above

    with interrupted_once(), closing(CliClients(aws.profile, aws.region, aws.endpoint_url)) as clients:
        found = guess_route(Runner(clients, MEMORY), source, as_key=as_key, sample=sample, read_all=read_all)
    echo_document(found.text)
