"""The ciphers of zip members: what surrounds a ciphertext, and how fast one is decrypted.

ZipCrypto                                           (APPNOTE 6.1)
header 12 bytes | ciphertext

WinZip AES    (https://www.winzip.com/en/support/aes-encryption/)
salt 8, 12 or 16 bytes | password check 2 bytes | ciphertext | HMAC 10 bytes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from penstock.model.member import MemberContent

ZIPCRYPTO = "ZipCrypto"
# PKWARE's own encryption, which is another one (APPNOTE 7). It is not read.
STRONG_ENCRYPTION = "PKWARE strong encryption"
AES = "AES"
ENCRYPT_OTHERWISE = "Encrypt it with AES-256, or send the archive without a password."


class Decryptor(Protocol):
    """Decrypts the ciphertext of one member."""

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt the next bytes."""
        ...

    def is_genuine(self, trailer: bytes) -> bool:
        """Whether the bytes behind the ciphertext prove all of it, and the password."""
        ...


@dataclass(frozen=True, slots=True)
class Cipher:
    """``header`` and ``trailer``: bytes before and behind a ciphertext. ``speed``: bytes a second on one vCPU.

    ``odds``: of so many wrong passwords, one passes the check at the beginning. ``open(header, password, content)``
    returns what decrypts a member; None if the password is wrong.
    """

    header: int
    trailer: int
    speed: float
    odds: int
    open: Callable[[bytes, bytes, MemberContent], Decryptor | None] = field(repr=False)

    @property
    def overhead(self) -> int:
        """The bytes that surround a ciphertext."""
        return self.header + self.trailer


# Few functions meet an encrypted member: the libraries are imported by the first one.


def _open_zipcrypto(header: bytes, password: bytes, content: MemberContent) -> Decryptor | None:
    from penstock.archives.zip import zipcrypto  # noqa: PLC0415

    return zipcrypto.open_member(header, password, content)


def _open_aes(header: bytes, password: bytes, content: MemberContent) -> Decryptor | None:  # noqa: ARG001  # as above
    from penstock.archives.zip import aes  # noqa: PLC0415

    return aes.open_member(header, password)


def _aes(salt: int) -> Cipher:
    return Cipher(salt + 2, 10, 400e6, 65_536, _open_aes)


# By the name of `MemberContent.encryption`. Speeds were measured with the layer's libraries.
CIPHERS: Mapping[str, Cipher] = {
    ZIPCRYPTO: Cipher(12, 0, 65e6, 256, _open_zipcrypto),
    f"{AES}-128": _aes(8),
    f"{AES}-192": _aes(12),
    f"{AES}-256": _aes(16),
}
