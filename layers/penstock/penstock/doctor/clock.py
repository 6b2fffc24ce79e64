"""The clock of this machine: AWS refuses requests whose time is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, failed, passed, warning

# S3 refuses requests that differ by 15 minutes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
REFUSED = 900.0
_LARGE = 60.0
_REMEDY = "Set the clock of this machine, for example by NTP: timedatectl set-ntp true"


def skew(stack: Deployment, clock: Callable[[], float] = time.time) -> Iterator[Finding]:
    """How far the clock of this machine is from that of S3."""
    before = clock()
    theirs = stack.services.buckets.clock(stack.output("WorkBucketName"))
    yield compared((before + clock()) / 2, theirs)


def compared(ours: float, theirs: float) -> Finding:
    """Compare two times in Unix seconds. That of S3 has whole seconds."""
    seconds = ours - theirs
    found = f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} S3"
    if abs(seconds) >= REFUSED:
        return failed("clock", f"{found}: S3 refuses requests", _REMEDY)
    if abs(seconds) > _LARGE:
        return warning("clock", f"{found}: S3 refuses requests from 15 minutes on", _REMEDY)
    return passed("clock", "agrees with that of S3")
