"""Encrypted members of archives: delivered once they are proven, or refused by name. On fakes and PostgreSQL."""

from __future__ import annotations

import random
import zlib

import pytest

from archive_plant import ARCHIVES, CONTENTS, FILES, NUMBERS, TABLES, Plant, failed, ids_in, people, succeeded
from fixtures.encrypted_zips import PASSWORD, aes_zip, zipcrypto_zip
from fixtures.zips import Entry
from machine import Plant as LargePlant
from penstock.archives.zip.ciphers import CIPHERS, ZIPCRYPTO
from penstock.errors import ConfigurationError
from penstock.jobs.runner import Outcome
from penstock.large_jobs.estimate import VCPU, estimated_seconds, refuse_slow_decryption
from penstock.limits import GIB, MIB
from penstock.model.job import Job
from penstock.model.job_status import JobState
from penstock.model.member import STORED, Member, MemberContent
from penstock.model.object import Source, Target, member_source
from penstock.model.route import Route
from penstock.routes import parse_routes
from penstock.testing import ManualDeadline
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

AT_DESTINATION = {**CONTENTS, "z.log.gz": b"line\n" * 1000}
ARCHIVES_BY_CIPHER = {
    "AE-1": aes_zip(CONTENTS, version=1),
    "AE-2": aes_zip(CONTENTS, version=2),
    "AE-2, stored": aes_zip(CONTENTS, method=0),
}


def small(text: bytes = b"text\n" * 9) -> bytes:
    return zipcrypto_zip(Entry(b"a.txt", text), Entry(b"b.txt", text, method=0))


def message(plant: Plant, outcome: Outcome, name: str) -> str:
    (line,) = [line for line in plant.results(outcome) if line["name"] == name]
    return f"{line['failure']['error']}: {line['failure']['message']} {line['failure']['hint']}"


@pytest.mark.parametrize("cipher", ARCHIVES_BY_CIPHER)
def test_encrypted_members_are_delivered_with_a_crc32_only_if_the_archive_has_one(cipher: str) -> None:
    plant = Plant(password=PASSWORD)
    outcome = succeeded(plant.one(plant.put(ARCHIVES_BY_CIPHER[cipher])))
    assert plant.lake() == AT_DESTINATION
    assert set(plant.states(outcome).values()) == {"succeeded"}
    # What S3 computes is on record, whatever the archive declares.
    by_name = {line["name"]: line["receipt"]["crc32"] for line in plant.results(outcome)}
    assert by_name["large.txt"] == zlib.crc32(CONTENTS["large.txt"])
    assert not plant.store.uploads


def test_zipcrypto_is_delivered() -> None:
    plant = Plant(password=PASSWORD)
    succeeded(plant.one(plant.put(small())))
    assert plant.lake() == {"a.txt": b"text\n" * 9, "b.txt": b"text\n" * 9}


def test_without_a_password_only_the_encrypted_members_fail_and_say_what_to_do() -> None:
    plant = Plant()
    plain = zipcrypto_zip(Entry(b"a.txt", b"text"))
    outcome = failed(plant.one(plant.put(plain)), "MembersFailedError", "a.txt: s3://drops/in/a.zip/a.txt: ")
    assert plant.lake() == {}
    assert "password_secret" in message(plant, outcome, "a.txt")
    assert message(plant, outcome, "a.txt").startswith("EncryptedMemberError: ")


@pytest.mark.parametrize("data", [small(), aes_zip(dict.fromkeys(["a.txt", "b.txt"], b"text"))])
def test_a_wrong_password_fails_each_member_by_name_and_nothing_is_written(data: bytes) -> None:
    plant = Plant(password=b"wrong-one")
    outcome = failed(plant.one(plant.put(data)), "MembersFailedError", "2 members not delivered")
    for name in ("a.txt", "b.txt"):
        assert message(plant, outcome, name).startswith(
            f"WrongPasswordError: s3://drops/in/a.zip/{name}: the password is wrong"
        )
    assert plant.versions() == 0
    assert not plant.store.uploads
    # It is not in what is kept.
    kept = b"".join(plant.files.files.values()) + repr(plant.jobs.jobs).encode()
    assert b"wrong-one" not in kept


def test_a_member_whose_hmac_is_another_is_not_published_however_large_it_is() -> None:
    text = random.Random(1).randbytes(9 * MIB)
    data = bytearray(aes_zip({"large.bin": text}, method=0))
    data[data.index(b"PK\1\2") - 1] ^= 1  # the last byte of the HMAC
    plant = Plant(password=PASSWORD)
    outcome = failed(plant.one(plant.put(bytes(data))), "MembersFailedError", "large.bin")
    assert message(plant, outcome, "large.bin").startswith("ChecksumMismatchError: ")
    assert plant.versions() == 0
    assert not plant.store.uploads


