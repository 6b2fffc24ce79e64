"""Routes: which keys match, how they are decoded and where they go."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.model.after import After
from penstock.model.identity import digest, identities
from penstock.model.object import Target
from penstock.model.s3_uri import S3_SCHEME, split
from penstock.model.serialization import OMIT_DEFAULT
from penstock.model.table import Mode, TablePlan

# Tables and logs decode to 4-20 times their size, sparse ones to 100; the worst honest deflate is 1,032.
DEFAULT_RATIO = 250.0

# The destination of routes that name an object.
BUCKET = "bucket"
# The destination of routes that take archives apart: each member has its own.
MEMBERS = "members"

# Values of `Route.archive`: deliver each member by its own route, or copy the archive as it is.
ARCHIVE_MEMBERS, ARCHIVE_KEEP = "members", "keep"
# Values of `Route.on_member_failure`.
CONTINUE, FAIL = "continue", "fail"

# Values of `Route.once`: what makes an object a repeat of another one, which has been delivered.
ONCE_VERSION, ONCE_KEY, ONCE_CONTENT = "version", "key", "content"

# Values of `Route.order`: among which objects the newest wins: the versions of a key, or all objects of a table.
ORDER_KEY, ORDER_TABLE = "key", "table"

# Fields of a key template that only members have.
MEMBER_FIELDS = ("archive", "member", "member_base")


@dataclass(frozen=True, slots=True)
class TableTarget:
    """A destination that is no object: a table, or the routes of an archive's members.

    ``store`` names the kind of destination. ``table`` is empty if a choice names several. ``places``: where tables are
    whose names in the route are templates, as pairs of template and URI.
    """

    store: str
    table: str
    places: tuple[tuple[str, str], ...] = field(default=(), metadata=OMIT_DEFAULT)

    @property
    def uri(self) -> str:
        return f"{self.store}:{self.table}" if self.table else self.store

    @property
    def prefixes(self) -> tuple[Target, ...]:
        """The bucket and the beginning of the keys of each table that is a place in S3."""
        return tuple(Target(*split(uri)) for _, uri in self.places if uri.startswith(S3_SCHEME))


@dataclass(frozen=True, slots=True)
class Route:
    """One rule of ``routes.toml``. ``destination`` is a template; ``max_ratio`` and ``max_bytes`` are limits per
    object; ``plan`` is for tables. ``store`` names the kind of destination (`penstock.destinations`).

    ``archive``: `ARCHIVE_MEMBERS` takes archives apart, so that the route has no destination; `ARCHIVE_KEEP` copies
    them as they are. ``members`` are patterns of the names that are delivered (`takes_member`). ``on_member_failure``
    says whether members are begun after one has failed. ``password_secret`` names the secret with the password of
    encrypted members. ``after`` says what becomes of the object when its job has ended. ``once`` says which objects
    are repeats, of which nothing is delivered: of the same version, the same key, or the same content. ``order`` says
    among which objects the newest wins, where a table is replaced.

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
    archive: str = field(default="", metadata=OMIT_DEFAULT)
    members: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    on_member_failure: str = field(default=CONTINUE, metadata=OMIT_DEFAULT)
    # Not part of the identity: a job that failed without it, or with a wrong one, is redriven and not made anew.
    password_secret: str = field(default="", metadata=OMIT_DEFAULT, compare=False)
    # Nor is this: it changes nothing that is delivered.
    after: After | None = field(default=None, metadata=OMIT_DEFAULT, compare=False)
    once: str = field(default=ONCE_VERSION, metadata=OMIT_DEFAULT, compare=False)
    order: str = field(default=ORDER_KEY, metadata=OMIT_DEFAULT, compare=False)
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest(*identities(self)))

    @property
    def takes_apart(self) -> bool:
        """Whether the route delivers the members of archives."""
        return self.archive == ARCHIVE_MEMBERS

    @property
    def adds_rows(self) -> bool:
        """Whether two jobs of the same bytes may add the same rows twice: other destinations replace what is there."""
        if self.plan is None:
            return self.takes_apart
        return any(table.mode is Mode.APPEND for table in self.plan.tables)

    @property
    def is_for_members(self) -> bool:
        """Whether only members can have the route: its destination has a field of members."""
        return any(f"{{{name}}}" in text for text in (self.destination, *self.templates) for name in MEMBER_FIELDS)

    @property
    def templates(self) -> tuple[str, ...]:
        """The templates of what the route writes to S3. A prefix ends with a star: files below it have any name."""
        if self.plan is None:
            return () if self.takes_apart else (self.destination,)
        return tuple(f"{table.name}*" for table in self.plan.tables if table.name.startswith(S3_SCHEME))
