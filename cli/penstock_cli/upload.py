"""`penstock upload`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.model.object import Target
from penstock_cli.completion import complete_file
from penstock_cli.interrupt import interrupted_once
from penstock_cli.options import AwsOptions, OutputOptions, aws_options, output_options
from penstock_cli.output import echo, echo_json
from penstock_cli.params import S3_URI, SIZE, human_size
from penstock_cli.transfers import open_transfers
from penstock_local.interrupt import sigterm_exits

if TYPE_CHECKING:
    from penstock.wiring.upload import Transfers, UploadResult
    from penstock_cli.progress import Progress

PIPE = "-"
# The default of the aws command. Fewer threads are slower if the network limits each connection.
THREADS = 10

INTERRUPTED = "Interrupted: the parts sent are kept. Run the same command again to resume."
PIPE_INTERRUPTED = (
    "Interrupted: no object was created, and standard input cannot be read again. Start from the beginning."
)


@dataclass(frozen=True, slots=True)
class _Options:
    """The options of one command."""

    state: Path | None
    part_size: int
    restart: bool
    dry_run: bool


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_file)
@click.argument("destination", type=S3_URI, metavar="s3://BUCKET/KEY")
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=THREADS,
    show_default=True,
    help="Number of parts sent in parallel.",
)
@click.option(
    "--part-size",
    type=SIZE,
    default=0,
    metavar="SIZE",
    help="Size of each part, 5MiB or more.  [default: chosen by the size of the file]",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that remembers the upload until it is complete.  [default: in the user's data directory]",
)
@click.option("--restart", is_flag=True, help="Discard the parts sent before and start from the beginning.")
@click.option("--dry-run", is_flag=True, help="Show what would be uploaded, without uploading it.")
@aws_options
@output_options
def upload(
    *,
    files: tuple[str, ...],
    destination: Target,
    threads: int,
    part_size: int,
    state: Path | None,
    restart: bool,
    dry_run: bool,
    aws: AwsOptions,
    output: OutputOptions,
) -> None:
    """Upload files to S3, in parts and in parallel.

    After an interruption, the same command resumes the upload: parts that S3 has are not sent again.
    If the destination is a bucket or ends in /, the files keep their names. FILE may be - for standard input.

    \b
      penstock upload big.csv.gz s3://lake/incoming/
      penstock upload a.csv b.csv s3://lake/incoming/
      pg_dump shop | penstock upload - s3://backups/shop.sql
    """
    destinations = _destinations(files, destination, state)
    options = _Options(state, part_size, restart, dry_run)
    with interrupted_once(), sigterm_exits():
        try:
            _upload(destinations, options, threads, aws, output)
        except KeyboardInterrupt:
            echo(PIPE_INTERRUPTED if files == (PIPE,) else INTERRUPTED, err=True)
            raise


def _destinations(files: Sequence[str], destination: Target, state: Path | None) -> list[tuple[str, Target]]:
    """Return each file with its destination. Raises UsageError for options that contradict each other."""
    folder = not destination.key or destination.key.endswith("/")
    if PIPE in files and (len(files) > 1 or folder):
        raise click.UsageError("Standard input needs a complete key, and no other file: upload - s3://bucket/key")
    if len(files) > 1 and not folder:
        raise click.UsageError(f"Several files need a destination that ends in /, not {destination.uri}")
    if len(files) > 1 and state:
        raise click.UsageError("--state can only be used with one file.")
    destinations = [(file, _named(file, destination) if folder else destination) for file in files]
    targets = [target for _, target in destinations]
    if repeated := next((target for target in targets if targets.count(target) > 1), None):
        raise click.UsageError(f"Two files have the same destination: {repeated.uri}")
    return destinations


def _named(file: str, folder: Target) -> Target:
    # Links are not resolved, so that the user recognises the name; "." and ".." are.
    name = os.path.basename(os.path.abspath(file))  # noqa: PTH100, PTH119  # pathlib would resolve or leave ".."
    return Target(folder.bucket, folder.key + name)


def _upload(
    destinations: Sequence[tuple[str, Target]], options: _Options, threads: int, aws: AwsOptions, output: OutputOptions
) -> None:
    from penstock_cli.progress import Progress  # noqa: PLC0415  # rich takes longer to import than --help may

    progress = Progress(quiet=output.quiet)
    transfers = open_transfers(aws, progress, threads=threads)
    if destinations[0][0] == PIPE:
        _send_pipe(transfers, progress, destinations[0][1], options, output)
        return
    plans = [transfers.plan(Path(file), target, part_size=options.part_size) for file, target in destinations]
    if options.dry_run:
        for file, target in destinations:
            again = not options.restart and (options.state or transfers.state_of(Path(file), target)).exists()
            _say(f"(dryrun) upload: {file} to {target.uri}{', resuming' if again else ''}", output)
        _print_json({"dry_run": True, "uploads": _planned(destinations, [plan.size for plan in plans])}, output)
        return
    done = []
    with progress:
        progress.total = sum(plan.size for plan in plans)
        for file, target in destinations:
            progress.description = Path(file).name
            sent = transfers.send(
                Path(file),
                target,
                state=options.state,
                part_size=options.part_size,
                restart=options.restart,
                one_of_several=len(destinations) > 1,
            )
            done.append(_as_json(file, sent))
            if not output.as_json and not output.quiet:
                progress.say(_line(file, sent))
    transfers.forget()
    _print_json({"uploads": done}, output)


def _send_pipe(
    transfers: Transfers, progress: Progress, target: Target, options: _Options, output: OutputOptions
) -> None:
    if options.dry_run:
        _say(f"(dryrun) upload: - to {target.uri}", output)
        _print_json({"dry_run": True, "uploads": _planned([(PIPE, target)], [None])}, output)
        return
    with progress:
        progress.description = "standard input"
        progress.tell("Standard input cannot be read twice: this upload cannot be resumed if it is interrupted.")
        sent = transfers.send_pipe(stdin_descriptor(), target, part_size=options.part_size)
    _say(_line(PIPE, sent), output)
    _print_json({"uploads": [_as_json(PIPE, sent)]}, output)


def stdin_descriptor() -> int:
    """Return the descriptor of stdin. A thread left waiting on Python's buffer would block the exit."""
    return sys.stdin.fileno()


def _line(file: str, sent: UploadResult) -> str:
    about = [human_size(sent.size)]
    if sent.parts:
        about.append(f"{sent.parts} parts")
    if sent.kept or (sent.size and not sent.sent):
        about.append(f"{human_size(sent.size - sent.sent)} already uploaded")
    return f"upload: {file} to {sent.target.uri} ({', '.join(about)})"


def _as_json(file: str, sent: UploadResult) -> dict[str, object]:
    return {
        "source": file,
        "target": sent.target.uri,
        "size": sent.size,
        "sent": sent.sent,
        "parts": sent.parts,
        "kept_parts": sent.kept,
        "etag": sent.etag,
        "version_id": sent.version_id,
        "crc32": None if sent.crc32 is None else f"{sent.crc32:08x}",
    }


def _planned(destinations: Sequence[tuple[str, Target]], sizes: Sequence[int | None]) -> list[dict[str, object]]:
    return [
        {"source": file, "target": target.uri, "size": size}
        for (file, target), size in zip(destinations, sizes, strict=True)
    ]


def _say(line: str, output: OutputOptions) -> None:
    if not output.quiet and not output.as_json:
        echo(line)


def _print_json(answer: object, output: OutputOptions) -> None:
    if output.as_json:
        echo_json(answer)