def test_a_secret_that_cannot_be_read_fails_the_members_that_need_it() -> None:
    plant = Plant()

    def refuse() -> bytes:
        raise ConfigurationError("the secret archive has no text")

    archives = plant.archives()
    archives.loader.objects.passwords = lambda _: refuse()
    plant.archives = lambda: archives  # type: ignore[method-assign]
    outcome = failed(plant.one(plant.put(small())), "MembersFailedError", "the secret archive has no text")
    assert plant.lake() == {}
    assert set(plant.states(outcome).values()) == {"failed"}


# Tables


def loaded(database: Database, data: bytes) -> Outcome:
    plant = Plant(ARCHIVES + TABLES + NUMBERS + FILES, database, password=PASSWORD)
    return plant.one(plant.put(data))


@pytest.mark.parametrize("cipher", ["AES", ZIPCRYPTO])
def test_encrypted_rows_are_loaded(database: Database, cipher: str) -> None:
    rows = people(0, 300)
    data = aes_zip({"people.csv": rows}) if cipher == "AES" else zipcrypto_zip(Entry(b"people.csv", rows))
    succeeded(loaded(database, data))
    assert ids_in(database) == list(range(300))


def test_no_row_is_loaded_of_a_member_that_is_not_proven(database: Database) -> None:
    """All rows are read before the HMAC, and the load commits in chunks."""
    rows = people(0, 200_000)
    data = bytearray(aes_zip({"people.csv": rows}, method=0))
    data[data.index(b"PK\1\2") - 1] ^= 1
    outcome = loaded(database, bytes(data))
    assert outcome.state is JobState.FAILED
    assert database.execute("SELECT to_regclass('people')") == [(None,)]


# The state machine

ROUTES = """
[[route]]
name = "archives"
match = ["*.zip"]
archive = "members"

[[route]]
name = "members"
match = ["*.zip/*"]
destination = "s3://out/{member}"
"""


@pytest.mark.parametrize("cipher", ["AES", ZIPCRYPTO])
def test_a_large_encrypted_member_is_a_job_of_its_own_and_read_in_order(cipher: str) -> None:
    large = b"0123456789abcdef" * 4_000
    members = {"small.txt": b"small", "large.txt": large}
    entries = [Entry(name.encode(), text, method=0) for name, text in members.items()]
    data = aes_zip(members, method=0) if cipher == "AES" else zipcrypto_zip(*entries)
    plant = LargePlant(ROUTES, member_bytes=20_000, password=PASSWORD)
    status = plant.run(plant.upload("a.zip", data))
    assert status.state is JobState.SUCCEEDED, status.failure
    found = {key: plant.store.get("out", key) for key in members}
    assert {key: stored.data for key, stored in found.items() if stored} == members
    (child,) = [one for one in plant.jobs.jobs.values() if one.job_id != status.job_id]
    assert child.spans == 1


def job(size: int, encryption: str, *, rows: bool = False) -> Job:
    content = MemberContent(100, 100 + size, STORED, None, encryption, size=size)
    source = member_source(Source("drops", "a.zip", 2 * size, "e"), Member("a.bin", 1, size, content))
    table = """
    [[route]]
    name = "rows"
    match = ["*"]
    destination = "postgresql:people"
    """
    route = Route("members", ("*",), "s3://out/{member}")
    if rows:
        (route,) = parse_routes(table, "routes.toml", {"source_bucket": "drops"}).routes
    return Job(source, route, Target("out", "a.bin"))


@pytest.mark.parametrize("cipher", CIPHERS)
def test_the_estimate_counts_the_decryption_and_that_of_rows_twice(cipher: str) -> None:
    seconds = GIB / CIPHERS[cipher].speed
    for rows, passes in ((False, 1), (True, 2)):
        plain, encrypted = job(GIB, "", rows=rows), job(GIB, cipher, rows=rows)
        more = estimated_seconds(encrypted, VCPU) - estimated_seconds(plain, VCPU)
        assert more == pytest.approx(passes * seconds)
        slow = estimated_seconds(encrypted, VCPU // 4) - estimated_seconds(plain, VCPU // 4)
        assert slow == pytest.approx(passes * seconds * 4, rel=0.01)


def test_a_member_that_cannot_be_decrypted_in_time_is_refused_by_name() -> None:
    refuse_slow_decryption(job(9 * GIB, ZIPCRYPTO), 900, VCPU)
    refuse_slow_decryption(job(9000 * GIB, ""), 900, VCPU)
    with pytest.raises(Exception, match=r"s3://drops/a.zip/a.bin: the member is encrypted \(ZipCrypto\)") as caught:
        refuse_slow_decryption(job(90 * GIB, ZIPCRYPTO), 900, VCPU)
    assert type(caught.value).__name__ == "TimeLimitError"


def test_the_plan_of_a_member_that_takes_too_long_fails_before_anything_is_written() -> None:
    plant = LargePlant(ROUTES, member_bytes=20_000, password=PASSWORD)
    plant.deadlines = lambda: ManualDeadline(10.02)
    data = zipcrypto_zip(Entry(b"large.bin", bytes(200_000), method=0))
    status = plant.run(plant.upload("a.zip", data))
    assert status.state is JobState.FAILED
    assert status.failure
    assert "the member is encrypted (ZipCrypto)" in status.failure.message
    assert not plant.store.uploads
