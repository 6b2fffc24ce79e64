"""`penstock run` of an archive: a line for each member, and a summary."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from penstock.model.wording import counted
from penstock_cli.output import echo_json
from penstock_cli.params import human_size
from penstock_cli.progress import Progress
from penstock_cli.run_lines import as_json, line_of

if TYPE_CHECKING:
    from penstock.model.job import Progress as Counts
    from penstock.wiring.archive_result import ArchiveResult, MemberResult
    from penstock.wiring.run import RunResult
    from penstock.wiring.run_archive import PreparedArchive
    from penstock_cli.options import OutputOptions

# Skipped entries that are shown. The summary counts all of them.
SHOWN = 20

INTERRUPTED = "Interrupted: {0:,} members are delivered, and nothing is partial. Run the same command again."


def run_archive(prepared: PreparedArchive, output: OutputOptions) -> None:
    """Deliver the members of an archive, and exit with 1 if some of them failed."""
    with Progress(quiet=output.quiet or output.as_json) as progress:
        told = _Told(progress, keep=output.as_json)
        progress.description = prepared.archive.source.uri.rpartition("/")[2]
        try:
            survey = prepared.survey()
            progress.total = survey.size
            total = prepared.run(survey, told.progress, told.member)
        except KeyboardInterrupt:
            progress.tell(INTERRUPTED.format(told.delivered))
            raise
    if output.as_json:
        echo_json(_as_json(total) | told.kept)
    else:
        if total.skipped > SHOWN:
            progress.tell(f"skipped: {total.skipped - SHOWN:,} more")
        progress.say(_summary(total))
    if total.failed:
        click.get_current_context().exit(1)


class _Told:
    """Tells what becomes of each member; with ``keep``, collects it for one JSON object."""

    def __init__(self, progress: Progress, *, keep: bool) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {"members": [], "failed": [], "skipped": []} if keep else {}
        self.delivered = 0
        self._progress = progress
        self._done = 0
        self._skipped = 0

    def progress(self, counts: Counts) -> None:
        self._progress.add(counts.bytes_in - self._done)
        self._done = counts.bytes_in

    def member(self, member: MemberResult) -> None:
        self.delivered += member.result is not None
        if self.kept:
            self._keep(member)
        elif member.result:
            self._tell(member.name, member.result)
        elif member.error:
            notes = getattr(member.error, "__notes__", [])
            for line in (f"failed: {member.name}: {member.error}", *notes, member.error.hint):
                if line:
                    self._progress.tell(line)
        elif not member.name:
            self._progress.tell(f"warning: {member.skipped}")
        elif member.is_loss:
            self._skipped += 1
            if self._skipped <= SHOWN:
                self._progress.tell(f"skipped: {member.name}: {member.skipped}")

    def _tell(self, name: str, result: RunResult) -> None:
        for change in result.receipt.changes:
            self._progress.tell(f"changed: {name}: {change.text}")
        for warning in result.receipt.warnings:
            self._progress.tell(f"warning: {name}: {warning}")
        self._progress.say(line_of(result))

    def _keep(self, member: MemberResult) -> None:
        about = {"member": member.name, "number": member.number}
        if member.result:
            self.kept["members"].append(about | as_json(member.result))
        elif member.error:
            self.kept["failed"].append(about | {"error": str(member.error), "hint": member.error.hint})
        else:
            self.kept["skipped"].append(about | {"reason": member.skipped})


def _summary(total: ArchiveResult) -> str:
    about = [counted(total.delivered, "member"), human_size(total.bytes_out)]
    if ":" in total.target and not total.target.startswith("s3://"):
        about.append(counted(total.rows, "row"))
    counts = {
        "already loaded": total.already,
        "rejected": total.rejects,
        "failed": total.failed,
        "skipped": total.skipped,
        "left out": total.left_out,
    }
    about += [f"{count:,} {what}" for what, count in counts.items() if count]
    about += ["stopped after the failed member"] if total.stopped else []
    speed = total.bytes_out / total.seconds if total.seconds else 0
    about.append(f"{total.seconds:.1f} s, {human_size(int(speed))}/s")
    return f"run: {total.source} to {total.target} ({', '.join(about)})"


def _as_json(total: ArchiveResult) -> dict[str, Any]:
    return {
        "source": total.source,
        "target": total.target,
        "archive": total.kind,
        "codec": total.codec,
        "bytes_in": total.size,
        "bytes_out": total.bytes_out,
        "rows": total.rows,
        "rejects": total.rejects,
        "left_out": total.left_out,
        "counts": asdict(total.counts),
        "stopped": total.stopped,
        "seconds": round(total.seconds, 3),
    }
