"""What `penstock explain` says about the members of an archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from penstock.codecs import IDENTITY
from penstock.model.wording import counted
from penstock_cli.params import human_size

if TYPE_CHECKING:
    from penstock.wiring.explain_archive import ArchivePreview, MemberPreview


def archive_lines(archive: ArchivePreview) -> Iterator[str]:
    """Yield the counts, and a line for each listed entry: at most `penstock.wiring.explain_archive.LISTED`."""
    about = [f"under {archive.codec}"] if archive.codec not in ("", IDENTITY.name) else []
    about += [counted(archive.members, "member"), human_size(archive.size)]
    about += [f"{archive.skipped:,} skipped"] if archive.skipped else []
    about += [_encrypted(archive)] if archive.encrypted else []
    about += [] if archive.complete or archive.problem else ["more may follow: only the beginning was read"]
    yield f"  {archive.kind:<12} {', '.join(about)}"
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


def _described(member: MemberPreview) -> str:
    known = [] if member.size is None else [human_size(member.size)]
    known += [member.codec] if member.codec not in ("", IDENTITY.name) else []
    known += [member.format] if member.format else []
    known += [f"encrypted ({member.encryption})"] if member.encryption else []
    where = f" -> {member.target} ({member.route})" if member.target else ""
    reason = f": {member.reason}" if member.reason else ""
    return f"({', '.join(known)}){where}{reason}" if known else f"skipped{reason}"
