"""The buckets that a stack's functions may read and write, and what that means for its routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from penstock.errors import AccessDeniedError, InvalidRouteError, PermanentError
from penstock.model.object import Target
from penstock.model.route import Route
from penstock.model.s3_uri import S3_SCHEME

SOURCE_PARAMETER, DESTINATION_PARAMETER = "SourceBucketNames", "DestinationBucketNames"


@dataclass(frozen=True, slots=True)
class StackBuckets:
    """Names of buckets, those that the stack has made first. Both are empty where no stack is known."""

    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return bool(self.sources)

    def lacks_source(self, bucket: str) -> bool:
        return self.known and bucket not in self.sources

    def lacks_target(self, target: Target | None) -> bool:
        return self.known and target is not None and target.bucket not in self.destinations

    def remedies(self, source: str, places: Iterable[Target]) -> Iterator[str]:
        """Yield what to do about each bucket of a job that the stack does not have."""
        if self.lacks_source(source):
            yield remedy(source, SOURCE_PARAMETER)
        for bucket in dict.fromkeys(place.bucket for place in places if self.lacks_target(place)):
            yield remedy(bucket, DESTINATION_PARAMETER)

    def add_remedies(self, error: PermanentError, source: str, places: Iterable[Target]) -> None:
        """Let the hint of a refused request name the parameters that lack a bucket of its job."""
        if isinstance(error, AccessDeniedError):
            error.hint = " ".join(self.remedies(source, places)) or error.hint


NO_STACK = StackBuckets()


def remedy(bucket: str, parameter: str) -> str:
    """Return what to do about a bucket that the stack does not have."""
    return f"Add {bucket} to the parameter {parameter} of the stack, and deploy it."


def meaning(own: str, names: Sequence[str]) -> str:
    """Return the bucket that {source_bucket} or {destination_bucket} stands for: the stack's own, or else the only one.

    Empty if there is none, or more than one to choose from.
    """
    return own or (names[0] if len(names) == 1 else "")


def refuse_unlisted_destinations(routes: Iterable[Route], buckets: StackBuckets, file: str) -> None:
    """Raises InvalidRouteError for a route whose destination can be none of the stack's buckets."""
    for route in routes:
        for template in route.templates if buckets.known else ():
            bucket, _, _ = template.removeprefix(S3_SCHEME).partition("/")
            pattern = re.sub(r"\{\w+\}", "*", bucket)
            if not any(fnmatchcase(name, pattern) for name in buckets.destinations):
                raise InvalidRouteError(
                    f"{file}: route {route.name!r}: destination: the stack may not write to the bucket {bucket}",
                    hint=remedy(bucket, DESTINATION_PARAMETER),
                )


def unheard(routes: Iterable[Route], buckets: StackBuckets) -> Iterator[Route]:
    """Yield the routes whose ``source_bucket`` matches no source bucket of the stack."""
    for route in routes:
        if buckets.known and not any(fnmatchcase(name, route.source_bucket) for name in buckets.sources):
            yield route
