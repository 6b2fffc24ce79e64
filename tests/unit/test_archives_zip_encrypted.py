"""Encrypted members: by Info-ZIP, 7-Zip and pyzipper (fixtures/archives/make_encrypted_zips.sh), and damaged ones."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.encoded import chop
from fixtures.encrypted_zips import DESCRIPTOR, PASSWORD, ZipCrypto, aes_field, aes_zip, zipcrypted, zipcrypto_zip
from fixtures.tars import WRITTEN
from fixtures.zips import Entry, content_of, contents, decoded, listed, zip_of
from penstock.archives.zip import locate, method, zipcrypto
from penstock.archives.zip.ciphers import CIPHERS
from penstock.archives.zip.zipcrypto import compiled, in_python
from penstock.codecs import Trace
from penstock.errors import (
    BadHeaderError,
    BadSourceError,
    ChecksumMismatchError,
    EncryptedMemberError,
    PenstockError,
    TruncatedSourceError,
    WrongPasswordError,
)
from penstock.model.member import Member
from penstock.testing import MemoryRanges

TEXT = b"id,name\n" * 200
WRITTEN_ZIPS = sorted(WRITTEN.glob("encrypted-*.zip"))
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def first(data: bytes) -> Member:
    member = listed(data)[0]
    assert isinstance(member, Member)
    return member


def failure(data: bytes, password: bytes = PASSWORD, member: Member | None = None) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        decoded(data, member or first(data), password=password)
    return caught.value


def located(data: bytes) -> tuple[int, int]:
    """Where the encoded bytes of the first member begin and end."""
    content = content_of(locate(MemoryRanges(data), first(data)))
    return content.start, content.end


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# What writers write


@pytest.mark.parametrize("path", WRITTEN_ZIPS, ids=lambda path: path.stem)
@pytest.mark.parametrize(("chunk", "step"), [(0, 65_536), (1, 1), (7, 100)])
def test_what_other_programs_encrypt_is_read(path: Path, chunk: int, step: int) -> None:
    if "deflate64" in path.name:
        pytest.importorskip("inflate64")
    found = contents(path.read_bytes(), chunk=chunk, step=step, password=PASSWORD)
    assert found == {"data/a.csv": TEXT, "data/empty.csv": b""}


def test_there_are_archives_of_every_program_and_cipher() -> None:
    assert {path.stem.split("-")[1] for path in WRITTEN_ZIPS} == {"infozip", "7z"}
    assert {content_of(first(path.read_bytes())).encryption for path in WRITTEN_ZIPS} == set(CIPHERS)


@pytest.mark.parametrize("path", WRITTEN_ZIPS, ids=lambda path: path.stem)
def test_without_a_password_a_member_is_refused_and_with_a_wrong_one(path: Path) -> None:
    data = path.read_bytes()
    for member in listed(data):
        assert isinstance(member, Member)
        missing, wrong = failure(data, b"", member), failure(data, b"Secret", member)
        assert type(missing) is EncryptedMemberError
        assert content_of(member).encryption in missing.message
        assert "password_secret" in missing.hint
        assert "--password-file" in missing.hint
        assert type(wrong) is WrongPasswordError
        assert "password_secret" in wrong.hint
        assert wrong.offset == content_of(locate(MemoryRanges(data), member)).start


@given(
    st.dictionaries(st.sampled_from("abcd"), st.tuples(st.binary(max_size=300), st.integers(1, 400)), max_size=3),
    st.sampled_from(METHODS),
    st.sampled_from([128, 192, 256]),
    st.sampled_from([1, 2]),
    st.sampled_from([0, 1, 10, 1000]),
)
def test_what_pyzipper_writes_is_read(
    members: dict[str, tuple[bytes, int]], kind: int, bits: int, version: int, chunk: int
) -> None:
    wanted = {name: text * times for name, (text, times) in members.items()}
    data = aes_zip(wanted, method=kind, bits=bits, version=version)
    chunk = chunk if chunk > len(data) // 1000 else 0
    assert contents(data, chunk=chunk, password=PASSWORD) == wanted
    for entry in listed(data):
        assert isinstance(entry, Member)
        assert (content_of(entry).crc32 is None) == (version == 2)


@given(
    st.binary(max_size=500),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.booleans(),
    st.binary(min_size=1, max_size=20),
    st.sampled_from([0, 1, 13]),
)
def test_zipcrypto_is_read_with_and_without_a_data_descriptor(
    text: bytes, kind: int, described: bool, password: bytes, chunk: int
) -> None:
    own: dict[str, int | bytes] = {"size": 0, "encoded": 0, "crc32": 0} if described else {}
    flags = DESCRIPTOR if described else 0
    data = zipcrypto_zip(
        Entry(b"a", text, method=kind, flags=flags, time=0xABCD, own=own | {"flags": flags | 1}), password=password
    )
    assert contents(data, chunk=chunk, password=password) == {"a": text}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("a", password) == text


@given(st.binary(max_size=400), st.binary(min_size=1, max_size=30), st.integers(1, 50))
def test_zipcrypto_in_python_and_compiled_are_the_same(text: bytes, password: bytes, size: int) -> None:
    encrypted = ZipCrypto(password).encrypt(text)
    fast = compiled()
    assert fast is not None
    for decrypt in (in_python(password), fast(password)):
        assert b"".join(decrypt(piece) for piece in chop(encrypted, size)) == text


def test_without_its_library_zipcrypto_is_decrypted_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "stream_unzip._zipcrypto", raising=False)
    monkeypatch.setattr(zipcrypto, "find_spec", lambda _: None)
    monkeypatch.setattr(zipcrypto, "compiled", zipcrypto.compiled.__wrapped__)
    assert zipcrypto.compiled() is None
    assert contents(zipcrypto_zip(Entry(b"a", TEXT)), password=PASSWORD) == {"a": TEXT}


def test_the_libraries_are_loaded_by_the_first_encrypted_member_alone() -> None:
    program = f"""
