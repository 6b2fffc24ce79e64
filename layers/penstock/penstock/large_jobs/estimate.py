"""Estimates of duration: which job is too large for one invocation, and how large a span may be.

An estimate only decides where a job runs. If it proves wrong while the job runs, the job is handed over.
"""

from __future__ import annotations

from penstock.codecs import CODECS, IDENTITY, codec_by_name
from penstock.delivery.member_store import codec_around
from penstock.errors import TimeLimitError
from penstock.limits import MIB
from penstock.model.job import Job
from penstock.model.member import MemberContent

# Decoded bytes of records that one vCPU loads into a table in a second (`python -m benchmarks append`). Each codec
# declares its own speed and ratio.
_LOADED = 25e6
# Bytes a second of a function's network, independent of its memory: 600 Mbit/s, as others have measured
# (https://github.com/sjakthol/aws-network-benchmark). What AWS has announced since for functions of 2 GB and more
# outside a VPC is not counted on.
NETWORK = 75e6
# Memory that gives a function one full vCPU.
VCPU = 1769 * MIB
# Methods of archives that are no codecs of sources, and the codecs that are about as fast.
_AS_FAST_AS = {"deflate": "gzip", "deflate64": "xz", "lzma": "xz"}


def estimated_seconds(job: Job, memory: int) -> float:
    """Estimate the seconds of a job in one invocation with ``memory`` bytes, by name and size of its source.

    The size of a member is that of its decoded bytes, which its archive declares.
    """
    source, codec = job.source, codec_by_name(job.source.key)
    decoded = expected_bytes(codec, source.size)
    content = source.member.content if source.member else None
    if content and codec == IDENTITY.name:
        codec = content.method
    seconds = decoded / bytes_per_second(codec, memory, parsed=text_ratio_of(job))
    around = codec_around(source)
    seconds += source.size / decoded_per_second(around, memory) if around else 0.0
    return seconds + _decrypting_seconds(job, memory)


def refuse_slow_decryption(job: Job, seconds: float, memory: int) -> None:
    """Raises TimeLimitError if a member is encrypted, and its job would take longer than ``seconds``."""
    needed = estimated_seconds(job, memory)
    if needed > seconds and (content := _encrypted(job)):
        raise TimeLimitError(
            f"{job.source.uri}: the member is encrypted ({content.encryption}), so that one invocation must read it in "
            f"order, which would take about {needed:,.0f} s; an invocation has {seconds:,.0f} s",
            hint="Send it without encryption or as several members, or increase MemorySize, which also sets the CPU.",
        )


def _decrypting_seconds(job: Job, memory: int) -> float:
    content = _encrypted(job)
    if content is None:
        return 0.0
    from penstock.archives.zip.ciphers import CIPHERS  # noqa: PLC0415  # few jobs meet an encrypted member

    if content.encryption not in CIPHERS:
        return 0.0
    # Before rows are loaded, all of the member is decrypted once to prove it.
    passes = 2 if job.route.plan else 1
    rate = CIPHERS[content.encryption].speed * min(1.0, memory / VCPU)
    return passes * (content.end - content.start) / rate


def _encrypted(job: Job) -> MemberContent | None:
    content = job.source.member.content if job.source.member else None
    return content if content and content.encryption else None


def expected_bytes(codec: str, size: int) -> int:
    """Estimate the decoded bytes of ``size`` encoded bytes, if they are text."""
    return size * CODECS[codec].typical_ratio


def decoded_per_second(codec: str, memory: int) -> float:
    """Estimate the bytes that an invocation decodes in a second, without delivering them."""
    declared = CODECS[codec]
    return min(declared.speed * min(1.0, memory / VCPU), NETWORK * declared.typical_ratio)


def text_ratio_of(job: Job) -> float:
    """Return what `bytes_per_second` calls ``parsed``, for the source of a job."""
    if job.route.plan is None:
        return 0.0
    from penstock.formats import text_ratio  # noqa: PLC0415  # jobs of buckets load no parser

    return text_ratio(job.source.key, job.route.plan.parse)


def bytes_per_second(codec: str, memory: int, *, parsed: float) -> float:
    """Estimate the decoded bytes that an invocation delivers in a second, limited by CPU or network.

    ``parsed``: 0 if the bytes are not parsed into rows, otherwise `penstock.formats.text_ratio`. CPU is proportional to
    memory, and at most one vCPU is used. The network carries the encoded bytes in and the decoded bytes out. ``codec``
    may also be the method of an archive's member.
    """
    declared = CODECS.get(_AS_FAST_AS.get(codec, codec), IDENTITY)
    rate = min(declared.speed, _LOADED / parsed) if parsed else declared.speed
    return min(rate * min(1.0, memory / VCPU), NETWORK / (1 + 1 / declared.typical_ratio))
