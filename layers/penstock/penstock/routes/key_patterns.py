"""Read ``key_pattern`` of a route: a regular expression with named groups, which columns take from the key.

It must not take forever on any key. Python's engine tries all ways in which repeats can share a text. So a repeat
within a repeat, alternatives within a repeat, and references are refused: they take exponential time. So are flags,
with which a character may be another one. What is left takes as many steps as the repeats have ways to share the key,
of at most 1,024 characters: at most `MOST_STEPS`. A repeat whose next character it cannot match, such as ``[^/]+/``,
ends at one place only, and does not count. Nor does one at the end, also of an optional group, such as
``(?:_(?P<v>[0-9]+))?``: with it, the key matches.
"""

from __future__ import annotations

import re
import re._constants as op  # type: ignore[import-not-found]  # the parts of an expression have no public names
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from penstock.limits import S3
from penstock.routes.fields import Fields

# About a second: a step may read the rest of the key.
MOST_STEPS = 2**22
LONGEST_PATTERN = 1_000

Node: TypeAlias = tuple[Any, Any]

_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_REFUSED = {
    op.GROUPREF: "a reference to a group",
    op.GROUPREF_EXISTS: "a condition on a group",
    op.ASSERT: "a lookahead or lookbehind",
    op.ASSERT_NOT: "a lookahead or lookbehind",
}


# (?i) and (?i:...), but not (?:...).
_FLAGS = re.compile(r"\(\?[a-zA-Z-]+[:)]")


class _UnboundedError(Exception):
    pass


def read_key_pattern(fields: Fields) -> str:
    """Return the pattern, empty if there is none. Raises InvalidRouteError, which names the field."""
    if not fields.has("key_pattern"):
        return ""
    pattern = fields.text("key_pattern")
    if len(pattern) > LONGEST_PATTERN:
        raise fields.complain("key_pattern", f"has {len(pattern):,} characters; the maximum is {LONGEST_PATTERN:,}")
    if flags := _FLAGS.search(pattern):
        raise fields.complain("key_pattern", f"has flags, {flags[0]}: write [Aa] for letters of both cases")
    try:
        compiled = re.compile(pattern)
        nodes = list(_flat(parser.parse(pattern), repeated=False))
    except (re.error, RecursionError, OverflowError) as error:
        raise fields.complain("key_pattern", f"is no regular expression: {error}") from error
    except _UnboundedError as error:
        raise fields.complain("key_pattern", f"{error}, which may take very long on a key: write it without") from error
    if not compiled.groupindex:
        raise fields.complain("key_pattern", "has no named group, such as (?P<partner>[a-z]+)")
    starts = 1 if nodes and nodes[0][0] is op.AT and nodes[0][1] in (op.AT_BEGINNING, op.AT_BEGINNING_STRING) else 0
    if _steps(nodes, is_end=True) * (1 if starts else S3.max_key) > MOST_STEPS:
        raise fields.complain(
            "key_pattern",
            "has too many repeats that can share a text, which may take very long on a key: begin it with ^, and "
            "write [^/]+ or [^_]+ instead of .* before a / or _",
        )
    return pattern


def _flat(nodes: Sequence[Node], *, repeated: bool) -> Iterator[Node]:
    """Yield the parts of an expression in order, those of groups included."""
    for kind, what in nodes:
        if kind in _REFUSED:
            raise _UnboundedError(f"has {_REFUSED[kind]}")
        if kind is op.SUBPATTERN:
            yield from _flat(what[-1], repeated=repeated)
        elif kind is op.ATOMIC_GROUP:
            yield from _flat(what, repeated=repeated)
        elif kind is op.BRANCH:
            if repeated:
                raise _UnboundedError("has alternatives within a repeat")
            yield kind, [list(_flat(choice, repeated=False)) for choice in what[1]]
        elif kind in _REPEATS:
            if repeated:
                raise _UnboundedError("has a repeat within a repeat")
            least, most, inner = what
            if most == 1:  # an optional group is an alternative of nothing
                yield op.BRANCH, [list(_flat(inner, repeated=False)), []]
                continue
            yield op.MAX_REPEAT, (least, most, list(_flat(inner, repeated=True)))
        else:
            yield kind, what


def _steps(nodes: Sequence[Node], *, is_end: bool) -> int:
    """Return how many ways the repeats have to share a key, at most. ``is_end``: nothing of the expression follows."""
    steps = 1
    for number, (kind, what) in enumerate(nodes):
        is_last = is_end and number == len(nodes) - 1
        if kind is op.BRANCH:
            steps *= sum(_steps(choice, is_end=is_last) for choice in what)
        elif kind is op.MAX_REPEAT and not is_last:
            least, most, inner = what
            follows = nodes[number + 1] if number + 1 < len(nodes) else None
            if not _ends_at(inner, follows):
                steps *= min(int(most), S3.max_key) - min(int(least), S3.max_key) + 1
    return steps


def _ends_at(inner: Sequence[Node], follows: Node | None) -> bool:
    """Whether a repeat of one character cannot match the character after it, so that it ends at one place."""
    if follows is None or follows[0] is not op.LITERAL or len(inner) != 1:
        return False
    (kind, what), after = inner[0], follows[1]
    match kind:
        case op.LITERAL:
            return bool(what != after)
        case op.NOT_LITERAL:
            return bool(what == after)
        case op.IN:
            return not _holds(what, after)
    return False


def _holds(members: Sequence[Node], character: int) -> bool:
    """Whether a class of characters may hold a character."""
    is_negated = bool(members) and members[0][0] is op.NEGATE
    found = any(_is(member, chr(character)) for member in members[is_negated:])
    return found != is_negated


def _is(member: Node, character: str) -> bool:
    kind, what = member
    if kind is op.LITERAL:
        return bool(what == ord(character))
    if kind is op.RANGE:
        return bool(what[0] <= ord(character) <= what[1])
    digits, words = character.isdecimal(), character.isalnum() or character == "_"
    known = {
        op.CATEGORY_DIGIT: digits,
        op.CATEGORY_NOT_DIGIT: not digits,
        op.CATEGORY_WORD: words,
        op.CATEGORY_NOT_WORD: not words,
        op.CATEGORY_SPACE: character.isspace(),
        op.CATEGORY_NOT_SPACE: not character.isspace(),
    }
    return bool(known[what])
