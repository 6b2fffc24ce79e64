"""Which route matches a key, and what its destination is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from penstock.archives import archive_named
from penstock.codecs import strip_suffix
from penstock.errors import DestinationLoopError, InvalidRouteError
from penstock.limits import S3
from penstock.model.member import Member
from penstock.model.object import Source, Target, member_source
from penstock.model.route import MEMBER_FIELDS, MEMBERS, Route, TableTarget
from penstock.model.s3_uri import S3_SCHEME
from penstock.routes.patterns import tokens
from penstock.routes.stack_buckets import NO_STACK, StackBuckets

KEY_FIELDS = ("key", "stem", "dir", "name", "base", "bucket", "year", "month", "day", "hour", *MEMBER_FIELDS)
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes, in order. ``source_bucket`` is the bucket of a key without one; ``buckets`` are the stack's."""

    routes: tuple[Route, ...]
    source_bucket: str
    buckets: StackBuckets = NO_STACK

    def find(self, bucket: str, key: str) -> Route | None:
        """Return the first route that matches the key of an object, or None.

        None also for an object that was moved after a job: it begins no other job.
        """
        if self.is_moved(bucket, key):
            return None
        objects = (route for route in self.routes if not route.is_for_members)
        return next((route for route in objects if takes(route, bucket, key)), None)

    def route_of(self, source: Source) -> Route | None:
        """Return the first route that matches a source, or None.

        A route that takes archives apart applies to a member only if its name is that of an archive. That of the object
        itself does not: it may match the members of its own archives.
        """
        if source.member is None:
            return self.find(source.bucket, source.key)
        own = self.find(source.bucket, source.object_key) if archive_named(source.key) else None
        of_members = (route for route in self.routes if not route.takes_apart or (own and route is not own))
        return next((route for route in of_members if takes(route, source.bucket, source.key)), None)

    def is_moved(self, bucket: str, key: str) -> bool:
        """Whether a key is under a prefix to which a route moves objects of its buckets after their jobs."""
        return any(
            key.startswith(route.after.prefixes) and fnmatchcase(bucket, route.source_bucket)
            for route in self.routes
            if route.after
        )

    def as_member(self, source: Source) -> Source | None:
        """Return the source whose key is that of a member, if routes take apart the archives in front of its name."""
        for archive, name in _splits(source.key):
            outer = replace(source, key=archive)
            within = ((self._member_of(outer, inner), rest) for inner, rest in _splits(name))
            found = next((one for inner, rest in within if inner and (one := self._member_of(inner, rest))), None)
            if found := found or self._member_of(outer, name):
                return found
        return None

    def _member_of(self, archive: Source, name: str) -> Source | None:
        """Return a member of an archive, if the route of the archive delivers it."""
        route = self.route_of(archive)
        if route and route.takes_apart and name and takes_member(route.members, name):
            return member_source(archive, Member(name))
        return None

    def refuse_loop(self, route: Route, source: Source, target: Target) -> None:
        """Raises DestinationLoopError if what is to be written would be routed again: an object, or files of any name
        below a prefix.

        It is an object, whatever its key, so that routes for members alone do not apply.
        """
        hearing = (self.source_bucket, source.bucket, *self.buckets.sources)
        if target.bucket in hearing and (again := self._takes_again(route, target)):
            raise DestinationLoopError(
                f"route {route.name!r}: destination: {target.uri} is in a source bucket "
                f"and would match route {again.name!r} again"
            )

    def _takes_again(self, writer: Route, target: Target) -> Route | None:
        if writer.plan is None:
            return self.find(target.bucket, target.key)
        below = target.key.replace("*", "?") + "*"
        return next(
            (
                route
                for route in self.routes
                if not route.is_for_members
                and fnmatchcase(target.bucket, route.source_bucket)
                and any(overlap(below, pattern) for pattern in route.match)
            ),
            None,
        )


def _splits(key: str) -> Iterator[tuple[str, str]]:
    """Yield what lies before and after each slash."""
    yield from ((key[: slash.start()], key[slash.end() :]) for slash in re.finditer("/", key))


def takes(route: Route, bucket: str, key: str) -> bool:
    """Whether a route matches: shell patterns, case-sensitive; ``*`` also matches slashes."""
    return pattern_for(route, bucket, key) is not None


def pattern_for(route: Route, bucket: str, key: str) -> str | None:
    """Return the first pattern of a route that matches a key, or None."""
    if not fnmatchcase(bucket, route.source_bucket):
        return None
    return next((pattern for pattern in route.match if fnmatchcase(key, pattern)), None)


def destination_of(route: Route, source: Source) -> Target | TableTarget:
    """Return the destination of a source. Raises InvalidRouteError as `render_target` does."""
    if route.takes_apart:
        return TableTarget(MEMBERS, "")
    if route.plan is None:
        return render_target(route, source)
    if not route.templates:
        return TableTarget(route.store, route.destination.partition(":")[2])
    places = {table.name: _rendered(route, source, table.name).uri for table in route.plan.tables}
    table = places[route.plan.table.name] if route.plan.table else ""
    return TableTarget(route.store, table, tuple(places.items()))


def render_target(route: Route, source: Source) -> Target:
    """Return the destination object of a source. ``check_target`` checks whether S3 allows its name.

    Raises InvalidRouteError if the template has fields of members and the source is no member.
    """
    return _rendered(route, source, route.destination)


def _rendered(route: Route, source: Source, template: str) -> Target:
    if route.is_for_members and not source.member:
        names = " ".join(f"{{{name}}}" for name in MEMBER_FIELDS)
        raise InvalidRouteError(
            f"route {route.name!r}: destination: {names} are fields of a member, and {source.uri} is no member"
        )
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
        **_member_fields(source),
    }
    bucket, _, key = template.removeprefix(S3_SCHEME).partition("/")
    return Target(bucket.format_map(fields), key.format_map(fields))


def _member_fields(source: Source) -> dict[str, str]:
    if source.member is None:
        return {}
    path = source.member.path
    return {"archive": source.object_key, "member": path, "member_base": strip_suffix(path[path.rfind("/") + 1 :])}


def takes_member(patterns: Sequence[str], name: str) -> bool:
    """Whether the ``members`` of a route include a name: shell patterns, of which the last match decides.

    A pattern after ``!`` excludes. A name without a match is included if the first pattern excludes, or there is none.
    """
    for pattern in reversed(patterns):
        excludes = pattern.startswith("!")
        if fnmatchcase(name, pattern[excludes:]):
            return not excludes
    return not patterns or patterns[0].startswith("!")


def check_target(route: Route, target: Target) -> None:
    """Raises InvalidRouteError if S3 does not allow the name."""
    length = len(target.key.encode())
    if not (length or route.plan) or length > S3.max_key:
        raise InvalidRouteError(
            f"route {route.name!r}: destination: the key would have {length:,} bytes; S3 allows 1 to {S3.max_key:,}"
        )
    if not BUCKET_NAME.fullmatch(target.bucket):
        # Without a stack, the fields of its buckets stand for themselves.
        unknown = target.bucket in ("source_bucket", "destination_bucket", "work_bucket")
        raise InvalidRouteError(
            f"route {route.name!r}: destination: {target.bucket!r} is not a bucket name",
            hint="It is the name of a stack's bucket: name the stack with --stack." if unknown else "",
        )


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
