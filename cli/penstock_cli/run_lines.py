"""What `penstock run` says about a result: a line, or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.wording import counted
from penstock_cli.output import echo_json
from penstock_cli.params import human_size

if TYPE_CHECKING:
    from penstock.wiring.run import RunResult
    from penstock_cli.options import OutputOptions
    from penstock_cli.progress import Progress


def tell_result(result: RunResult, progress: Progress, output: OutputOptions, *, to_stdout: bool) -> None:
    """Print the warnings and the line of a result, or its JSON."""
    if output.as_json:
        echo_json(as_json(result))
        return
    say = progress.tell if to_stdout else progress.say
    for change in result.receipt.changes:
        progress.tell(f"changed: {change.text}")
    for warning in result.receipt.warnings:
        progress.tell(f"warning: {warning}")
    say(line_of(result))


def line_of(result: RunResult) -> str:
    """Return what was delivered, from where to where, and how fast."""
    receipt = result.receipt
    if result.already:
        rows = counted(receipt.rows, "row")
        return f"{result.source} is already loaded into {result.target} ({rows}). To repeat it, use --again."
    speed = receipt.bytes_out / result.seconds if result.seconds else 0
    about = [f"{human_size(receipt.bytes_in)} of {receipt.codec}"] if receipt.codec != "identity" else []
    about.append(human_size(receipt.bytes_out))
    if ":" in result.target and not result.target.startswith("s3://"):
        about.append(counted(receipt.rows, "row"))
    if result.before:
        about.append(f"{result.before:,} of them loaded before")
    if receipt.rejects:
        about.append(f"{receipt.rejects:,} rejected")
    if receipt.dropped:
        about.append(f"{receipt.dropped:,} dropped by the database")
    about.append(f"{result.seconds:.1f} s, {human_size(int(speed))}/s")
    return f"run: {result.source} to {result.target} ({', '.join(about)})"


def as_json(result: RunResult) -> dict[str, object]:
    """Return a result as a value for `json`."""
    receipt = result.receipt
    return {
        "source": result.source,
        "target": result.target,
        "codec": receipt.codec,
        "bytes_in": receipt.bytes_in,
        "bytes_out": receipt.bytes_out,
        "crc32": f"{receipt.crc32:08x}",
        "parts": receipt.parts,
        "etag": receipt.etag,
        "version_id": receipt.version_id,
        "rows": receipt.rows,
        "rows_before": result.before,
        "already": result.already,
        "rejects": receipt.rejects,
        "dropped": receipt.dropped,
        "rejects_file": result.rejects or None,
        "changes": [change.text for change in receipt.changes],
        "warnings": receipt.warnings,
        "seconds": round(result.seconds, 3),
    }
