"""How a header says that a member is encoded: its method by number (APPNOTE 4.4.5), and its encryption."""

from __future__ import annotations

import struct
from typing import NamedTuple

from penstock.archives.zip.ciphers import AES, STRONG_ENCRYPTION, ZIPCRYPTO
from penstock.archives.zip.fields import AES_FIELD, ENCRYPTED, STRONG, extra_field
from penstock.model.member import STORED

# 20 is what zstd had first. Others are refused by number.
_METHODS = {
    0: STORED,
    8: "deflate",
    9: "deflate64",
    12: "bzip2",
    14: "lzma",
    20: "zstd",
    93: "zstd",
    95: "xz",
}
_AES_METHOD = 99
# The field of WinZip AES: version, vendor, strength, method. The second version declares no CRC32.
_AES = struct.Struct("<H2sBH")
_AES_VENDOR = b"AE"
_AES_BITS = {1: 128, 2: 192, 3: 256}
_AE_1, _AE_2 = 1, 2


class Coding(NamedTuple):
    """``method`` and ``encryption`` as in `MemberContent`. ``has_crc32``: the header's CRC32 is that of the member."""

    method: str
    encryption: str
    has_crc32: bool


def coding(flags: int, method: int, extra: bytes) -> Coding:
    """Return what a header says. A cipher that is unknown, or whose field is damaged, is named in a general way."""
    if not flags & ENCRYPTED:
        return Coding(_name(method), "", has_crc32=True)
    if flags & STRONG:
        return Coding(_name(method), STRONG_ENCRYPTION, has_crc32=False)
    if method != _AES_METHOD:
        return Coding(_name(method), ZIPCRYPTO, has_crc32=True)
    field = extra_field(extra, AES_FIELD) or b""
    if len(field) != _AES.size:
        return Coding(_name(method), AES, has_crc32=False)
    version, vendor, strength, inner = _AES.unpack(field)
    bits = _AES_BITS.get(strength)
    is_known = bits and vendor == _AES_VENDOR and version in (_AE_1, _AE_2)
    return Coding(_name(inner), f"{AES}-{bits}" if is_known else AES, has_crc32=version != _AE_2)


def _name(method: int) -> str:
    return _METHODS.get(method, f"method {method}")
