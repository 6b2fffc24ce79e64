"""Deflate blocks without content (RFC 1951) that end at a given bit of a byte.

Decoders other than zlib cannot begin in the middle of a byte. Such blocks replace the bits that belong to the data
before it, so that the data after it need not be shifted.
"""

from __future__ import annotations

from functools import lru_cache

# Not the last block (0), fixed codes (01), end of block (0000000).
_FIXED = "010" + "0000000"


def _number(value: int, width: int) -> str:
    """Return the bits in their order in the stream: deflate packs numbers from the lowest bit."""
    return f"{value:0{width}b}"[::-1]


def _dynamic() -> str:
    """Return an empty block with its own codes: 91 bits, an odd number. Blocks with fixed codes have an even number.

    Two literals (0 and the end of block) and one distance have a code of one bit each, which every decoder accepts.
    """
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)
    counts = _number(257 - 257, 5) + _number(1 - 1, 5) + _number(len(order) - 4, 4)
    # The lengths of the codes are coded too: 0 is "one bit", 1 is "11 to 138 times none".
    codes = "".join(_number(int(symbol in (1, 18)), 3) for symbol in order)
    lengths = "0" + "1" + _number(138 - 11, 7) + "1" + _number(255 - 138 - 11, 7) + "0" + "0"
    return "001" + counts + codes + lengths + "1"


@lru_cache(maxsize=8)
def _blocks(bits: int) -> str:
    blocks = _dynamic() if bits % 2 else ""
    while len(blocks) % 8 != bits:
        blocks += _FIXED
    return blocks


def padded(bits: int, byte: int) -> bytes:
    """Return empty blocks that replace the ``bits`` (1 to 7) lowest bits of ``byte``; its other bits are kept."""
    blocks = _blocks(bits)
    kept = _number(byte >> bits, 8 - bits)
    stream = blocks + kept
    return int(stream[::-1], 2).to_bytes(len(stream) // 8, "little")
