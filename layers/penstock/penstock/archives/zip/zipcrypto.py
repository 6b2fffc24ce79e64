"""ZipCrypto, the first encryption of zip (APPNOTE 6.1).

Each byte of the keystream depends on the byte before, so Python decrypts 3 MB a second. stream-unzip has the same in
compiled code, 70 MB a second; its module is loaded by itself, without the rest of that package. Where it is missing,
Python does the work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec

from penstock.codecs.checksum import crc32
from penstock.model.member import MemberContent

_PACKAGE, _MODULE = "stream_unzip", "stream_unzip._zipcrypto"

_FIRST_KEYS = (0x12345678, 0x23456789, 0x34567890)
_FACTOR, _MASK = 134_775_813, 0xFFFFFFFF

Decrypt = Callable[[bytes], bytes]


class ZipCryptoDecryptor:
    """Implements ``Decryptor``. Only the CRC32 of the decoded bytes proves them."""

    def __init__(self, decrypt: Decrypt) -> None:
        self.decrypt = decrypt

    def is_genuine(self, trailer: bytes) -> bool:  # noqa: ARG002  # there is none
        return True


def open_member(header: bytes, password: bytes, content: MemberContent) -> ZipCryptoDecryptor | None:
    """Return what decrypts a member; None if the last byte of its header shows that the password is wrong."""
    decrypt = (compiled() or in_python)(password)
    last = decrypt(header)[-1]
    return ZipCryptoDecryptor(decrypt) if content.password_check in (None, last) else None


def in_python(password: bytes) -> Decrypt:
    """Return what decrypts the bytes of one member, in order."""
    table, keystream = _table(), _keystream()
    first, second, third = _FIRST_KEYS
    for byte in password:
        first = table[(first ^ byte) & 0xFF] ^ first >> 8
        second = (second + (first & 0xFF)) * _FACTOR + 1 & _MASK
        third = table[(third ^ second >> 24) & 0xFF] ^ third >> 8

    def decrypt(data: bytes) -> bytes:
        nonlocal first, second, third
        one, two, three = first, second, third
        decrypted = bytearray()
        add = decrypted.append
        for byte in data:
            plain = byte ^ keystream[three & 0xFFFF]
            add(plain)
            one = table[(one ^ plain) & 0xFF] ^ one >> 8
            two = (two + (one & 0xFF)) * _FACTOR + 1 & _MASK
            three = table[(three ^ two >> 24) & 0xFF] ^ three >> 8
        first, second, third = one, two, three
        return bytes(decrypted)

    return decrypt


@cache
def compiled() -> Callable[[bytes], Decrypt] | None:
    """Return stream-unzip's function of `in_python`; None if this machine has no wheel of it, or another release."""
    if _MODULE not in sys.modules:
        package = find_spec(_PACKAGE)  # this does not import it
        spec = PathFinder.find_spec(_MODULE, package.submodule_search_locations) if package else None
        if spec is None or spec.loader is None:
            return None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[_MODULE] = module
    return getattr(sys.modules[_MODULE], "zipcrypto_decryptor", None)


@cache
def _table() -> tuple[int, ...]:
    """Return what a byte adds to a CRC32."""
    return tuple(crc32(bytes([byte ^ 0xFF]), 0) ^ 0xFF000000 for byte in range(256))


@cache
def _keystream() -> bytes:
    """Return the byte of the keystream for each value of the last key's low half: 64 KiB."""
    return bytes(((key | 2) * ((key | 2) ^ 1) >> 8) & 0xFF for key in range(0x10000))
