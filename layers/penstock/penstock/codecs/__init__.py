"""Choose the codec of a source from the registered codecs.

A codec is a generator over ``Iterable[bytes]``. It does no I/O, and its output and memory are bounded per step.
docs/extend/codec.md says how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType

from penstock.codecs import bzip2, identity, unsupported
from penstock.codecs.checksum import crc32, crc32_combine
from penstock.codecs.codec import Codec
from penstock.codecs.gzip import codec as gzip
from penstock.codecs.trace import Trace
from penstock.codecs.xz import codec as xz
from penstock.codecs.zstd import codec as zstd
from penstock.errors import CodecMismatchError, ConfigurationError
from penstock.limits import MIN_WINDOW

__all__ = [
    "CODECS",
    "HEAD",
    "IDENTITY",
    "Codec",
    "Trace",
    "choose",
    "codec_by_name",
    "codecs_within",
    "crc32",
    "crc32_combine",
    "registered",
    "strip_suffix",
]

Describe = Callable[[int], Codec]
"""Describes a codec. The argument is the maximum window (dictionary) in bytes."""

# The registry: one line for each codec.
_REGISTRY: list[Describe] = [
    gzip.describe,
    bzip2.describe,
    xz.describe,
    zstd.describe,
    identity.describe,
]


@lru_cache(maxsize=8)
def codecs_within(window: int) -> Mapping[str, Codec]:
    """Return all codecs by name; zstd and xz accept windows (dictionaries) of at most ``window`` bytes."""
    return MappingProxyType({codec.name: codec for codec in (describe(window) for describe in _REGISTRY)})


_default = dict(codecs_within(MIN_WINDOW))
CODECS: Mapping[str, Codec] = MappingProxyType(_default)
"""All codecs by name, with the windows of a function with the minimum memory."""

IDENTITY = CODECS[identity.NAME]

# Bytes from the start of a source that ``choose`` needs; fewer only if the source is shorter.
HEAD = max(len(magic) for codec in CODECS.values() for magic in codec.magic)


@contextmanager
def registered(describe: Describe) -> Iterator[None]:
    """Add a codec for the duration of the context, to try it out. Its magic is at most HEAD bytes long."""
    name = describe(MIN_WINDOW).name
    _REGISTRY.insert(0, describe)
    codecs_within.cache_clear()
    _default[name] = codecs_within(MIN_WINDOW)[name]
    try:
        yield
    finally:
        _REGISTRY.remove(describe)
        del _default[name]
        codecs_within.cache_clear()


def choose(head: bytes, name: str, wanted: str = "auto", *, window: int = MIN_WINDOW) -> Codec:
    """Return the codec for a source that starts with ``head`` and has the name ``name``.

    ``auto`` uses the content, and checks the name against it: compressed content may have a plain name
    (Content-Encoding), but a name with the suffix of a codec must match the content. An empty source may have any name.
    ``wanted`` of a route overrides the name, and is checked against the content.

    Raises CodecMismatchError if the content does not match the name or ``wanted``, ConfigurationError if there is no
    such codec.
    """
    codecs = codecs_within(window)
    if wanted != "auto" and wanted not in codecs:
        raise ConfigurationError(f"unknown codec {wanted!r}", hint=f"Choose one of auto, {', '.join(codecs)}.")
    if not head or wanted == IDENTITY.name:
        return IDENTITY
    found = next((codec for codec in codecs.values() if codec.magic and head.startswith(codec.magic)), IDENTITY)
    promised = _promised(name) if wanted == "auto" else codecs[wanted]
    if promised is not IDENTITY and promised.name != found.name:
        plain = unsupported.name_of(head) or f"not compressed (it starts with {head[:4].hex(' ')})"
        content = found.name if found.magic else plain
        claim = f"its name {name!r} says" if wanted == "auto" else "its codec is set to"
        raise CodecMismatchError(f"{claim} {promised.name}, but the content is {content}", offset=0)
    return found


def strip_suffix(name: str) -> str:
    """Return the name of the content: ``a/b.csv.gz`` -> ``a/b.csv``, ``b.tgz`` -> ``b.tar``, ``b.csv`` -> ``b.csv``."""
    suffix = _suffix(name)
    stem = name.removesuffix(suffix)
    return stem + ".tar" if suffix.lower().startswith(".t") else stem


def codec_by_name(name: str) -> str:
    """Return the name of the codec that belongs to a name's suffix."""
    return _promised(name).name


def _promised(name: str) -> Codec:
    suffix = _suffix(name).lower()
    return next((codec for codec in CODECS.values() if suffix in codec.suffixes), IDENTITY)


def _suffix(name: str) -> str:
    """Return the last suffix of the name's last segment, unchanged, if it belongs to a codec; otherwise empty."""
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    claimed = stem and any((dot + suffix).lower() in codec.suffixes for codec in CODECS.values())
    return dot + suffix if claimed else ""
