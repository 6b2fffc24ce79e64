"""What a history consists of, drawn from its seed: uploads, users, deployments, and what may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simulation.chaos import ALL, MARKS, Fault

# Where files of Parquet are written.
LAKE = "lake/"
ROUTES = """
[[route]]
name = "copy"
match = "in/*.csv"
destination = "s3://{destination_bucket}/{bucket}/{key}"

[[route]]
name = "decompress"
match = "in/*.gz"
destination = "s3://{destination_bucket}/{bucket}/{stem}"

[[route]]
name = "moved"
match = "moved/*"
destination = "s3://{destination_bucket}/{bucket}/{stem}"
after = { success = "move:done/", failure = "move:quarantine/" }

[[route]]
name = "deleted"
match = "deleted/*"
destination = "s3://{destination_bucket}/{bucket}/{stem}"
after = { success = "delete", failure = "tag" }

[[route]]
name = "archives"
match = ["archives/*.zip", "archives/*.tar"]
archive = "members"

[[route]]
name = "members"
match = "archives/*/*"
destination = "s3://{destination_bucket}/{bucket}/{stem}"

[[route]]
name = "items"
match = "items/*"
destination = "dynamodb:{records_table}"
max_rejects = 1000

[[route]]
name = "files"
match = "files/*"
destination = "parquet:s3://{destination_bucket}/lake/"
max_rejects = 1000
"""

# Of the events between services, beside the faults of requests.
DUPLICATES, REORDER, LOST_EVENTS, SKEW, LAG, COPIES = "duplicates", "reordering", "lost events", "skew", "lag", "copies"
# Somebody else writes or deletes the object at a destination, while an upload to it is open.
WRITERS = "other writers"
DISTURBANCES = (DUPLICATES, REORDER, LOST_EVENTS, SKEW, LAG, COPIES, WRITERS)
# Lambda does not invoke `ingest`, because the concurrency of the account is used up: messages die unread.
THROTTLED = "throttled invocations"
# In one history of so many.
THROTTLED_ONE_IN = 20
STOP, REDRIVE, DELETE, DEPLOY = "stop", "redrive", "delete", "deploy"
ACTS = (STOP, REDRIVE, DELETE, DEPLOY)


@dataclass(frozen=True, slots=True)
class Upload:
    """Something is uploaded ``at`` so many seconds."""

    at: float
    bucket: str
    key: str
    form: str
    size: int
    number: int


@dataclass(frozen=True, slots=True)
class Act:
    """A user, or an operator, does something."""

    at: float
    what: str
    number: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A history. ``seconds`` is what a request takes on average; ``limit`` the seconds of an invocation."""

    seed: int
    uploads: tuple[Upload, ...]
    acts: tuple[Act, ...]
    kinds: frozenset[Fault]
    disturbances: frozenset[str]
    marks: frozenset[str]
    rate: float
    most_faults: int
    seconds: float
    limit: float
    batch: int
    mirrors: bool


def plan_of(seed: int) -> Plan:
    """Draw a plan."""
    draw = Random(f"plan {seed}")
    keys = [f"in/{name}.{suffix}" for name, suffix in (("a", "csv"), ("b", "csv.gz"), ("c", "csv.gz"))]
    keys += ["items/d.csv", "items/e.csv.gz", "files/f.csv", "files/g.csv.gz", "archives/h.zip", "archives/i.tar"]
    keys += ["moved/j.csv", "moved/k.csv.gz", "deleted/l.csv", "deleted/m.csv.gz", "other/n.csv"]
    keys = draw.sample(keys, draw.choice((1, 1, 2, 3)))
    uploads = tuple(_upload(draw, number, keys) for number in range(draw.choice((1, 1, 2, 2, 3, 4))))
    return Plan(
        seed=seed,
        uploads=uploads,
        acts=tuple(_act(draw) for _ in range(draw.choice((0, 0, 0, 1, 1, 2, 3)))),
        kinds=frozenset(one for one in ALL if draw.random() < draw.choice((0.2, 0.6, 0.9))),
        disturbances=frozenset(one for one in DISTURBANCES if draw.random() < 0.35)
        | ({THROTTLED} if seed % THROTTLED_ONE_IN == THROTTLED_ONE_IN - 1 else set()),
        marks=frozenset(one for one in sorted(MARKS) if draw.random() < 0.4),
        rate=draw.choice((0.0, 0.003, 0.01, 0.03, 0.1)),
        most_faults=draw.choice((1, 2, 3, 5, 8, 13, 30)),
        seconds=draw.choice((0.01, 0.02, 0.05, 0.5, 3.0)),
        limit=draw.choice((900.0, 900.0, 300.0, 120.0)),
        batch=draw.choice((1, 1, 5)),
        mirrors=draw.random() < 0.2,
    )


def is_skipped(key: str) -> bool:
    """Whether no route takes a source."""
    return key.startswith("other/")


def is_archive(key: str) -> bool:
    """Whether a source is taken apart."""
    return key.startswith("archives/")


def is_table(key: str) -> bool:
    """Whether a source is loaded into a table."""
    return key.startswith(("items/", "files/"))


def _upload(draw: Random, number: int, keys: list[str]) -> Upload:
    key = draw.choice(keys)
    packed = ("gzip",) if is_table(key) else ("gzip", "gzip", "gzip", "members", "damaged")
    forms = ("plain",) if key.endswith((".csv", ".zip", ".tar")) else packed
    size = draw.choice((1_500, 1_500, 14_000, 14_000))
    bucket = draw.choice(("drops", "drops", "plain-drops"))
    return Upload(
        draw.choice((0.0, draw.uniform(0, 3), draw.uniform(0, 4_000))), bucket, key, draw.choice(forms), size, number
    )


def _act(draw: Random) -> Act:
    return Act(draw.choice((draw.uniform(0, 10), draw.uniform(0, 8_000))), draw.choice(ACTS), draw.randrange(1_000))
