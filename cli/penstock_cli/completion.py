"""What the shell completes: names of files, codecs and ids of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_cli.stacks import StackOptions

# Seconds: who has pressed Tab means a job of today.
RECENT = 86_400.0
MOST = 50


def complete_file(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A name of a file, by the shell; of a URI nothing."""
    return [] if "://" in incomplete else [CompletionItem(incomplete, type="file")]


def complete_codec(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Of those that `run` can be told to use."""
    from penstock.codecs import CODECS  # noqa: PLC0415  # only who presses Tab

    names = sorted({"auto", "identity", *CODECS})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_job(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """An id of a job that is unfinished or has ended within a day; none where the stack cannot be asked."""
    from penstock.errors import PenstockError  # noqa: PLC0415  # as above

    try:
        found = _stack(ctx).operations().recent(within=RECENT)
    except PenstockError:
        return []
    return [CompletionItem(job_id) for job_id in found if job_id.startswith(incomplete)][:MOST]


def _stack(ctx: click.Context) -> StackOptions:
    """By the options before the cursor, of which those that were not given are None or their defaults."""
    from penstock_cli.options import AwsOptions  # noqa: PLC0415  # as above
    from penstock_cli.stacks import DEFAULT_STACK, StackOptions  # noqa: PLC0415

    given = ctx.params
    state_dir: Path | None = given.get("state_dir")
    aws = AwsOptions(*(given.get(name) or "" for name in ("profile", "region", "endpoint_url")))
    return StackOptions(given.get("stack") or DEFAULT_STACK, bool(given.get("local") or state_dir), state_dir, aws)
