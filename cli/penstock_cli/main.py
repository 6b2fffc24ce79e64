"""The `penstock` command. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running (status), 130 interrupted."""

from __future__ import annotations

import logging
import sys

import click

from penstock.errors import PenstockError
from penstock_cli.abort import abort
from penstock_cli.local import local
from penstock_cli.sync import sync
from penstock_cli.upload import upload
from penstock_cli.uploads import uploads

INTERRUPTED = 130


class Commands(click.Group):
    """Ends with one line and a hint where Penstock knows what is wrong, and quietly on Ctrl-C."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except PenstockError as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(f"{error}\n{error.hint}".strip()) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


@click.group(cls=Commands)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="penstock", message="%(prog)s %(version)s")
def main(debug: bool) -> None:  # noqa: ARG001  # Commands reads it from the context
    """Stream S3 objects of any size into a bucket, inside Lambda's limits."""
    _tell_progress()


def _tell_progress() -> None:
    """What takes a while is told on stderr, so that stdout holds the answer and nothing else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("penstock_local")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


for command in (local, upload, uploads, abort, sync):
    main.add_command(command)
