"""The `penstock` command. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running (status), 130 interrupted."""

from __future__ import annotations

import atexit
import gc
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from penstock.errors import PenstockError
from penstock_cli.output import SafeFormatter, print_exception, safe
from penstock_local.errors import LocalStackError

INTERRUPTED = 130

# New containers between two garbage collections. Python's default is 700.
GC_THRESHOLD = 50_000

# Each is the function of that name in penstock_cli.NAME. It is imported when it is called, so that no command loads
# another one's libraries.
COMMANDS = (
    "abort",
    "backfill",
    "check",
    "connect",
    "doctor",
    "explain",
    "guess",
    "jobs",
    "ledger",
    "local",
    "redrive",
    "rejects",
    "report",
    "routes",
    "run",
    "status",
    "sync",
    "upload",
    "uploads",
    "watch",
)


class Commands(click.Group):
    """Prints known errors as one line and a hint, and ends quietly on Ctrl-C."""

    def __init__(self, *args: Any, named: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._named = named

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self._named])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._named:
            command: click.Command = getattr(import_module(f"penstock_cli.{cmd_name}"), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _escaped_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        try:
            with _escaped_errors():
                return super().invoke(ctx)
        except PenstockError as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException("\n".join(map(safe, _lines(error)))) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def _lines(error: PenstockError) -> list[str]:
    # Errors of the local stack end with the output of its tools.
    text = str(error).splitlines() if isinstance(error, LocalStackError) else [str(error)]
    return [line for line in (*text, *getattr(error, "__notes__", []), error.hint) if line]


@contextmanager
def _escaped_errors() -> Iterator[None]:
    """Escape click's own messages: they quote arguments, which may be names of files."""
    try:
        yield
    except click.ClickException as error:
        error.message = safe(error.message or "")
        raise


@click.group(cls=Commands, named=COMMANDS)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="penstock-aws", message="%(prog)s %(version)s")
def main(debug: bool) -> None:  # noqa: ARG001  # Commands reads it from the context
    """Stream S3 objects of any size into a bucket or a table, inside Lambda's limits."""
    # Without the freeze, the interpreter scans all objects before it ends: a fifth of the time of a short command.
    # Without the threshold, it scans them repeatedly while it loads modules and models: 20 ms of CPU a command.
    gc.set_threshold(GC_THRESHOLD)
    atexit.register(gc.freeze)
    sys.excepthook = print_exception
    _log_to_stderr()


def _log_to_stderr() -> None:
    """Log progress to stderr, so that stdout holds only the result."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SafeFormatter("%(message)s"))
    if logging.lastResort:
        logging.lastResort.setFormatter(SafeFormatter("%(message)s"))
    logger = logging.getLogger("penstock_local")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
