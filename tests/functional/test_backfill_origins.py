"""Where a backfill finds objects: listings, inventories and files, with any key, from any position."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from functional.s3_lake import Lake
from functional.unsorted_s3 import unsorted
from lengths import examples
from penstock.backfill.inventory_rows import rows_of
from penstock.backfill.model import FoundObject, Missing
from penstock.backfill.ports import Origin
from penstock.backfill.s3_heads import S3Heads
from penstock.backfill.s3_inventory import S3Inventory
from penstock.backfill.s3_listing import S3Objects
from penstock.backfill.uri_file import UriFile
from penstock.errors import AccessDeniedError, ConfigurationError, DestinationMissingError, FileError, SourceGoneError
from penstock.jobs.events import notification, read_event
from penstock.model.object import Target

pytest_plugins = ["functional.lake_fixtures"]

ODD = ["a", "a b", "a+b", "a%2Bb", "é/ü", "tab\tkey", "quote\"'", "folder/", "\U0001f600", "comma,key", "=1"]
CONTROL = "x\x01y"  # moto lists no such key
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        for bucket in ("drops", "versions", "inventories"):
            client.create_bucket(Bucket=bucket)
        client.put_object(Bucket="versions", Key="old", Body=b"before versioning")
        client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
        yield client


def put(s3: Any, bucket: str, key: str, data: bytes = b"data", **more: Any) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=data, **more).get("VersionId", ""))


def objects(origin: Origin, after: str = "") -> list[FoundObject]:
    return [entry for entry in origin.objects(after) if isinstance(entry, FoundObject)]


def keys(origin: Origin, after: str = "") -> list[str]:
    return [entry.key for entry in objects(origin, after)]


class TestAListing:
    def test_finds_every_key_as_it_is(self, s3: Any) -> None:
        for bucket in ("drops", "versions"):
            for key in ODD:
                put(s3, bucket, f"in/{key}")
            found = keys(S3Objects(s3, bucket, "in/"))
            assert found == sorted((f"in/{key}" for key in ODD), key=str.encode)

    def test_has_what_an_event_has(self, s3: Any) -> None:
        version = put(s3, "versions", "in/a", b"12345")
        put(s3, "drops", "in/a", b"12345")
        (versioned,) = objects(S3Objects(s3, "versions", "in/"))
        (plain,) = objects(S3Objects(s3, "drops", "in/"))
        md5 = hashlib.md5(b"12345").hexdigest()
        assert (versioned.size, versioned.etag, versioned.version_id) == (5, md5, version)
        assert (plain.size, plain.etag, plain.version_id) == (5, md5, "")
        assert abs(plain.modified - datetime.now(UTC).timestamp()) < 60

    def test_finds_the_current_version_only_and_no_deleted_key(self, s3: Any) -> None:
        put(s3, "versions", "in/a", b"first")
        current = put(s3, "versions", "in/a", b"second")
        put(s3, "versions", "in/gone")
        s3.delete_object(Bucket="versions", Key="in/gone")
        (found,) = objects(S3Objects(s3, "versions", "in/"))
        assert (found.version_id, found.size) == (current, 6)

    def test_an_object_from_before_versioning_has_no_version(self, s3: Any) -> None:
        (found,) = objects(S3Objects(s3, "versions", "old"))
        assert found.version_id == ""

    def test_tells_what_must_be_restored(self, s3: Any) -> None:
        for storage_class in ("STANDARD", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR"):
            put(s3, "drops", f"in/{storage_class}", StorageClass=storage_class)
        found = {entry.storage_class: entry.archived for entry in objects(S3Objects(s3, "drops", "in/"))}
        assert found == {"STANDARD": False, "GLACIER": True, "DEEP_ARCHIVE": True, "GLACIER_IR": False}

    @pytest.mark.parametrize("bucket", ["drops", "versions"])
    @pytest.mark.long
    def test_continues_behind_every_key(self, s3: Any, bucket: str) -> None:
        for key in ODD:
            put(s3, bucket, f"in/{key}")
            put(s3, bucket, f"in/{key}")
        every = objects(S3Objects(s3, bucket, "in/"))
        for number, entry in enumerate(every):
            assert objects(S3Objects(s3, bucket, "in/"), entry.position) == every[number + 1 :]

    def test_of_a_service_that_does_not_sort_starts_over(self, lake: Lake) -> None:
        for number in range(7):
            lake.put(f"in/{number}", b"x")
        lake.proxy.schedule = unsorted(lambda listed: listed[::-1], 3)
        found = objects(S3Objects(lake.client, lake.bucket, "in/"))
        assert {entry.key for entry in found} == {f"in/{number}" for number in range(7)}
        assert {entry.position for entry in found} == {""}

    def test_of_a_missing_bucket_is_an_error(self, s3: Any) -> None:
        with pytest.raises(DestinationMissingError, match="nowhere"):
            objects(S3Objects(s3, "nowhere", ""))

    def test_counts_its_requests(self, s3: Any) -> None:
        for number in range(3):
            put(s3, "drops", f"in/{number}")
        origin = S3Objects(s3, "drops", "in/")
        objects(origin)
        assert (origin.requests, origin.reads) == (1, 0)

    @pytest.mark.long
    def test_that_changes_while_it_is_read_loses_nothing_that_was_there(self, s3: Any) -> None:
        before = [f"in/{number:04}" for number in range(60)]
        for key in before:
            put(s3, "versions", key)
        found = []
        for number, entry in enumerate(S3Objects(s3, "versions", "in/", page=7).objects()):
            assert isinstance(entry, FoundObject)
            found.append(entry.key)
            if number % 5 == 0:
                for key in ("in/0000", f"in/{number:04}", f"in/{number + 1:04}", "in/0059", "in/0059x", "in/0"):
                    put(s3, "versions", key, b"new")
        assert set(before) <= set(found)


# Inventories

ALL_COLUMNS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
Rows = Sequence[Mapping[str, Any]]


def row(key: str, **more: Any) -> dict[str, Any]:
    known = {"Bucket": "drops", "Key": key, "VersionId": f"v-{key}", "IsLatest": True, "IsDeleteMarker": False}
    return {**known, "Size": 5, "LastModifiedDate": NOW, "ETag": "e1", "StorageClass": "STANDARD", **more}


def csv_file(rows: Rows, columns: Sequence[str], encode: Any = quote_plus) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    for one in rows:
        values = {**one, "Key": encode(one["Key"]), "LastModifiedDate": "2026-11-01T00:00:00.000Z"}
        written = [values[name] for name in columns]
        writer.writerow(["" if v is None else str(v).lower() if isinstance(v, bool) else v for v in written])
    return gzip.compress(text.getvalue().encode())


def parquet_file(rows: Rows, columns: Sequence[str]) -> bytes:
    core, arro3 = pytest.importorskip("arro3.core"), pytest.importorskip("arro3.io")
    kinds = {"Size": core.DataType.int64(), "IsLatest": core.DataType.bool(), "IsDeleteMarker": core.DataType.bool()}
    made = {}
    for name in columns:
        values = [one[name] for one in rows]
        if name == "LastModifiedDate":
            at = core.Array([int(value.timestamp() * 1000) for value in values], core.DataType.int64())
            made[snake(name)] = at.cast(core.DataType.timestamp("ms", tz="UTC"))
        else:
            made[snake(name)] = core.Array(values, kinds.get(name, core.DataType.string()))
    file = io.BytesIO()
    arro3.write_parquet(core.Table.from_pydict(made), file)
    return file.getvalue()


def orc_file(rows: Rows, columns: Sequence[str]) -> bytes:
    pyorc = pytest.importorskip("pyorc")
    kinds = {"Size": "bigint", "IsLatest": "boolean", "IsDeleteMarker": "boolean", "LastModifiedDate": "timestamp"}
    file = io.BytesIO()
    schema = ",".join(f"{snake(name)}:{kinds.get(name, 'string')}" for name in columns)
    with pyorc.Writer(file, f"struct<{schema}>") as writer:
        for one in rows:
            writer.write(tuple(one[name] for name in columns))
    return file.getvalue()


def snake(name: str) -> str:
    return {"ETag": "e_tag"}.get(name, "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_"))


@dataclass
class Inventory:
    """An inventory in a bucket."""

    s3: Any

    def write(self, *files: bytes, file_format: str = "CSV", schema: str = ALL_COLUMNS, md5: str = "") -> str:
        listed = []
        for number, data in enumerate(files):
            put(self.s3, "inventories", f"data/{number}", data)
            listed.append({"key": f"data/{number}", "size": len(data), "MD5checksum": md5 or md5_of(data)})
        manifest = {
            "sourceBucket": "drops",
            "destinationBucket": "arn:aws:s3:::inventories",
            "version": "2016-11-30",
            "creationTimestamp": "1514944800000",
            "fileFormat": file_format,
            "fileSchema": schema,
            "files": listed,
        }
        text = json.dumps(manifest).encode()
        put(self.s3, "inventories", "day/manifest.json", text)
        put(self.s3, "inventories", "day/manifest.checksum", md5_of(text).encode())
        return "s3://inventories/day/manifest.json"

    def open(self, uri: str = "s3://inventories/day/manifest.json", below: Target | None = None) -> S3Inventory:
        return S3Inventory(self.s3, uri, S3Heads(self.s3), below=below)


def md5_of(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


COLUMNS = ALL_COLUMNS.split(", ")
PARQUET = "message s3.inventory { " + " ".join(f"optional binary {snake(n)} (UTF8);" for n in COLUMNS) + " }"
ORC = "struct<" + ",".join(f"{snake(name)}:string" for name in COLUMNS) + ">"
FORMATS = [("CSV", ALL_COLUMNS, csv_file), ("Parquet", PARQUET, parquet_file), ("ORC", ORC, orc_file)]


@pytest.fixture
def inventory(s3: Any) -> Inventory:
    return Inventory(s3)


class TestAnInventory:
    @pytest.mark.parametrize(("file_format", "schema", "made"), FORMATS, ids=[name for name, *_ in FORMATS])
    @pytest.mark.long
    def test_of_any_format_has_the_current_versions(
        self, inventory: Inventory, file_format: str, schema: str, made: Any
    ) -> None:
        rows = [row(key) for key in (*ODD, CONTROL)]
        rows += [row("a", VersionId="older", IsLatest=False), row("gone", IsDeleteMarker=True, Size=None, ETag=None)]
        rows += [row("cold", StorageClass="DEEP_ARCHIVE"), row("null", VersionId="null")]
        inventory.write(made(rows, COLUMNS), file_format=file_format, schema=schema)
        found = objects(inventory.open())
        assert [entry.key for entry in found] == [*ODD, CONTROL, "cold", "null"]
        first = found[0]
        assert (first.bucket, first.version_id, first.size, first.etag) == ("drops", "v-a", 5, "e1")
        assert first.modified == NOW.timestamp()
        assert [entry.key for entry in found if entry.archived] == ["cold"]
        assert found[-1].version_id == ""

    def test_continues_behind_every_row_of_every_file(self, inventory: Inventory) -> None:
        files = [[row(f"{number}-{at}") for at in range(3)] for number in range(3)]
        inventory.write(*(csv_file(rows, COLUMNS) for rows in files))
        every = objects(inventory.open())
        assert len(every) == 9
        for number, entry in enumerate(every):
            assert objects(inventory.open(), entry.position) == every[number + 1 :]

    @pytest.mark.parametrize("left_out", ["Size", "ETag", "LastModifiedDate"])
    def test_what_a_row_lacks_is_asked_of_s3(self, inventory: Inventory, left_out: str) -> None:
        put(inventory.s3, "drops", "in/a", b"12345678")
        columns = [name for name in COLUMNS if name not in (left_out, "VersionId", "IsLatest", "IsDeleteMarker")]
        inventory.write(csv_file([row("in/a"), row("in/missing")], columns), schema=", ".join(columns))
        origin = inventory.open()
        found, missing = origin.objects()
        assert isinstance(found, FoundObject)
        assert (found.size, found.etag) == (8, md5_of(b"12345678"))
        assert isinstance(missing, Missing)
        assert origin.reads > 2

    def test_versions_that_it_does_not_name_are_asked_of_s3(self, inventory: Inventory) -> None:
        version = put(inventory.s3, "versions", "in/a")
        columns = [name for name in COLUMNS if name not in ("VersionId", "IsLatest", "IsDeleteMarker")]
        uri = inventory.write(csv_file([row("in/a", Bucket="versions")], columns), schema=", ".join(columns))
        manifest = json.loads(inventory.s3.get_object(Bucket="inventories", Key="day/manifest.json")["Body"].read())
        text = json.dumps({**manifest, "sourceBucket": "versions"}).encode()
        put(inventory.s3, "inventories", "day/manifest.json", text)
        put(inventory.s3, "inventories", "day/manifest.checksum", md5_of(text).encode())
        (found,) = objects(inventory.open(uri))
        assert found.version_id == version

    def test_may_be_narrowed_to_a_prefix(self, inventory: Inventory) -> None:
        inventory.write(csv_file([row("in/a"), row("out/a"), row("in/b", Bucket="others")], COLUMNS))
        assert keys(inventory.open(below=Target("drops", "in/"))) == ["in/a"]

    def test_with_a_wrong_md5_is_refused(self, inventory: Inventory) -> None:
        inventory.write(csv_file([row("a")], COLUMNS), md5="0" * 32)
        with pytest.raises(ConfigurationError, match=r"data/0 has the MD5"):
            objects(inventory.open())

    def test_whose_manifest_was_changed_is_refused(self, inventory: Inventory) -> None:
        inventory.write(csv_file([row("a")], COLUMNS))
        put(inventory.s3, "inventories", "day/manifest.checksum", b"0" * 32)
        with pytest.raises(ConfigurationError, match=r"manifest.json has the MD5"):
            objects(inventory.open())

    @pytest.mark.parametrize(
        ("file_format", "schema"),
        [("CSV", ALL_COLUMNS), ("Parquet", PARQUET), ("ORC", ORC)],
        ids=["csv", "parquet", "orc"],
    )
    @pytest.mark.parametrize("data", [b"", b"nonsense", b"PAR1" + b"\0" * 20])
    @pytest.mark.long
    def test_with_a_damaged_file_names_the_file(
        self, inventory: Inventory, file_format: str, schema: str, data: bytes
    ) -> None:
        if file_format != "CSV":
            pytest.importorskip("arro3.io" if file_format == "Parquet" else "pyorc")
        inventory.write(data, file_format=file_format, schema=schema)
        with pytest.raises(ConfigurationError, match=r"s3://inventories/data/0: not a"):
            objects(inventory.open())

    def test_without_a_reader_names_the_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, file_format in (("arro3.io", "Parquet"), ("pyorc", "ORC")):
            monkeypatch.setitem(__import__("sys").modules, module, None)
            with pytest.raises(ConfigurationError, match=f"{file_format} needs the package") as refused:
                list(rows_of(file_format, "", tmp_path / "none"))
            assert "pip install" in refused.value.hint

    def test_of_an_unknown_format_is_refused(self, inventory: Inventory) -> None:
        inventory.write(b"x", file_format="Avro")
        with pytest.raises(ConfigurationError, match="Avro"):
            objects(inventory.open())

    def test_of_all_versions_needs_to_say_which_are_current(self, inventory: Inventory) -> None:
        inventory.write(b"x", schema="Bucket, Key, VersionId, Size")
        with pytest.raises(ConfigurationError, match="IsLatest"):
            objects(inventory.open())

    @pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"fileFormat": "CSV"}', b"\xff"])
    @pytest.mark.long
    def test_that_is_none_is_refused(self, inventory: Inventory, text: bytes) -> None:
        put(inventory.s3, "inventories", "day/manifest.json", text)
        with pytest.raises(ConfigurationError, match="not the manifest"):
            objects(inventory.open())

    def test_that_does_not_exist_is_an_error(self, inventory: Inventory) -> None:
        with pytest.raises(SourceGoneError, match=r"day/manifest.json"):
            objects(inventory.open())
        with pytest.raises(ConfigurationError, match="not an inventory"):
            objects(inventory.open("s3://inventories/day/"))


# Files


class TestAFile:
    def test_names_objects_and_perhaps_versions(self, s3: Any, tmp_path: Path) -> None:
        first = put(s3, "versions", "in/a b", b"1")
        current = put(s3, "versions", "in/a b", b"22")
        lines = ["s3://versions/in/a b", f"s3://versions/in/a b\t{first}", "", "s3://versions/missing"]
        lines += [json.dumps({"bucket": "versions", "key": "in/a b", "version": current})]
        file = tmp_path / "uris"
        file.write_bytes("\r\n".join(lines).encode())
        found = list(UriFile(file, S3Heads(s3)).objects())
        assert [entry.version_id if isinstance(entry, FoundObject) else "-" for entry in found] == [
            current,
            first,
            "-",
            current,
        ]
        assert [entry.position for entry in found] == ["1", "2", "4", "5"]
        assert list(UriFile(file, S3Heads(s3)).objects("2")) == found[2:]

    @pytest.mark.parametrize("line", ["in/a", "s3://", "s3://drops", "s3://drops/", "{", '{"bucket": 3, "key": "a"}'])
    @pytest.mark.long
    def test_with_another_line_names_it(self, s3: Any, tmp_path: Path, line: str) -> None:
        file = tmp_path / "uris"
        file.write_text(f"s3://drops/missing\n{line}\n")
        with pytest.raises(FileError, match="line 2"):
            list(UriFile(file, S3Heads(s3)).objects())

    def test_that_does_not_exist_is_an_error(self, s3: Any, tmp_path: Path) -> None:
        with pytest.raises(FileError, match="No such file"):
            list(UriFile(tmp_path / "none", S3Heads(s3)).objects())


# Keys


@settings(max_examples=examples(400), deadline=None)
@given(key=KEYS)
def test_any_key_survives_a_notification(key: str) -> None:
    source = FoundObject("drops", key, 1, "e").source()
    ((read,),) = (message.sources for message in read_event(json.loads(notification(source))))
    assert read == source


@settings(max_examples=examples(400), deadline=None)
@given(key=KEYS, encode=st.sampled_from([quote, quote_plus, lambda key: quote(key, safe="")]))
def test_any_key_survives_the_csv_of_an_inventory(key: str, encode: Any) -> None:
    with temporary(csv_file([row(key)], COLUMNS, encode)) as path:
        (read,) = rows_of("CSV", ALL_COLUMNS, path)
    assert read["key"] == key


@settings(max_examples=examples(200), deadline=None)
@given(key=KEYS)
def test_any_key_survives_a_file(key: str) -> None:
    class Named:
        def head_object(self, **request: Any) -> Any:
            asked.append(request["Key"])
            return {"ContentLength": 1, "ETag": '"e"', "LastModified": NOW}

    asked: list[str] = []
    with temporary(json.dumps({"bucket": "drops", "key": key}).encode()) as path:
        (found,) = UriFile(path, S3Heads(Named())).objects()  # type: ignore[arg-type]
    assert isinstance(found, FoundObject)
    assert asked == [found.key] == [key]


@contextmanager
def temporary(data: bytes) -> Iterator[Path]:
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield Path(file.name)


def test_a_denied_listing_names_the_right(s3: Any) -> None:
    class Denied:
        meta = s3.meta

        def get_bucket_versioning(self, **_: Any) -> Any:
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetBucketVersioning")

    with pytest.raises(AccessDeniedError, match="s3:GetBucketVersioning on drops"):
        objects(S3Objects(Denied(), "drops", ""))  # type: ignore[arg-type]
