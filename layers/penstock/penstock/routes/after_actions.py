"""Read ``after`` of a route: what becomes of an object once its job has ended."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from penstock.errors import InvalidRouteError
from penstock.model.after import After, AfterAction, AfterKind, AfterLevel
from penstock.model.route import Route
from penstock.routes.covering import covers
from penstock.routes.fields import Fields

# An S3 key has at most 1,024 bytes, of which a prefix leaves half to the key of the object.
LONGEST_PREFIX = 512
FIELD = re.compile(r"\{\w+\}")


def read_after(route: Fields) -> After | None:
    """Read ``after`` of a route; None if it has none. Raises InvalidRouteError, which names the field."""
    if not route.has("after"):
        return None
    fields = route.table("after", "an after table")
    after = After(_action(fields, "success"), _action(fields, "failure"))
    fields.refuse_unknown()
    if not after.actions:
        raise route.complain("after", "names no action: write success, failure, or both")
    return after


def _action(fields: Fields, field: str) -> str:
    text = fields.text(field, "")
    if not text:
        return text
    deletes = 'or "delete" or "delete:permanent"' if field == "success" else "of which none deletes"
    try:
        action = AfterAction.of(text)
    except ValueError as error:
        raise fields.complain(field, f'must be "tag" or "move:PREFIX/", {deletes}, not {text!r}') from error
    if field == "failure" and action.kind in (AfterKind.DELETE, AfterKind.DELETE_PERMANENTLY):
        raise fields.complain(field, 'must be "tag" or "move:PREFIX/": an object that was not delivered is not deleted')
    if action.kind is AfterKind.MOVE:
        _check_prefix(fields, field, action.prefix)
    return text


def _check_prefix(fields: Fields, field: str, prefix: str) -> None:
    if not prefix.endswith("/") or prefix.startswith("/") or "//" in prefix:
        raise fields.complain(field, f'must move to a prefix such as "move:done/", not to {prefix!r}')
    if any(part in (".", "..") for part in prefix.split("/")) or not prefix.isprintable():
        raise fields.complain(field, f"must move to a prefix of plain names, not to {prefix!r}")
    if (size := len(prefix.encode())) > LONGEST_PREFIX:
        raise fields.complain(field, f"the prefix has {size:,} bytes; the maximum is {LONGEST_PREFIX}")


def refuse_unreachable(route: Route, routes: Iterable[Route], file: str) -> None:
    """Raises InvalidRouteError if no key can have the route, because objects move to all of them.

    Also if the route is for members alone: they have no object that could move.
    """
    if route.after and route.is_for_members:
        raise InvalidRouteError(
            f"{file}: route {route.name!r}: after: acts on objects, and only members have this route; "
            "write it in the route that takes their archive apart"
        )
    excluded = [
        (other, prefix)
        for other in routes
        if other.after and covers(other.source_bucket, route.source_bucket)
        for prefix in other.after.prefixes
    ]
    takers = [
        next(((other, prefix) for other, prefix in excluded if covers(f"{_literal(prefix)}*", pattern)), None)
        for pattern in route.match
    ]
    if takers and (found := takers[0]) and all(takers):
        other, prefix = found
        raise InvalidRouteError(
            f"{file}: route {route.name!r}: match: gets no key: route {other.name!r} moves objects to {prefix!r}, "
            "and no route takes what lies there"
        )


def refuse_among_moved(route: Route, routes: Iterable[Route], file: str, source_bucket: str) -> None:
    """Raises InvalidRouteError if a route writes below a prefix to which objects of the same bucket move.

    The object of one job could take the place of another one's result.
    """
    bucket, _, key = route.destination.removeprefix("s3://").partition("/")
    head = key.partition("{")[0]
    if not fnmatchcase(source_bucket, FIELD.sub("*", bucket)):
        return
    for other in routes:
        prefixes = other.after.prefixes if other.after and fnmatchcase(source_bucket, other.source_bucket) else ()
        if found := next((prefix for prefix in prefixes if head.startswith(prefix)), None):
            raise InvalidRouteError(
                f"{file}: route {route.name!r}: destination: is below {found!r} of {source_bucket}, "
                f"to which route {other.name!r} moves objects",
                hint="Choose another prefix for one of them.",
            )


def refuse_actions(routes: Iterable[Route], level: AfterLevel, file: str) -> None:
    """Raises InvalidRouteError for the first action that a stack with this AfterActions does not allow."""
    for route in routes:
        for action in route.after.actions if route.after else ():
            if not level.allows(action):
                raise InvalidRouteError(
                    f"{file}: route {route.name!r}: after: the stack does not allow {action.text!r}: "
                    f"its AfterActions is {level}",
                    hint=f"Deploy the stack with AfterActions={action.level}.",
                )


def _literal(prefix: str) -> str:
    """Return a prefix as a pattern."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in prefix)
