"""How long `announce` takes for one end and for a hundred: python -m benchmarks.announcing [--runs 20].

The function runs under the real runtime client, with Lambda's share of a CPU for its memory, against the emulator: one
request to EventBridge and one to SNS for ten ends. `benchmarks.event_costs` has the seconds that this prints.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.idle_costs import IdleStack

from penstock.explain.prices import listed_prices
from penstock_local.account import emulator_only
from penstock_local.runtime.environment import IngestEnvironment
from penstock_local.runtime.function import Function
from penstock_local.runtime.invocation import Invocation
from penstock_local.sam_local.events import event_file
from penstock_local.sources import checkout

WARM_UP = 2


def batch(size: int, run: int) -> dict[str, Any]:
    """Return an event with so many ends of jobs, none of which was seen before."""
    (end, _) = event_file("stream/announce")["Records"]
    records = []
    for number in range(size):
        record = copy.deepcopy(end)
        record["dynamodb"]["SequenceNumber"] = f"{run:06d}{number:06d}"
        records.append(record)
    return {"Records": records}


def runs(size: int, count: int) -> Iterator[Invocation]:
    """Yield runs of a warm function."""
    memory = IdleStack.read(listed_prices()).template["Resources"]["AnnounceFunction"]["Properties"]["MemorySize"]
    with emulator_only() as account:
        topic = account.client("sns").create_topic(Name="ended-jobs")["TopicArn"]
        env = {**IngestEnvironment(account).environment, "PENSTOCK_EVENTS_TOPIC": topic}
        code = checkout()
        with Function(
            "app.handler",
            code / "functions" / "announce",
            layers=(code / "layers" / "penstock",),
            env=env,
            memory=memory,
            timeout=120,
        ) as function:
            for number in range(count + WARM_UP):
                done = function.invoke(batch(size, number))
                if not done.ok or done.payload != {"batchItemFailures": []}:
                    raise RuntimeError(f"{done.error_type}: {json.dumps(done.payload)}\n{done.log}")
                if number >= WARM_UP:
                    yield done


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.announcing", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=20, help="runs that count (default: %(default)s)")
    count = parser.parse_args(argv).runs
    for size in (1, 100):
        done = list(runs(size, count))
        seconds = sorted(one.seconds for one in done)
        print(
            f"{size} ends: {median(seconds):.3f} s (from {seconds[0]:.3f} to {seconds[-1]:.3f}), "
            f"{done[0].enforced_by}, "
            f"{median(len(one.log) for one in done):,.0f} bytes of log without Lambda's lines"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
