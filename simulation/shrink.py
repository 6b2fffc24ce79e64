"""Makes a plan smaller as long as its history is wrong in the same way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from simulation.history import History
from simulation.plan import Plan

T = TypeVar("T")

# Digests, URIs and numbers.
_NAMES = re.compile(r"s3://\S+|[0-9a-f]{8,}|\d+")
# Of these, each is one history.
TRIES = 200


def kinds_of(problems: Sequence[str]) -> frozenset[str]:
    """Return what is wrong, without the names of what it is wrong with."""
    return frozenset(_NAMES.sub("*", one) for one in problems)


def shrink(plan: Plan, problems: Sequence[str]) -> History:
    """Return the history of a smaller plan with one of the same problems: fewer faults, uploads and acts."""
    wrong, found = kinds_of(problems), History(plan).run()
    tries = 0
    progress = True
    while progress and tries < TRIES:
        progress = False
        for smaller in _smaller(found.plan):
            tries += 1
            tried = History(smaller).run()
            if kinds_of(tried.problems) & wrong:
                found, progress = tried, True
                break
    return found


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Yield plans with a little less. A fault that is left out leaves all draws before it as they are."""
    for uploads in _without_one(plan.uploads):
        if uploads:
            yield replace(plan, uploads=uploads)
    for acts in _without_one(plan.acts):
        yield replace(plan, acts=acts)
    for kind in sorted(plan.kinds):
        yield replace(plan, kinds=plan.kinds - {kind})
    for what in sorted(plan.disturbances):
        yield replace(plan, disturbances=plan.disturbances - {what})
    if plan.most_faults:
        yield replace(plan, most_faults=plan.most_faults - 1)


def _without_one(things: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    for number in range(len(things)):
        yield things[:number] + things[number + 1 :]
