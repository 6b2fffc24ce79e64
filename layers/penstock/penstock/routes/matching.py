"""Which route matches a key, and what its destination is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from penstock.codecs import strip_suffix
from penstock.errors import DestinationLoopError, InvalidRouteError
from penstock.limits import S3
from penstock.model.object import Source, Target
from penstock.model.route import Route, TableTarget
from penstock.routes.patterns import tokens

KEY_FIELDS = ("key", "stem", "dir", "name", "base", "bucket", "year", "month", "day", "hour")
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes, in order. ``source_bucket`` is the bucket whose events arrive here."""

    routes: tuple[Route, ...]
    source_bucket: str

    def find(self, bucket: str, key: str) -> Route | None:
        """Return the first route that matches, or None."""
        return next((route for route in self.routes if takes(route, bucket, key)), None)

    def refuse_loop(self, route: Route, source: Source, target: Target) -> None:
        """Raises DestinationLoopError if the object to be written would be routed again."""
        if target.bucket in (self.source_bucket, source.bucket) and (again := self.find(target.bucket, target.key)):
            raise DestinationLoopError(
                f"route {route.name!r}: destination: {target.uri} is in a source bucket "
                f"and would match route {again.name!r} again"
            )


def takes(route: Route, bucket: str, key: str) -> bool:
    """Whether a route matches: shell patterns, case-sensitive; ``*`` also matches slashes."""
    return pattern_for(route, bucket, key) is not None


def pattern_for(route: Route, bucket: str, key: str) -> str | None:
    """Return the first pattern of a route that matches a key, or None."""
    if not fnmatchcase(bucket, route.source_bucket):
        return None
    return next((pattern for pattern in route.match if fnmatchcase(key, pattern)), None)


def destination_of(route: Route, source: Source) -> Target | TableTarget:
    """Return the destination of a source."""
    if route.plan is None:
        return render_target(route, source)
    return TableTarget(route.store, route.destination.partition(":")[2])


def render_target(route: Route, source: Source) -> Target:
    """Return the destination object of a source. ``check_target`` checks whether S3 allows its name."""
    when = datetime.fromisoformat(source.event_time) if source.event_time else datetime.now(UTC)
    when = when.astimezone(UTC)
    cut = source.key.rfind("/") + 1
    fields = {
        "key": source.key,
        "stem": strip_suffix(source.key),
        "dir": source.key[:cut],
        "name": source.key[cut:],
        "base": strip_suffix(source.key[cut:]),
        "bucket": source.bucket,
        "year": f"{when:%Y}",
        "month": f"{when:%m}",
        "day": f"{when:%d}",
        "hour": f"{when:%H}",
    }
    bucket, _, key = route.destination.removeprefix("s3://").partition("/")
    return Target(bucket.format_map(fields), key.format_map(fields))


def check_target(route: Route, target: Target) -> None:
    """Raises InvalidRouteError if S3 does not allow the name."""
    length = len(target.key.encode())
    if not 1 <= length <= S3.max_key:
        raise InvalidRouteError(
            f"route {route.name!r}: destination: the key would have {length:,} bytes; S3 allows 1 to {S3.max_key:,}"
        )
    if not BUCKET_NAME.fullmatch(target.bucket):
        raise InvalidRouteError(f"route {route.name!r}: destination: {target.bucket!r} is not a bucket name")


def overlap(left: str, right: str) -> bool:
    """Whether some text matches both shell patterns. A ``[...]`` set counts as any single character."""
    a, b = ("".join(sign if len(sign) == 1 else "?" for sign in tokens(pattern)) for pattern in (left, right))
    # below[j]: whether a[i+1:] and b[j:] have a text in common; row by row from the end of a.
    below = [not b[j:].strip("*") for j in range(len(b) + 1)]
    for i in reversed(range(len(a))):
        row = [False] * (len(b) + 1)
        row[-1] = not a[i:].strip("*")
        for j in reversed(range(len(b))):
            if "*" in (a[i], b[j]):
                row[j] = below[j] or row[j + 1]
            else:
                row[j] = (a[i] == b[j] or "?" in (a[i], b[j])) and below[j + 1]
        below = row
    return below[0]
