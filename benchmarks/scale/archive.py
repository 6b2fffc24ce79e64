"""A zip of a million members of 1 KB, by the forecast of `penstock explain`."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.member_requests import SIZE, STATED, estimated
from benchmarks.scale.case import Case, Stage, duration
from benchmarks.scale.planned import listing_memory
from benchmarks.scale.published import S3_GETS, S3_PUTS
from benchmarks.scale.recorded import Recorded, recorded

from penstock.delivery.block_ranges import BLOCK
from penstock.explain.archive_forecast import LISTED_CPU, MEMBER_CPU, MEMBER_LEAST
from penstock.explain.explanation import StackEnvironment
from penstock.explain.prices import listed_prices
from penstock.large_jobs.estimate import VCPU
from penstock.limits import MIB

# Each member costs the same: two forecasts of few members say what a million cost.
FEW, MORE = 1_000, 2_000


def plan() -> Recorded:
    return recorded(f"a zip of {STATED:,} members")


def notes() -> Iterator[str]:
    """What the plan takes, and what the first bottleneck means for the time."""
    least = listing_memory(plan().seconds)
    yield (
        f"- The plan takes {plan().memory} MiB and {plan().seconds:.0f} s of a vCPU, in one invocation. Below {least} "
        "MB, its CPU needs more than 15 minutes, and the archive is refused with `TimeLimitError`. Deploy with 256 or "
        "more."
    )
    yield f"- PUTs of all members to one prefix take {STATED / S3_PUTS:.0f} s. `penstock explain` counts them, too."


def members() -> Case:
    environment = StackEnvironment({})
    few, more = (estimated(number, large_bytes=number * SIZE) for number in (FEW, MORE))
    steps = (STATED - FEW) / (MORE - FEW)
    prices = listed_prices()
    dollars = few.usage.dollars(prices) + (more.usage.dollars(prices) - few.usage.dollars(prices)) * steps
    each = max(MEMBER_LEAST, MEMBER_CPU * VCPU / environment.memory)

    def stages() -> Iterator[Stage]:
        yield Stage(
            "plan: one function lists the directory, twice",
            1 / (2 * LISTED_CPU),
            f"{LISTED_CPU * 1e6:.0f} microseconds of CPU an entry",
            "`MemorySize`, up to one vCPU (1769)",
        )
        yield Stage(
            f"work: {environment.workers} batches at once",
            environment.workers / each,
            f"{each * 1e3:.0f} ms a member",
            "`MapConcurrency`",
        )
        yield Stage(
            "PUTs to one prefix",
            S3_PUTS,
            f"{S3_PUTS:,} a second",
            "routes with several prefixes, if S3 has divided them",
        )
        yield Stage(
            "GETs of the archive", S3_GETS * BLOCK / SIZE, f"{S3_GETS:,} a second of {BLOCK / MIB:.2g} MiB", "none"
        )

    listing, *delivering = stages()
    seconds = STATED / listing.carries + STATED / min(stage.carries for stage in delivering)
    return Case(
        f"a zip of {STATED:,} members of {SIZE // 1000} KB",
        "members/s",
        [listing, *delivering],
        duration(seconds),
        f"{dollars:.2f}",
        f"{plan().memory} MiB for the plan",
    )
