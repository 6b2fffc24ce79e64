"""How long things take, roughly: what is too much for one invocation, and what a span may hold.

An estimate only decides who does a job: one that proves wrong in the middle of it is handed over then.
"""

from __future__ import annotations

from penstock.codecs import codec_by_name
from penstock.limits import MIB
from penstock.model.job import Job
from penstock.model.route import Store

# Decoded bytes that one vCPU delivers in a second (`python -m benchmarks gunzip append`, `benchmarks.codec_speed`), and
# how many come out of one byte of a text file.
_DELIVERED = {"gzip": 250e6, "zstd": 250e6, "identity": 300e6, "xz": 80e6, "bzip2": 30e6}
_LOADED = 25e6
_RATIO = {"gzip": 6, "zstd": 6, "xz": 10, "bzip2": 8, "identity": 1}
# Bytes that pass a function's network in a second, whatever its memory: 600 Mbit/s, as others have measured.
# AWS publishes no figure.
NETWORK = 75e6
# Memory that buys one whole vCPU.
VCPU = 1769 * MIB


def estimated_seconds(job: Job, memory: int) -> float:
    """How long one invocation of so many bytes of memory would take for a job, going by its source's name and size."""
    codec = codec_by_name(job.source.key)
    return expected_bytes(codec, job.source.size) / bytes_per_second(codec, job.route.store, memory)


def expected_bytes(codec: str, size: int) -> int:
    """How many decoded bytes so many encoded ones hold, if they are text."""
    return size * _RATIO[codec]


def bytes_per_second(codec: str, store: Store, memory: int) -> float:
    """Decoded bytes that an invocation delivers in a second: as CPU or network allow, whichever takes longer.

    CPU follows memory, of which one vCPU is used. Of what is delivered, the encoded bytes came in and all goes out.
    """
    rate = _DELIVERED[codec] if store is Store.BUCKET else min(_DELIVERED[codec], _LOADED)
    return min(rate * min(1.0, memory / VCPU), NETWORK / (1 + 1 / _RATIO[codec]))
