"""Types of arguments: S3 URIs, sizes, ages and moments."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click

from penstock.errors import ConfigurationError
from penstock.model.object import Target
from penstock.model.s3_uri import split

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])i?)?b?", re.IGNORECASE)
_AGE = re.compile(r"(\d+)([smhdw])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class S3Uri(click.ParamType):
    """An ``s3://bucket/key`` URI; the key may be empty."""

    name = "s3://bucket/key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        uri = str(value)
        try:
            bucket, key = split(uri) if uri.startswith("s3://") else ("", "")
        except ConfigurationError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)
        if not bucket:
            self.fail(f"{value} is not of the form s3://bucket/key", param, ctx)
        return Target(bucket, key)


class Size(click.ParamType):
    """A number of bytes, or ``64MiB``. As in the aws command, ``MB`` is the same as ``MiB``."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value))
        if not found:
            self.fail(f"{value} is not a size, such as 64MiB", param, ctx)
        number, unit = found.groups()
        return int(float(number) * 1024 ** (" kmgt".index(unit.lower()) if unit else 0))


class Age(click.ParamType):
    """An age such as ``90s``, ``30m``, ``12h``, ``7d`` or ``2w``, converted to seconds."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = _AGE.fullmatch(str(value))
        if not found:
            self.fail(f"{value} is not an age, such as 12h or 7d", param, ctx)
        return float(int(found[1]) * _SECONDS[found[2].lower()])


class Moment(click.ParamType):
    """A day such as ``2026-11-01``, a time such as ``2026-11-01T08:30``, both in UTC unless a zone is given, or an age
    such as ``7d`` before now; converted to Unix seconds."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if found := _AGE.fullmatch(str(value)):
            return time.time() - int(found[1]) * _SECONDS[found[2].lower()]
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value} is neither an age, such as 7d, nor a day or time, such as 2026-11-01", param, ctx)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


S3_URI = S3Uri()
SIZE = Size()
AGE = Age()


def human_size(size: int) -> str:
    """Format a size in decimal units, as for disks and networks."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004  # the step between units
            return f"{value:.1f} {unit}" if unit != "B" else f"{size} B"
        value /= 1000
    return f"{value:.1f} TB"


def human_age(seconds: float) -> str:
    """Format an age in the largest unit that it reaches."""
    for unit in ("w", "d", "h", "m"):
        if seconds >= _SECONDS[unit]:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{int(seconds)}s"
