"""How long a run of the reconciler takes that finds nothing: python -m benchmarks.idle_reconciler [--runs 40].

The function runs under the real runtime client, with Lambda's share of a CPU for its memory. DynamoDB is a server that
answers after 5 ms. docs/costs.md is made with the seconds that this prints (`benchmarks.idle_costs`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.dynamodb_server import light_server
from benchmarks.idle_costs import IdleStack

from penstock.explain.prices import listed_prices
from penstock_local.account import emulator_only
from penstock_local.runtime.environment import IngestEnvironment
from penstock_local.runtime.function import Function
from penstock_local.runtime.invocation import Invocation
from penstock_local.sources import checkout

LATENCY = 0.005
# Runs before the first that counts: the first one takes the tasks that are due.
WARM_UP = 3


def runs(count: int) -> Iterator[Invocation]:
    """Yield idle runs of a warm function."""
    memory = IdleStack.read(listed_prices()).template["Resources"]["ReconcileFunction"]["Properties"]["MemorySize"]
    with emulator_only() as account, light_server(latency=LATENCY) as dynamodb:
        queue = account.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
        env = {
            **IngestEnvironment(account).environment,
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
            "PENSTOCK_QUEUE_URL": queue,
            "PENSTOCK_DEAD_LETTER_QUEUE_URL": queue,
            "PENSTOCK_STATE_MACHINE": "arn:aws:states:us-east-1:000000000000:stateMachine:none",
            "PENSTOCK_ABORT_FUNCTION": "none",
            "PENSTOCK_UPLOAD_ROLES": "none",
        }
        code = checkout()
        with Function(
            "app.handler",
            code / "functions" / "reconcile",
            layers=(code / "layers" / "penstock",),
            env=env,
            memory=memory,
            timeout=120,
        ) as function:
            for number in range(count + WARM_UP):
                done = function.invoke({})
                if not done.ok:
                    raise RuntimeError(f"{done.error_type}: {done.error_message}\n{done.log}")
                if number >= WARM_UP:
                    yield done


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.idle_reconciler", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--runs", type=int, default=40, help="runs that count (default: %(default)s)")
    done = list(runs(parser.parse_args(argv).runs))
    seconds = sorted(one.seconds for one in done)
    print(
        f"{len(done)} idle runs, {done[0].enforced_by}: {median(seconds):.3f} s (from {seconds[0]:.3f} to "
        f"{seconds[-1]:.3f}), {median(len(one.log) for one in done):,.0f} bytes of log without Lambda's lines"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
