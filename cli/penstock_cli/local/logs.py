"""`penstock local logs`."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import click

from penstock_local import stack as stacks
from penstock_local.errors import LocalStackError


@click.command()
@click.option("--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.pass_obj
def logs(state_dir: Path | None, follow: bool) -> None:
    """Print what the functions have logged. The lines of an invocation appear when it ends."""
    stack = stacks.find(state_dir)
    if stack is None:
        raise LocalStackError("no local stack is up", hint="Start one with `penstock local up`.")
    shown = 0
    while True:
        for line in islice(stacks.function_logs(stack), shown, None):
            shown += 1
            click.echo(line)
        if not follow:
            break
        time.sleep(1)
