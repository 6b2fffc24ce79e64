"""What becomes of a source after its job has ended: ``after`` of a route, and how far that is on the job's record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from penstock.model.object import Location


class AfterKind(StrEnum):
    """What an action does with the object of a source."""

    TAG = "tag"
    MOVE = "move"
    DELETE = "delete"
    DELETE_PERMANENTLY = "delete:permanent"


class AfterLevel(StrEnum):
    """Values of the parameter AfterActions. Each allows what the ones before it allow."""

    NONE = "none"
    TAG = "tag"
    MOVE = "move"
    DELETE = "delete"

    def allows(self, action: AfterAction) -> bool:
        """Whether a stack with this level may do an action."""
        levels = list(AfterLevel)
        return levels.index(self) >= levels.index(action.level)


@dataclass(frozen=True, slots=True)
class AfterAction:
    """One action. ``prefix`` is that of a move; it ends with a slash."""

    kind: AfterKind
    prefix: str = ""

    @classmethod
    def of(cls, text: str) -> AfterAction:
        """Read the text of an action, as in routes.toml. Raises ValueError for any other text."""
        if text.startswith("move:"):
            return cls(AfterKind.MOVE, text.removeprefix("move:"))
        if text == AfterKind.MOVE:
            raise ValueError(text)
        return cls(AfterKind(text))

    @property
    def text(self) -> str:
        """The action as in routes.toml."""
        return f"{self.kind}:{self.prefix}" if self.kind is AfterKind.MOVE else str(self.kind)

    @property
    def level(self) -> AfterLevel:
        """The value of AfterActions that the action needs."""
        return AfterLevel(self.kind.partition(":")[0])


@dataclass(frozen=True, slots=True)
class After:
    """The actions of a route, as texts; empty for none."""

    success: str = ""
    failure: str = ""

    def action(self, state: str) -> AfterAction | None:
        """Return what to do after a job has ended in this `JobState`; None for nothing."""
        text = {"succeeded": self.success, "failed": self.failure}.get(state, "")
        return AfterAction.of(text) if text else None

    @property
    def actions(self) -> tuple[AfterAction, ...]:
        """All actions."""
        return tuple(AfterAction.of(text) for text in (self.success, self.failure) if text)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefixes to which objects move."""
        return tuple(action.prefix for action in self.actions if action.prefix)


class AfterState(StrEnum):
    """How far an action is. PENDING: the function `after` must act once the job has ended.

    SKIPPED: the object is as it was, as it must be: it is no longer the current version, or it is gone. FAILED: the
    object is as it was, or a copy of it is at its new place too; `AfterStatus.message` says why.
    """

    PENDING = "pending"
    ACTING = "acting"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AfterStatus:
    """The part of a job's record about its action. Times are Unix seconds.

    ``holder`` acts until ``until``. ``tries`` counts the attempts to act since the job was last claimed, ``sends`` how
    often the reconciler has asked again. ``copied`` is the copy that a move has made and verified, before it removes
    the object; ``upload`` the multipart upload of a large copy that is not complete.
    """

    plan: After
    state: AfterState = AfterState.PENDING
    message: str = ""
    holder: str = ""
    until: float = 0.0
    tries: int = 0
    sends: int = 0
    copied: Location | None = None
    upload: str = ""

    @property
    def has_begun(self) -> bool:
        """Whether the function `after` may be in the middle of an action: the object may be at two places."""
        return self.state is AfterState.ACTING or (self.state is AfterState.PENDING and self.tries > 0)
