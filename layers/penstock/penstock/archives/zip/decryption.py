"""Encrypted members: decrypted, then decoded by their method, and proven at the end.

Memory: a chunk of the source, and 64 KiB of it in clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from penstock.archives.zip.ciphers import CIPHERS, ENCRYPT_OTHERWISE, STRONG_ENCRYPTION, Cipher, Decryptor
from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace
from penstock.errors import (
    BadHeaderError,
    BadSourceError,
    ChecksumMismatchError,
    EncryptedMemberError,
    TruncatedSourceError,
    WrongPasswordError,
)
from penstock.limits import KIB
from penstock.model.member import MemberContent

_SLICE = 64 * KIB

Decode = Callable[[Iterable[bytes], Trace, int], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Encryption:
    """How a located content is encrypted, and with which password."""

    content: MemberContent
    cipher: Cipher
    password: bytes = field(repr=False)

    @property
    def inside(self) -> MemberContent:
        """The content without what surrounds its ciphertext."""
        start, end = self.content.start + self.cipher.header, self.content.end - self.cipher.trailer
        return replace(self.content, start=start, end=end)

    def decode(self, decode: Decode, chunks: Iterable[bytes], trace: Trace, step: int) -> Iterator[bytes]:
        """Decrypt the content, and yield what ``decode`` makes of it. Offsets count from the start of the archive.

        Raises WrongPasswordError if the header shows it. Otherwise, a wrong password or a changed ciphertext is found
        by ``decode``, or at the end by the HMAC: what was yielded is good only when this has ended.
        """
        feed, inside = Feed(chunks, Trace()), self.inside
        header = self._exactly(feed, self.cipher.header, "the header of its encryption")
        decryptor = self.cipher.open(header, self.password, self.content)
        if decryptor is None:
            raise WrongPasswordError(f"the password is wrong ({self.content.encryption})", offset=self.content.start)
        try:
            yield from decode(_decrypted(feed, inside.end - inside.start, decryptor), trace, step)
            if not decryptor.is_genuine(self._exactly(feed, self.cipher.trailer, "the HMAC of its encryption")):
                raise ChecksumMismatchError(
                    "the HMAC of the encrypted bytes is not that of the member", offset=inside.end
                )
        except BadSourceError as error:
            hint = error.member_hint if error.hint == error.default_hint else error.hint
            error.hint = f"{hint} Or the password is wrong: one of {self.cipher.odds:,} wrong ones passes its check."
            raise
        trace.consumed = self.content.end - self.content.start

    def _exactly(self, feed: Feed, count: int, what: str) -> bytes:
        try:
            return feed.exactly(count, what)
        except TruncatedSourceError as error:
            error.offset += self.content.start
            raise


def encryption_of(content: MemberContent, password: bytes) -> Encryption | None:
    """Return the encryption of a located content; None if there is none.

    Raises EncryptedMemberError without a password and for PKWARE's encryption, BadHeaderError for an unknown cipher.
    """
    if not content.encryption:
        return None
    if content.encryption == STRONG_ENCRYPTION:
        raise EncryptedMemberError(
            f"the member is encrypted ({STRONG_ENCRYPTION}), which is not supported",
            offset=content.start,
            hint=ENCRYPT_OTHERWISE,
        )
    if content.encryption not in CIPHERS:
        raise BadHeaderError(
            f"the member is encrypted ({content.encryption}), but its header has no valid field of it",
            offset=content.start,
        )
    if not password:
        raise EncryptedMemberError(
            f"the member is encrypted ({content.encryption}), and no password is given", offset=content.start
        )
    return Encryption(content, CIPHERS[content.encryption], password)


def _decrypted(feed: Feed, size: int, decryptor: Decryptor) -> Iterator[bytes]:
    while size and (data := feed.take(min(size, _SLICE))):
        size -= len(data)
        yield decryptor.decrypt(data)
