"""`penstock local`: the deployed stack, without an AWS account."""

from __future__ import annotations

from pathlib import Path

import click

from penstock_cli.local.down import down
from penstock_cli.local.logs import logs
from penstock_cli.local.status import status
from penstock_cli.local.up import up


@click.group()
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the state of the stack. Stacks that run at the same time need one each.  [default: .penstock]",
)
@click.pass_context
def local(ctx: click.Context, state_dir: Path | None) -> None:
    """Run the whole stack on this machine: the same template, on an emulated account with IAM enforced."""
    ctx.obj = state_dir.resolve() if state_dir else None


for command in (up, down, status, logs):
    local.add_command(command)
