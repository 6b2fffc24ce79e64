"""Table metadata as JSON: what is read of it, and what is refused by name."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from penstock.destinations.iceberg.metadata import MAX_METADATA, check_size, inflate, normalized, parse, table_of
from penstock.destinations.iceberg.ports import IcebergField
from penstock.errors import InvalidTableError

FIELDS = [{"id": 1, "name": "id", "type": "long", "required": True}]


def document(**changes: Any) -> dict[str, Any]:
    found = {
        "format-version": 2,
        "location": "s3://lake/orders/",
        "current-schema-id": 1,
        "schemas": [{"schema-id": 0, "fields": []}, {"schema-id": 1, "fields": FIELDS}],
        "default-spec-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": []}],
        "properties": {},
        "current-snapshot-id": -1,
    }
    return {key: value for key, value in {**found, **changes}.items() if value is not None}


def test_version_1_may_hold_only_one_schema_and_one_list_of_partition_fields() -> None:
    found = document(
        **{
            "format-version": 1,
            "schemas": None,
            "current-schema-id": None,
            "schema": {"type": "struct", "fields": FIELDS},
            "partition-specs": None,
            "default-spec-id": None,
            "partition-spec": [{"name": "id_bucket", "source-id": 1, "field-id": 1000, "transform": "bucket[4]"}],
        }
    )
    table = table_of("sales.orders", normalized(found))
    assert table.fields == (IcebergField(1, "id", "long", required=True),)
    assert [field.transform for field in table.partition] == ["bucket[4]"]
    assert (table.format_version, table.snapshot) == (1, None)


def test_data_files_go_where_the_table_says() -> None:
    table = table_of("sales.orders", document(properties={"write.data.path": "s3://data/orders/"}))
    assert (table.location, table.data_location) == ("s3://lake/orders", "s3://data/orders")


def test_the_main_branch_decides_the_current_snapshot() -> None:
    refs = {"main": {"snapshot-id": 7, "type": "branch"}, "audit": {"snapshot-id": 9, "type": "branch"}}
    assert table_of("sales.orders", document(refs=refs, **{"current-snapshot-id": 9})).snapshot == 7


@pytest.mark.parametrize("version", [3, 4, None, "2"])
def test_other_versions_are_refused_by_name(version: Any) -> None:
    with pytest.raises(InvalidTableError, match=f"sales.orders is an Iceberg table of format version {version}"):
        table_of("sales.orders", document(**{"format-version": version}))


def test_encrypted_tables_are_refused_by_name() -> None:
    with pytest.raises(InvalidTableError, match=r"sales\.orders is encrypted"):
        table_of("sales.orders", document(properties={"encryption.key-id": "k"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"schemas": [{"schema-id": 9, "fields": FIELDS}]},
        {"schemas": [{"schema-id": 1}]},
        {"schemas": [{"schema-id": 1, "fields": [{"id": "x", "name": "id", "type": "long"}]}]},
        {"partition-specs": 3},
        {"location": None},
        {"properties": [1]},
        {"schemas": [{"schema-id": 1, "fields": FIELDS * 10_001}]},
    ],
)
def test_metadata_that_is_not_valid_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidTableError, match=r"the metadata of sales\.orders is not valid"):
        table_of("sales.orders", document(**changes))


def test_the_history_is_dropped_while_metadata_is_parsed() -> None:
    snapshots = [{"snapshot-id": number, "manifest-list": "s3://lake/x.avro"} for number in range(3)]
    log = [{"snapshot-id": 1, "timestamp-ms": 5}]
    text = json.dumps(document(snapshots=snapshots, **{"snapshot-log": log})).encode()
    light, whole = parse("t", "x", text), parse("t", "x", text, history=True)
    assert (light["snapshots"], light["snapshot-log"]) == ([None] * 3, [None])
    assert (whole["snapshots"], whole["snapshot-log"]) == (snapshots, log)
    assert table_of("t", light) == table_of("t", whole)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_of_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidTableError, match=r"the metadata of t is not"):
        parse("t", "s3://lake/metadata.json", text)


def test_compressed_metadata_is_inflated_within_its_bound() -> None:
    assert inflate("t", "x", gzip.compress(b"{}")) == b"{}"
    with pytest.raises(InvalidTableError, match="larger than"):
        inflate("t", "x", gzip.compress(bytes(MAX_METADATA + 1), 1))
    with pytest.raises(InvalidTableError, match="damaged"):
        inflate("t", "x", b"\x1f\x8bnothing")


def test_metadata_beyond_the_bound_is_refused_with_what_to_do() -> None:
    check_size("t", "x", MAX_METADATA)
    with pytest.raises(InvalidTableError) as refused:
        check_size("t", "x", MAX_METADATA + 1)
    assert "Expire old snapshots" in refused.value.hint
