"""Valid input, damaged: bytes, and trees of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

# Numbers at which something changes: signs, sizes of fields, what a float holds exactly.
EDGES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)
LONGEST = 1 << 18

Edit = Callable[[Random, bytearray, Sequence[bytes]], None]


def damaged(rng: Random, data: bytes, tokens: Sequence[bytes] = (), most: int = 4) -> bytes:
    """``data`` after up to ``most`` edits; one example in eight stays as it is. ``tokens`` are what is put in."""
    text = bytearray(data)
    if rng.random() < 0.125:
        return bytes(text)
    for _ in range(rng.randint(1, most)):
        rng.choice(EDITS)(rng, text, tokens)
    return bytes(text[:LONGEST])


def _stretch(rng: Random, text: bytearray) -> tuple[int, int]:
    """A place, and one a little or a lot further on."""
    start = rng.randint(0, len(text))
    return start, min(len(text), start + rng.choice((1, 2, 4, rng.randint(0, 64), rng.randint(0, len(text)))))


def _flip(rng: Random, text: bytearray, _: Sequence[bytes]) -> None:
    if text:
        text[rng.randrange(len(text))] ^= 1 << rng.randrange(8)


def _byte(rng: Random, text: bytearray, _: Sequence[bytes]) -> None:
    if text:
        text[rng.randrange(len(text))] = rng.choice((0, 0xFF, 0x80, 0x7F, rng.randrange(256)))


def _number(rng: Random, text: bytearray, _: Sequence[bytes]) -> None:
    size = rng.choice((1, 2, 4, 8))
    number = (rng.choice(EDGES) % 256**size).to_bytes(size, rng.choice(("little", "big")))
    if len(text) >= size:
        at = rng.randint(0, len(text) - size)
        text[at : at + size] = number


def _cut(rng: Random, text: bytearray, _: Sequence[bytes]) -> None:
    del text[rng.randint(0, len(text)) :]


def _drop(rng: Random, text: bytearray, _: Sequence[bytes]) -> None:
    start, end = _stretch(rng, text)
    del text[start:end]


def _repeat(rng: Random, text: bytearray, _: Sequence[bytes]) -> None:
    start, end = _stretch(rng, text)
    times = rng.choice((1, 1, 2, 30, 3000 if end - start < 64 else 1))
    text[start:start] = text[start:end] * times


def _splice(rng: Random, text: bytearray, _: Sequence[bytes]) -> None:
    start, end = _stretch(rng, text)
    to, until = _stretch(rng, text)
    text[to:until] = text[start:end]


def _token(rng: Random, text: bytearray, tokens: Sequence[bytes]) -> None:
    start, end = _stretch(rng, text)
    token = rng.choice(tokens) if tokens else rng.randbytes(rng.randint(1, 8))
    text[start : rng.choice((start, end))] = token


EDITS: tuple[Edit, ...] = (_flip, _byte, _number, _cut, _drop, _repeat, _splice, _token, _token)

# Integers of more digits are refused by Python itself (sys.int_info), nesting beyond some 1,000 by its stack.
DIGITS = 5000
ODD: tuple[Any, ...] = (
    *(None, True, False, "", [], {}, 0, -1, 1, 0.0, -0.0, 1.5, float("nan"), float("inf"), -float("inf"), 1e308),
    *(2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**400, "0", "1", "-1", " 1", "1e5", "nan", "a", "é", "\0"),
    *("\ud800", "\udfff\ud800", "%", "%ff", "%00", "+", "../..", "9" * DIGITS, "x" * 70_000, "\u202e", "=", "AAAA"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01", "2026-02-30T00:00:00Z", "1e999"),
    *([1], [[]], ["a"], {"a": 1}, {"": None}),
)


def odd(rng: Random) -> Any:
    """A JSON value that is likely to be of the wrong type or size."""
    if rng.random() < 0.05:
        return nested(rng)
    return rng.choice(ODD)


def nested(rng: Random) -> Any:
    value: Any = rng.choice((1, "a", None))
    for _ in range(rng.choice((3, 50, 900, 3000))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def damaged_tree(rng: Random, value: Any) -> Any:
    """A tree of JSON in which one to three values are others, are gone, or stand elsewhere."""
    for _ in range(rng.randint(1, 3)):
        value = _damaged_once(rng, value)
    return value


def _damaged_once(rng: Random, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or rng.random() < 0.02:
        return odd(rng)
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    place = rng.choice(places)
    changed: Any = value.copy()
    match rng.randrange(12):
        case 0:
            del changed[place]
        case 1 if isinstance(changed, dict):
            changed[rng.choice(("", "a", "size", "\ud800", "x" * 2000))] = odd(rng)
        case 2:
            changed[place] = value[rng.choice(places)]
        case 3 | 4 | 5:
            changed[place] = odd(rng)
        case _:
            inner = value[place]
            if isinstance(inner, str) and rng.random() < 0.3:
                changed[place] = damaged(rng, inner.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
            else:
                changed[place] = _damaged_once(rng, inner)
    return changed


def json_text(value: Any) -> bytes:
    """As JSON; what is nested too deeply for Python to write, as a list of so many brackets."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b'{"Records":' + b"[" * 5000 + b"]" * 5000 + b"}"
