"""`penstock local logs`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from penstock_cli.output import echo
from penstock_local import stack as stacks
from penstock_local.errors import LocalStackError


@click.command()
@click.option("--follow", is_flag=True, help="Print new lines until Ctrl-C.")
@click.option(
    "--function",
    "functions",
    type=click.Choice(stacks.FUNCTIONS),
    multiple=True,
    help="Print only the logs of this function. May be given several times.",
)
@click.pass_obj
def logs(state_dir: Path | None, follow: bool, functions: tuple[str, ...]) -> None:
    """Print the logs of the functions. The lines of an invocation appear when it ends."""
    stack = stacks.find(state_dir)
    if stack is None:
        raise LocalStackError("no local stack is running", hint="Start one with `penstock local up`.")
    chosen = functions or stacks.FUNCTIONS
    shown: set[str] = set()
    while True:
        for line in stacks.function_logs(stack, chosen):
            if line.id not in shown:
                shown.add(line.id)
                # Lines show their function unless only one is selected; then JSON lines stay JSON.
                echo(line.text if len(chosen) == 1 else f"{line.function:<7}{line.text}")
        if not follow:
            break
        time.sleep(1)
