"""Limits of AWS, and figures that others have measured, each with the page that states it."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.large_jobs.estimate import NETWORK
from penstock.large_jobs.span_planning import MAX_SPANS
from penstock.limits import MIB, S3

_DOCS = "https://docs.aws.amazon.com"


@dataclass(frozen=True, slots=True)
class Published:
    """One limit: ``what`` it is of, and its ``value`` as a text for readers."""

    what: str
    value: str
    url: str


# Bytes a second of the network of a function of 10 GB outside a VPC, as AWS has announced.
ENHANCED_NETWORK = 375e6
# Executions of an account and region at once; those of a new account; and those a function may add in ten seconds.
CONCURRENCY, NEW_CONCURRENCY, ADDED_IN_TEN_SECONDS = 1_000, 10, 1_000
# Bytes of the event of a synchronous invocation.
PAYLOAD = 6 * MIB
# Requests a second to a prefix of a bucket; one object cannot be divided into prefixes.
S3_PUTS, S3_GETS = S3.puts_a_second, 5_500
# Units a second of a partition, and so of an item or a key of an index; and of a new table on demand, all in all.
PARTITION_WRITES, PARTITION_READS, NEW_TABLE_WRITES = 1_000, 3_000, 4_000
# Messages that are received and not yet deleted.
IN_FLIGHT = 120_000
# Connections that RDS accepts: one for so many bytes of the instance, and this many at most.
BYTES_OF_A_CONNECTION, MOST_CONNECTIONS = 9_531_392, 5_000
# Commits a second to an Iceberg table: one is the sure end of "one or two".
COMMITS = 1

LIMITS = (
    Published(
        "network of a function, whatever its memory (measured by others)",
        f"{NETWORK / 1e6:.0f} MB/s, 600 Mbit/s",
        "https://github.com/sjakthol/aws-network-benchmark",
    ),
    Published(
        "network of a function outside a VPC, announced in August 2026; not counted on",
        f"625 Mbit/s at 2 GB to {ENHANCED_NETWORK * 8 / 1e6:,.0f} at 10 GB",
        "https://aws.amazon.com/about-aws/whats-new/2026/08/aws-lambda-network-bandwidth/",
    ),
    Published(
        "concurrency of Lambda in an account and region; of a new account",
        f"{CONCURRENCY:,}; {NEW_CONCURRENCY}",
        f"{_DOCS}/lambda/latest/dg/gettingstarted-limits.html",
    ),
    Published(
        "environments that a function may add",
        f"{ADDED_IN_TEN_SECONDS:,} in ten seconds",
        f"{_DOCS}/lambda/latest/dg/scaling-behavior.html",
    ),
    Published(
        "batches of a queue at once; `MaximumConcurrency`",
        "5 at first, 300 more a minute; 2 to 1,000",
        f"{_DOCS}/lambda/latest/dg/services-sqs-scaling.html",
    ),
    Published("event of an invocation", "6 MB", f"{_DOCS}/lambda/latest/dg/gettingstarted-limits.html"),
    Published(
        "requests to a prefix of S3",
        f"{S3_PUTS:,} PUT and {S3_GETS:,} GET a second",
        f"{_DOCS}/AmazonS3/latest/userguide/optimizing-performance.html",
    ),
    Published(
        "object and upload of S3",
        f"{S3.max_object:,} bytes, {S3.max_parts:,} parts of 5 MiB to 5 GiB",
        f"{_DOCS}/AmazonS3/latest/userguide/qfacts.html",
    ),
    Published(
        "item or index key of DynamoDB, which are in one partition",
        f"{PARTITION_WRITES:,} write units and {PARTITION_READS:,} read units a second",
        f"{_DOCS}/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html",
    ),
    Published(
        "new table on demand; later, twice its last peak",
        f"{NEW_TABLE_WRITES:,} write units a second",
        f"{_DOCS}/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html",
    ),
    Published(
        "messages of a queue in flight",
        f"{IN_FLIGHT:,}",
        f"{_DOCS}/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html",
    ),
    Published(
        "children of a Distributed Map at once; events of a history; payload",
        f"{MAX_SPANS:,}; 25,000; 256 KiB",
        f"{_DOCS}/step-functions/latest/dg/service-quotas.html",
    ),
    Published(
        "connections of RDS for PostgreSQL, by default",
        f"memory / {BYTES_OF_A_CONNECTION:,} bytes, at most {MOST_CONNECTIONS:,}",
        f"{_DOCS}/AmazonRDS/latest/UserGuide/CHAP_Limits.html",
    ),
    Published(
        "commits to an Iceberg table (simulated by others)",
        "1 to 2 a second",
        "https://cdouglas.github.io/posts/2026/03/catalog",
    ),
    Published(
        "versions of a table in Glue, which Penstock does not archive (`SkipArchive`)",
        "100,000",
        "https://repost.aws/knowledge-center/glue-table-version-errors",
    ),
)


def limit_table() -> list[str]:
    return [
        "| limit | value | source |",
        "|---|---|---|",
        *(f"| {one.what} | {one.value} | [page]({one.url}) |" for one in LIMITS),
    ]
