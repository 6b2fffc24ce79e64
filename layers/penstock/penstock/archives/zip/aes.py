"""WinZip AES (https://www.winzip.com/en/support/aes-encryption/): AES in counter mode, proven by an HMAC.

The counter is little-endian and begins with 1. Both keys and the password check come from the password by PBKDF2. The
HMAC covers the ciphertext, and 10 bytes of it are stored.
"""

from __future__ import annotations

import hashlib
import hmac

from Crypto.Cipher import AES
from Crypto.Util import Counter

_CHECK = 2
_ITERATIONS = 1000
_BLOCK_BITS = 128


class AesDecryptor:
    """Implements ``Decryptor``."""

    def __init__(self, key: bytes, proof: bytes) -> None:
        self._cipher = AES.new(key, AES.MODE_CTR, counter=Counter.new(_BLOCK_BITS, initial_value=1, little_endian=True))
        self._hmac = hmac.new(proof, digestmod=hashlib.sha1)

    def decrypt(self, data: bytes) -> bytes:
        self._hmac.update(data)
        return self._cipher.decrypt(data)

    def is_genuine(self, trailer: bytes) -> bool:
        return hmac.compare_digest(self._hmac.digest()[: len(trailer)], trailer)


def open_member(header: bytes, password: bytes) -> AesDecryptor | None:
    """Return what decrypts a member with this salt and password check; None if the password is wrong."""
    salt, check = header[:-_CHECK], header[-_CHECK:]
    size = 2 * len(salt)
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, _ITERATIONS, 2 * size + _CHECK)
    if not hmac.compare_digest(keys[2 * size :], check):
        return None
    return AesDecryptor(keys[:size], keys[size : 2 * size])
