"""How long things take, roughly: what is too much for one invocation, and what a span may hold.

An estimate only decides who does a job: one that proves wrong in the middle of it is handed over then.
"""

from __future__ import annotations

from penstock.codecs import CODECS, codec_by_name
from penstock.limits import MIB
from penstock.model.job import Job

# Decoded bytes of records that one vCPU loads into a table in a second (`python -m benchmarks append`). What a codec
# delivers in a second, and its ratio, the codec declares.
_LOADED = 25e6
# Bytes that pass a function's network in a second, whatever its memory: 600 Mbit/s, as others have measured.
# AWS publishes no figure.
NETWORK = 75e6
# Memory that buys one whole vCPU.
VCPU = 1769 * MIB


def estimated_seconds(job: Job, memory: int) -> float:
    """How long one invocation of so many bytes of memory would take for a job, going by its source's name and size."""
    codec = codec_by_name(job.source.key)
    return expected_bytes(codec, job.source.size) / bytes_per_second(codec, memory, parsed=job.route.plan is not None)


def expected_bytes(codec: str, size: int) -> int:
    """How many decoded bytes so many encoded ones hold, if they are text."""
    return size * CODECS[codec].typical_ratio


def bytes_per_second(codec: str, memory: int, *, parsed: bool) -> float:
    """Decoded bytes that an invocation delivers in a second: what CPU or network allow, whichever is less.

    ``parsed``: into rows. CPU follows memory; one vCPU of it is used. The network carries the encoded bytes in and all
    decoded bytes out.
    """
    declared = CODECS[codec]
    rate = min(declared.speed, _LOADED) if parsed else declared.speed
    return min(rate * min(1.0, memory / VCPU), NETWORK / (1 + 1 / declared.typical_ratio))
