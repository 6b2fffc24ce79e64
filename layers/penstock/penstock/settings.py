"""The environment, parsed once into a frozen value. Nothing else reads environment variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from penstock.errors import ConfigurationError
from penstock.limits import MIB

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a deployment decides. ``memory`` is in bytes, times are in seconds.

    ``source_buckets`` and ``destination_buckets`` are all that the functions may use, those of the stack first.
    """

    jobs_table: str
    source_buckets: tuple[str, ...]
    destination_buckets: tuple[str, ...]
    work_bucket: str
    memory: int
    # Buckets that the stack made; empty where it makes none.
    own_source_bucket: str = ""
    own_destination_bucket: str = ""
    routes_uri: str = ""
    records_table: str = ""
    postgres_dsn: str = field(default="", repr=False)  # may hold a password
    postgres_secret: str = ""
    postgres_iam: bool = False
    # The catalog of Iceberg tables: "glue", the ARN of a table bucket, or the URI of a REST catalog; empty for none.
    # Where new tables lie, and the secret of a REST catalog.
    iceberg_catalog: str = ""
    iceberg_warehouse: str = ""
    iceberg_secret: str = ""
    job_retention_days: int = 90
    # Long enough to sit out S3's retries between two beats, short enough that a killed job is taken over soon.
    lease_seconds: float = 60.0
    heartbeat_seconds: float = 2.0
    # What an abort or a completion may need at the end: S3 completes thousands of parts within seconds.
    margin_seconds: float = 10.0
    # ARN of the state machine that takes jobs which do not fit one invocation; empty where there is none.
    state_machine: str = ""
    # Spans of one job that the machine works on at once; 0 for what the account's quota allows.
    map_concurrency: int = 0
    # Of the four below, 0 leaves the choice to the planner. Encoded size from which on a job goes to the machine,
    # decoded bytes of a span and between two entries of an index, and a lower limit on an invocation's time.
    large_bytes: int = 0
    span_bytes: int = 0
    index_spacing: int = 0
    time_limit_seconds: float = 0.0

    # What the reconciler needs: queues, the function `abort`, and the roles under which uploads are begun.
    queue_url: str = ""
    dead_letter_queue_url: str = ""
    abort_function: str = ""
    upload_roles: tuple[str, ...] = ()
    # What `after` may do to the objects of sources: the parameter AfterActions.
    after_actions: str = "none"
    # Bytes above which `after` copies an object in parts of so many bytes; 0 for what S3 copies at once. For tests.
    copy_bytes: int = 0

    # The queue of the function `commit`; empty where there is none.
    commit_queue_url: str = ""
    # The function `commit`, for functions that may not change tables themselves.
    commit_function: str = ""

    # ARN of the topic to which `announce` publishes; empty for none. The stack that it names.
    events_topic: str = ""
    stack: str = ""

    VARIABLES: ClassVar[frozenset[str]] = frozenset(
        {
            "PENSTOCK_JOBS_TABLE",
            "PENSTOCK_SOURCE_BUCKET",
            "PENSTOCK_DESTINATION_BUCKET",
            "PENSTOCK_SOURCE_BUCKETS",
            "PENSTOCK_DESTINATION_BUCKETS",
            "PENSTOCK_WORK_BUCKET",
            "PENSTOCK_ROUTES_URI",
            "PENSTOCK_RECORDS_TABLE",
            "PENSTOCK_POSTGRES_DSN",
            "PENSTOCK_POSTGRES_SECRET",
            "PENSTOCK_POSTGRES_IAM",
            "PENSTOCK_ICEBERG_CATALOG",
            "PENSTOCK_ICEBERG_WAREHOUSE",
            "PENSTOCK_ICEBERG_SECRET",
            "PENSTOCK_JOB_RETENTION_DAYS",
            "PENSTOCK_LEASE_SECONDS",
            "PENSTOCK_BEAT_SECONDS",
            "PENSTOCK_MARGIN_SECONDS",
            "PENSTOCK_STATE_MACHINE",
            "PENSTOCK_MAP_CONCURRENCY",
            "PENSTOCK_LARGE_BYTES",
            "PENSTOCK_SPAN_BYTES",
            "PENSTOCK_INDEX_SPACING",
            "PENSTOCK_TIME_LIMIT_SECONDS",
            "PENSTOCK_QUEUE_URL",
            "PENSTOCK_DEAD_LETTER_QUEUE_URL",
            "PENSTOCK_ABORT_FUNCTION",
            "PENSTOCK_UPLOAD_ROLES",
            "PENSTOCK_AFTER_ACTIONS",
            "PENSTOCK_EVENTS_TOPIC",
            "PENSTOCK_STACK",
            "PENSTOCK_COPY_BYTES",
            "PENSTOCK_COMMIT_QUEUE_URL",
            "PENSTOCK_COMMIT_FUNCTION",
        }
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises ConfigurationError naming the variable that is missing or malformed."""

        def text(name: str) -> str:
            value = environment.get(name, "")
            if not value:
                raise ConfigurationError(f"environment variable {name} is not set")
            return value

        def number(name: str, parse: Callable[[str], N], default: N) -> N:
            value = environment.get(name, "")
            if not value:
                return default
            try:
                parsed = parse(value)
            except ValueError as error:
                raise ConfigurationError(f"environment variable {name} is not a number: {value!r}") from error
            # Where the default is 0, so may the value be.
            if parsed < 0 or (parsed == 0 and default != 0):
                raise ConfigurationError(f"environment variable {name} must be positive: {value!r}")
            return parsed

        def buckets(names: str, own: str) -> tuple[str, ...]:
            # A function of an earlier release knows the stack's own bucket only.
            listed = environment.get(names, "") or environment.get(own, "")
            return tuple(filter(None, listed.split(",")))

        source_buckets = buckets("PENSTOCK_SOURCE_BUCKETS", "PENSTOCK_SOURCE_BUCKET")
        if not source_buckets:
            raise ConfigurationError("environment variable PENSTOCK_SOURCE_BUCKET is not set")
        return cls(
            jobs_table=text("PENSTOCK_JOBS_TABLE"),
            source_buckets=source_buckets,
            destination_buckets=buckets("PENSTOCK_DESTINATION_BUCKETS", "PENSTOCK_DESTINATION_BUCKET"),
            work_bucket=text("PENSTOCK_WORK_BUCKET"),
            own_source_bucket=environment.get("PENSTOCK_SOURCE_BUCKET", ""),
            own_destination_bucket=environment.get("PENSTOCK_DESTINATION_BUCKET", ""),
            memory=number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", int, 1769) * MIB,
            routes_uri=environment.get("PENSTOCK_ROUTES_URI", ""),
            records_table=environment.get("PENSTOCK_RECORDS_TABLE", ""),
            postgres_dsn=environment.get("PENSTOCK_POSTGRES_DSN", ""),
            postgres_secret=environment.get("PENSTOCK_POSTGRES_SECRET", ""),
            postgres_iam=environment.get("PENSTOCK_POSTGRES_IAM", "") == "true",
            iceberg_catalog=environment.get("PENSTOCK_ICEBERG_CATALOG", ""),
            iceberg_warehouse=environment.get("PENSTOCK_ICEBERG_WAREHOUSE", ""),
            iceberg_secret=environment.get("PENSTOCK_ICEBERG_SECRET", ""),
            job_retention_days=number("PENSTOCK_JOB_RETENTION_DAYS", int, 90),
            lease_seconds=number("PENSTOCK_LEASE_SECONDS", float, 60.0),
            heartbeat_seconds=number("PENSTOCK_BEAT_SECONDS", float, 2.0),
            margin_seconds=number("PENSTOCK_MARGIN_SECONDS", float, 10.0),
            state_machine=environment.get("PENSTOCK_STATE_MACHINE", ""),
            map_concurrency=number("PENSTOCK_MAP_CONCURRENCY", int, 0),
            large_bytes=number("PENSTOCK_LARGE_BYTES", int, 0),
            span_bytes=number("PENSTOCK_SPAN_BYTES", int, 0),
            index_spacing=number("PENSTOCK_INDEX_SPACING", int, 0),
            time_limit_seconds=number("PENSTOCK_TIME_LIMIT_SECONDS", float, 0.0),
            queue_url=environment.get("PENSTOCK_QUEUE_URL", ""),
            dead_letter_queue_url=environment.get("PENSTOCK_DEAD_LETTER_QUEUE_URL", ""),
            abort_function=environment.get("PENSTOCK_ABORT_FUNCTION", ""),
            upload_roles=tuple(filter(None, environment.get("PENSTOCK_UPLOAD_ROLES", "").split(","))),
            copy_bytes=number("PENSTOCK_COPY_BYTES", int, 0),
            after_actions=environment.get("PENSTOCK_AFTER_ACTIONS", "") or "none",
            events_topic=environment.get("PENSTOCK_EVENTS_TOPIC", ""),
            stack=environment.get("PENSTOCK_STACK", ""),
            commit_queue_url=environment.get("PENSTOCK_COMMIT_QUEUE_URL", ""),
            commit_function=environment.get("PENSTOCK_COMMIT_FUNCTION", ""),
        )
