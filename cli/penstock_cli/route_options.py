"""The options that choose the route of a source on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from penstock_cli.completion import complete_codec, complete_file

Command = TypeVar("Command", bound=Callable[..., Any])


def route_options(routes_help: str) -> Callable[[Command], Command]:
    """Add --routes, --route, --stack, --as and --codec."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    options = [
        click.option(
            "--routes",
            "routes_uri",
            default="",
            metavar="FILE",
            shell_complete=complete_file,
            help=routes_help,
        ),
        click.option(
            "--route",
            "route_name",
            default="",
            metavar="NAME",
            help="Use the route with this name, whatever its pattern.",
        ),
        click.option(
            "--stack",
            default="",
            metavar="NAME",
            help="Use the names, and without --routes the routes, of this deployed stack.",
        ),
        click.option("--as", "as_key", default="", metavar="KEY", help="Treat SRC as an object with this key."),
        click.option(
            "--codec",
            default="auto",
            show_default=True,
            shell_complete=complete_codec,
            help="gzip, bzip2, xz, zstd or identity.",
        ),
    ]
    return add
