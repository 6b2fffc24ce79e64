"""`penstock rejects --as-source`: write rejects to a file or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from penstock.errors import FileError, UnknownJobError
from penstock.model.wording import counted
from penstock_cli.output import echo

if TYPE_CHECKING:
    from penstock.model.job_status import JobStatus
    from penstock.model.record import Reject
    from penstock_cli.stacks import StackOptions

# The records that are named if they could not be written.
NAMED = 20
INCOMPLETE = 1


def write_as_source(
    rejects: Iterable[Reject], found: JobStatus, output: Path | None, stack: StackOptions, *, routes_uri: str, copy: str
) -> None:
    """Write the records. The exit code is 1 if some could not be written whole."""
    from penstock.wiring.source_form import source_form  # noqa: PLC0415  # imported only for --as-source

    if found.is_archive:
        raise UnknownJobError(
            f"job {found.job_id} takes an archive apart: its members have no common form",
            hint="Take a member out, and check it: penstock check FILE",
        )
    clients, name = stack.clients()
    form = source_form(clients, name, found, routes=routes_uri, copy=copy)
    pieces = form.pieces(rejects)
    first = next(pieces, b"")  # the errors of the source come before the file
    with _file(output) as file:
        file.write(first)
        for piece in pieces:
            file.write(piece)
    echo(f"{counted(form.count, 'record')} in {output or 'standard output'}", err=True)
    for at in form.missing[:NAMED]:
        byte = f" (byte {at.offset:,})" if at.offset >= 0 else ""
        echo(f"not written: row {at.row:,}{byte}, which is not whole in the rejects", err=True)
    if len(form.missing) > NAMED:
        echo(f"... and {len(form.missing) - NAMED:,} more", err=True)
    if form.missing:
        echo("Give a copy of the source: --source FILE", err=True)
        click.get_current_context().exit(INCOMPLETE)


@contextmanager
def _file(output: Path | None) -> Iterator[BinaryIO]:
    try:
        if output is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        else:
            with output.open("wb") as file:
                yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"{output or 'standard output'}: {error.strerror}") from error
