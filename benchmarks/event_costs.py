"""What the events and messages of a million jobs cost."""

from __future__ import annotations

from collections.abc import Iterator

from faults.template import read_template

from penstock.explain.costs import GB, MILLION
from penstock.explain.prices import Prices

JOBS = 1_000_000
# Seconds of `announce` for as many ends (`python -m benchmarks.announcing`), and bytes of its log with Lambda's lines.
SECONDS = {1: 0.024, 100: 0.488}
LOG = 850
MB_OF_GB = 1024


def event_table(prices: Prices) -> Iterator[str]:
    """Yield the dollars for a million jobs: of the services, and of the function, by how many ends it gets at once."""
    memory = int(read_template()["Resources"]["AnnounceFunction"]["Properties"]["MemorySize"])
    yield "| a million jobs | dollars |"
    yield "|---|---|"
    yield f"| events (EventBridge) | {prices.eventbridge.million_custom_events:.2f} |"
    yield f"| messages to a topic (SNS), without their delivery | {prices.sns.million_publishes:.2f} |"
    for size, seconds in SECONDS.items():
        calls = JOBS / size
        dollars = calls * (
            prices.lambda_.million_requests / MILLION
            + seconds * memory / MB_OF_GB * prices.lambda_.gb_second_x86_64
            + LOG * prices.cloudwatch.gb_logs / GB
        )
        name = "one end at a time" if size == 1 else f"{size} ends at a time"
        yield f"| `announce`, {name} | {dollars:.2f} |"
