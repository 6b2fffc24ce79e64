"""Routes: which keys match, how they are decoded and where they go."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.model.identity import digest, identities
from penstock.model.table import TablePlan

# Tables and logs decode to 4-20 times their size, sparse ones to 100; the worst honest deflate is 1,032.
DEFAULT_RATIO = 250.0

# The destination of routes that name an object.
BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class TableTarget:
    """A table destination. ``store`` names the kind of destination. ``table`` is empty if a choice names several."""

    store: str
    table: str

    @property
    def uri(self) -> str:
        return f"{self.store}:{self.table}" if self.table else self.store


@dataclass(frozen=True, slots=True)
class Route:
    """One rule of ``routes.toml``. ``destination`` is a template; ``max_ratio`` and ``max_bytes`` are limits per
    object; ``plan`` is for tables. ``store`` names the kind of destination (`penstock.destinations`).

    ``digest`` changes with every field that may change the result. It is computed once: with a plan it takes a
    millisecond, and each of a thousand small jobs needs it.
    """

    name: str
    match: tuple[str, ...]
    destination: str
    source_bucket: str = "*"
    codec: str = "auto"
    max_ratio: float = DEFAULT_RATIO
    max_bytes: int = 50_000 * 1024**3
    store: str = BUCKET
    plan: TablePlan | None = None
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest(*identities(self)))