import sys
sys.path.append({str(Path(__file__).parents[1])!r})
from fixtures.zips import Entry, contents, zip_of
assert contents(zip_of(Entry(b"a"))) == {{"a": b"content"}}
assert not [name for name in sys.modules if name.startswith(("Crypto", "stream_unzip"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=dict(os.environ), timeout=60)


# Damage


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_each_flipped_bit_of_an_aes_member_is_found(version: int, kind: int) -> None:
    data = aes_zip({"a": bytes(range(40))}, method=kind, version=version)
    start, end = located(data)
    for at in range(start, end):
        error = failure(flipped(data, at))
        assert isinstance(error, BadSourceError)
        assert start <= error.offset <= end
        if at < start + 18:  # the salt and the check make another password of it
            assert type(error) is WrongPasswordError
        else:
            assert type(error) is not WrongPasswordError
            assert "65,536" in error.hint
        if at >= end - 10:
            assert type(error) is ChecksumMismatchError
            assert "HMAC" in error.message


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_each_flipped_bit_of_a_zipcrypto_member_is_found(kind: int) -> None:
    data = zipcrypto_zip(Entry(b"a", bytes(range(40)), method=kind))
    start, end = located(data)
    for at in range(start, end):
        error = failure(flipped(data, at))
        assert isinstance(error, BadSourceError)
        assert start <= error.offset <= end


def test_a_wrong_password_that_passes_the_check_ends_with_the_checksum_or_earlier() -> None:
    """One of 256 does. The second entry is stored, so that only its CRC32 tells."""
    data = zipcrypto_zip(Entry(b"a", TEXT), Entry(b"b", TEXT, method=0))
    passed = 0
    for number in range(2_000):
        for member in listed(data):
            assert isinstance(member, Member)
            error = failure(data, b"%d" % number, member)
            assert isinstance(error, BadSourceError)
            if type(error) is WrongPasswordError:
                continue
            passed += 1
            assert "one of 256 wrong ones passes" in error.hint
            assert member.name == "a" or type(error) is ChecksumMismatchError
    assert passed > 3


def test_a_member_without_a_checksum_that_another_password_decrypts_is_refused_by_its_hmac() -> None:
    """AE-2, with a password check that was made to fit the wrong password."""
    data = bytearray(aes_zip({"a": TEXT}, method=0))
    start, end = located(bytes(data))
    salt = bytes(data[start : start + 16])
    data[start + 16 : start + 18] = hashlib.pbkdf2_hmac("sha1", b"wrong", salt, 1000, 66)[-2:]
    error = failure(bytes(data), b"wrong")
    assert type(error) is ChecksumMismatchError
    assert "HMAC" in error.message
    assert error.offset == end - 10


@pytest.mark.parametrize("data", [aes_zip({"a": TEXT}, method=0), zipcrypto_zip(Entry(b"a", TEXT, method=0))])
def test_a_source_that_ends_early_is_refused(data: bytes) -> None:
    start, end = located(data)
    content = content_of(locate(MemoryRanges(data), first(data)))
    for length in (0, 5, 17, 18, 700, end - start - 11, end - start - 1):
        with pytest.raises(BadSourceError) as caught:
            list(method(content, 1 << 20, PASSWORD).decode([data[start : start + length]], Trace(), 100))
        assert start <= caught.value.offset <= end
        if length < 12:
            assert isinstance(caught.value, TruncatedSourceError)


# Headers that lie


@pytest.mark.parametrize(
    ("entry", "kind", "message"),
    [
        (Entry(b"a", flags=0x41), EncryptedMemberError, "PKWARE strong encryption), which is not supported"),
        (Entry(b"a", flags=0x41, method=0), EncryptedMemberError, "PKWARE strong encryption"),
        (Entry(b"a", flags=1, method=99), BadHeaderError, "encrypted (AES), but its header has no valid field"),
        (Entry(b"a", flags=1, method=99, extra=aes_field(version=3)), BadHeaderError, "no valid field"),
        (Entry(b"a", flags=1, method=99, extra=aes_field(vendor=b"XX")), BadHeaderError, "no valid field"),
        (Entry(b"a", flags=1, method=99, extra=aes_field(strength=4)), BadHeaderError, "no valid field"),
        (Entry(b"a", flags=1, method=99, extra=aes_field()[:-1]), BadHeaderError, "no valid field"),
        (Entry(b"a", flags=1, method=99, extra=aes_field(method=97), data=bytes(28)), BadHeaderError, "method 97"),
        (Entry(b"a", flags=1, method=99, extra=aes_field(), data=bytes(27)), BadHeaderError, "27 bytes instead of 28"),
        (Entry(b"a", flags=1, data=bytes(11)), BadHeaderError, "ZipCrypto, but has 11 bytes instead of 12"),
        (Entry(b"a", flags=1, method=0, data=bytes(20)), BadHeaderError, "is stored, but has 8 bytes for 7"),
        (
            Entry(b"a", flags=1, method=99, extra=aes_field(method=0), data=bytes(34)),
            BadHeaderError,
            "is stored, but has 6 bytes for 7",
        ),
        (Entry(b"a", flags=0, method=99, extra=aes_field()), BadHeaderError, "compressed with method 99"),
    ],
)
def test_what_is_not_as_a_cipher_needs_it_is_refused_with_the_offset(
    entry: Entry, kind: type[PenstockError], message: str
) -> None:
    entry.own = {"extra": entry.extra}
    data = zip_of(Entry(b"first"), entry)
    error = failure(data, member=[one for one in listed(data) if isinstance(one, Member)][1])
    assert type(error) is kind
    assert message in error.message
    assert isinstance(error, BadSourceError)
    assert error.offset >= 44


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"extra": aes_field(strength=1)}, "encrypted with AES-128 in its header, AES-256 in the directory"),
        ({"extra": aes_field(method=0)}, "has method 99 in its header, deflate in the directory"),
        ({"extra": b""}, "encrypted with AES in its header, AES-256"),
        ({"extra": aes_field(), "flags": 0x41}, "encrypted with PKWARE strong encryption in its header"),
        ({"extra": aes_field(), "method": 8}, "encrypted with ZipCrypto in its header"),
        ({"flags": 0, "extra": aes_field()}, "is encrypted in one of its headers only"),
    ],
)
def test_headers_that_name_two_ciphers_are_refused(own: dict[str, int | bytes], message: str) -> None:
    data = zip_of(Entry(b"a", flags=1, method=99, extra=aes_field(), data=bytes(40), own=own))
    error = failure(data)
    assert type(error) is BadHeaderError
    assert message in error.message


def test_a_byte_that_checks_another_value_is_a_wrong_password() -> None:
    entry = Entry(b"a", TEXT)
    assert type(failure(zip_of(zipcrypted(entry, check=0)))) is WrongPasswordError
