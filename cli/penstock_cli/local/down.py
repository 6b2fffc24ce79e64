"""`penstock local down`."""

from __future__ import annotations

from pathlib import Path

import click

from penstock_cli.output import echo
from penstock_local import stack as stacks


@click.command()
@click.pass_obj
def down(state_dir: Path | None) -> None:
    """Stop the stack and delete everything in it. Succeeds if no stack is running."""
    echo("The local stack has ended." if stacks.stop(state_dir) else "No local stack is up.")
