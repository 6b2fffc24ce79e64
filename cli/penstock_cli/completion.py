"""Shell completion of files, codecs and ids of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_cli.stacks import StackOptions

# Seconds: completion lists the jobs of the last day.
RECENT = 86_400.0
MOST = 50


def complete_file(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file. A URI is not completed."""
    return [] if "://" in incomplete else [CompletionItem(incomplete, type="file")]


def complete_codec(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of codecs."""
    from penstock.codecs import CODECS  # noqa: PLC0415  # imported only to complete

    names = sorted({"auto", "identity", *CODECS})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_job(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ids of jobs that are unfinished or ended within a day; none if the stack cannot be reached."""
    from penstock.errors import PenstockError  # noqa: PLC0415  # as above

    try:
        found = _stack(ctx).operations().recent(within=RECENT)
    except PenstockError:
        return []
    return [CompletionItem(job_id) for job_id in found if job_id.startswith(incomplete)][:MOST]


def _stack(ctx: click.Context) -> StackOptions:
    """Return the stack by the options before the cursor. Missing options are None or have their defaults."""
    from penstock_cli.options import AwsOptions  # noqa: PLC0415  # as above
    from penstock_cli.stacks import DEFAULT_STACK, StackOptions  # noqa: PLC0415

    given = ctx.params
    state_dir: Path | None = given.get("state_dir")
    aws = AwsOptions(*(given.get(name) or "" for name in ("profile", "region", "endpoint_url")))
    return StackOptions(given.get("stack") or DEFAULT_STACK, bool(given.get("local") or state_dir), state_dir, aws)
