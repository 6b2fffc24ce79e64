"""One line of the command: what was looked at, what was found, and the remedy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from penstock.errors import AccessDeniedError, ConfigurationError, PenstockError, RetryableError
from penstock.model.check import Check


class Level(StrEnum):
    """A note only informs, and a warning does not make the command fail. What may not be read is never OK."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """``remedy`` has a sentence, and lines that begin with a command of a shell; empty if nothing is to be done."""

    name: str
    level: Level
    found: str
    remedy: str = ""


def passed(name: str, found: str) -> Finding:
    """What was found is right."""
    return Finding(name, Level.OK, found)


def note(name: str, found: str) -> Finding:
    """It only informs."""
    return Finding(name, Level.NOTE, found)


def warning(name: str, found: str, remedy: str) -> Finding:
    """The stack works, but something should be done."""
    return Finding(name, Level.WARNING, found, remedy)


def failed(name: str, found: str, remedy: str) -> Finding:
    """Something does not work until the remedy is applied."""
    return Finding(name, Level.FAILED, found, remedy)


def not_checked(name: str, why: str, remedy: str = "") -> Finding:
    """The check could not be made."""
    return Finding(name, Level.NOT_CHECKED, why, remedy)


def of_check(check: Check) -> Finding:
    """Return the finding of a shared check. One that is neither right nor wrong is a warning if it has a remedy."""
    if check.ok is None:
        level = Level.WARNING if check.remedy else Level.NOTE
    else:
        level = Level.OK if check.ok else Level.FAILED
    return Finding(check.name, level, check.found, check.remedy)


def guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a check. An error ends this check only, and becomes its last finding."""
    try:
        yield from check()
    except AccessDeniedError as error:
        yield not_checked(name, f"needs {error.right}")
    except RetryableError as error:
        yield not_checked(name, str(error))
    except NotDeployedError as error:
        yield not_checked(name, str(error), error.hint)
    except PenstockError as error:
        yield failed(name, str(error), error.hint)


class NotDeployedError(ConfigurationError):
    """The stack, of an earlier release, lacks what a check needs."""

    default_hint = "Deploy the stack of this release."


def command(*words: str, **parameters: object) -> str:
    """Return a line for a shell. A parameter ``queue_url`` is the option ``--queue-url``; structures are JSON."""
    options = (
        f"--{name.replace('_', '-')} {shlex.quote(value if isinstance(value, str) else json.dumps(value))}"
        for name, value in parameters.items()
    )
    return " ".join(["aws", *words, *options])


def as_json(findings: Iterable[Finding]) -> list[Mapping[str, str]]:
    """Return findings as the function `check` answers them."""
    return [{"name": one.name, "level": str(one.level), "found": one.found, "remedy": one.remedy} for one in findings]


def from_json(answer: object) -> list[Finding]:
    """Read what `as_json` wrote; a level of a later release counts as a warning."""
    if not isinstance(answer, list):
        raise ConfigurationError("the function `check` answered no list of findings")
    return [
        Finding(str(one["name"]), _level(one.get("level", "")), str(one["found"]), str(one.get("remedy", "")))
        for one in answer
    ]


def _level(text: str) -> Level:
    return Level(text) if text in set(Level) else Level.WARNING
