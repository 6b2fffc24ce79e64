"""--prices, of the commands that show dollars."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

R = TypeVar("R")


def prices_option(command: Callable[..., R]) -> Callable[..., R]:
    """Add --prices; the command receives the prices as ``prices: Prices``."""

    @click.option(
        "--prices",
        "file",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="PENSTOCK_PRICES",
        show_envvar=True,
        metavar="FILE",
        help="Prices of another region, in a file like Penstock's prices.toml.  [default: those of us-east-1]",
    )
    @wraps(command)
    def with_prices(file: Path | None, **kwargs: Any) -> R:
        from penstock.explain.prices import listed_prices, read_prices  # noqa: PLC0415  # not for --help

        kwargs["prices"] = read_prices(file) if file else listed_prices()
        return command(**kwargs)

    return with_prices
