"""What `penstock explain` says about the members of an archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from penstock.codecs import IDENTITY
from penstock.model.wording import counted
from penstock_cli.params import human_size

if TYPE_CHECKING:
    from penstock.explain.archive_forecast import ArchiveForecast
    from penstock.wiring.explain_archive import ArchivePreview, MemberPreview


def archive_lines(archive: ArchivePreview) -> Iterator[str]:
    """Yield the counts, and a line for each listed entry: at most `penstock.wiring.explain_archive.LISTED`."""
    about = [f"under {archive.codec}"] if archive.codec not in ("", IDENTITY.name) else []
    about += [counted(archive.members, "member"), human_size(archive.size)]
    about += [f"{archive.skipped:,} skipped"] if archive.skipped else []
    about += [_encrypted(archive)] if archive.encrypted else []
    about += [] if archive.complete or archive.problem else ["more may follow: only the beginning was read"]
    yield f"  {archive.kind:<12} {', '.join(about)}"
    for count in archive.destinations:
        of = f"{counted(count.members, 'member')}, {human_size(count.size)}"
        yield f"  {'to':<12} {count.destination or 'the routes of its members'} (route {count.route}): {of}"
    for member in archive.listed:
        yield f"    {member.name}  {_described(member)}"
    more = archive.members + archive.skipped - len(archive.listed)
    if more:
        yield f"    and {more:,} more"
    for warning in archive.warnings:
        yield f"  {'warning':<12} {warning}"
    if archive.problem:
        yield f"  {'problem':<12} {archive.problem}"


def _encrypted(archive: ArchivePreview) -> str:
    where = f"password in the secret {archive.password_secret}" if archive.password_secret else "no password"
    return f"{archive.encrypted:,} encrypted ({where})"


def plan_lines(expected: ArchiveForecast) -> Iterator[tuple[str, str]]:
    """Yield the names and the texts of how the job of an archive would run, apart from its time and price."""
    if not expected.by_state_machine:
        yield "done by", "ingest, in one invocation"
        return
    yield "done by", f"the state machine, in {counted(expected.usage.invocations, 'invocation')}"
    if expected.batches:
        how = "one after another, so that the last row of a key wins" if expected.ordered else "side by side"
        batches = f"{expected.batches:,} {'batch' if expected.batches == 1 else 'batches'}"
        yield "batches", f"{batches} of {counted(expected.members - expected.large, 'member')}, {how}"
    if expected.large:
        spans = f", about {counted(expected.spans, 'span')}" if expected.spans else ""
        yield "large", f"{counted(expected.large, 'member')} with jobs of their own{spans}"


def _described(member: MemberPreview) -> str:
    known = [] if member.size is None else [human_size(member.size)]
    known += [member.codec] if member.codec not in ("", IDENTITY.name) else []
    known += [member.format] if member.format else []
    known += [f"encrypted ({member.encryption})"] if member.encryption else []
    where = f" -> {member.target} ({member.route})" if member.target else ""
    reason = f": {member.reason}" if member.reason else ""
    return f"({', '.join(known)}){where}{reason}" if known else f"skipped{reason}"
