"""Manifests and their lists as Avro files, by pyiceberg's readers and writers.

pyiceberg's own files import the whole library for the name of a property, and compress each entry alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Literal

from pyiceberg.avro.codecs import AVRO_CODEC_KEY, KNOWN_CODECS
from pyiceberg.avro.codecs.codec import Codec
from pyiceberg.avro.codecs.deflate import DeflateCodec
from pyiceberg.avro.file import MAGIC, META_SCHEMA, AvroFile, AvroFileHeader, AvroOutputFile, D
from pyiceberg.avro.resolver import construct_reader, construct_writer
from pyiceberg.io import InputFile, OutputFile
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_ENTRY_SCHEMAS,
    MANIFEST_LIST_FILE_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestListWriter,
    ManifestListWriterV1,
    ManifestListWriterV2,
    ManifestWriter,
    ManifestWriterV1,
    ManifestWriterV2,
    PartitionFieldSummary,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.utils.schema_conversion import AvroSchemaConversion

Version = Literal[1, 2]

# Records of a block.
_BLOCK = 100


class _Header(AvroFileHeader):
    def compression_codec(self) -> type[Codec] | None:
        name = self.meta.get(AVRO_CODEC_KEY, "null")
        if name not in KNOWN_CODECS:
            raise ValueError(f"Avro files in {name} cannot be read")
        return KNOWN_CODECS[name]


class _File(AvroFile[D]):
    __slots__ = ()

    def _read_header(self) -> AvroFileHeader:
        header: AvroFileHeader = construct_reader(META_SCHEMA, {-1: _Header}).read(self.decoder)
        return header


class _DeflatedFile(AvroOutputFile[D]):
    """Writes records in blocks."""

    _pending: list[D]

    def _write_header(self) -> None:
        self._pending = []
        schema = AvroSchemaConversion().iceberg_to_avro(self.file_schema, schema_name=self.schema_name)
        meta = {**self.metadata, "avro.schema": json.dumps(schema), "avro.codec": "deflate"}
        construct_writer(META_SCHEMA).write(self.encoder, AvroFileHeader(MAGIC, meta, self.sync_bytes))

    def compression_codec(self) -> type[Codec] | None:
        return DeflateCodec

    def write_block(self, objects: Sequence[D]) -> None:
        self._pending += objects
        if len(self._pending) >= _BLOCK:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        super().__exit__(kind, error, trace)

    def _flush(self) -> None:
        if self._pending:
            super().write_block(self._pending)
        self._pending = []


class _Manifest(ManifestWriter):
    def new_writer(self) -> AvroOutputFile[ManifestEntry]:
        return _DeflatedFile[ManifestEntry](
            output_file=self._output_file,
            file_schema=self._with_partition(self.version),
            record_schema=self._with_partition(DEFAULT_READ_VERSION),
            schema_name="manifest_entry",
            metadata=self._meta,
        )


class _ManifestV1(_Manifest, ManifestWriterV1): ...


class _ManifestV2(_Manifest, ManifestWriterV2): ...


class _List(ManifestListWriter):
    def __enter__(self) -> ManifestListWriter:
        self._writer = _DeflatedFile[ManifestFile](
            output_file=self._output_file,
            record_schema=MANIFEST_LIST_FILE_SCHEMAS[DEFAULT_READ_VERSION],
            file_schema=MANIFEST_LIST_FILE_SCHEMAS[self._format_version],
            schema_name="manifest_file",
            metadata=self._meta,
        )
        self._writer.__enter__()
        return self


class _ListV1(_List, ManifestListWriterV1): ...


class _ListV2(_List, ManifestListWriterV2): ...


def manifest_writer(
    version: Version, spec: PartitionSpec, schema: Schema, output: OutputFile, snapshot_id: int
) -> ManifestWriter:
    """Write a manifest of data files."""
    kind = _ManifestV1 if version == 1 else _ManifestV2
    return kind(spec, schema, output, snapshot_id, "deflate")


def list_writer(
    version: Version, output: OutputFile, snapshot_id: int, parent: int | None, sequence_number: int
) -> ManifestListWriter:
    """Write the list of manifests of a snapshot."""
    if version == 1:
        return _ListV1(output, snapshot_id, parent, "deflate")
    return _ListV2(output, snapshot_id, parent, sequence_number, "deflate")


def manifests_in(file: InputFile) -> AvroFile[ManifestFile]:
    """Read a list of manifests, as pyiceberg's ``read_manifest_list`` does."""
    return _File[ManifestFile](
        file,
        MANIFEST_LIST_FILE_SCHEMAS[DEFAULT_READ_VERSION],
        read_types={-1: ManifestFile, 508: PartitionFieldSummary},
        read_enums={517: ManifestContent},
    )


def entries_in(file: InputFile) -> AvroFile[ManifestEntry]:
    """Read a manifest, as ``ManifestFile.fetch_manifest_entry`` does, but entry by entry."""
    return _File[ManifestEntry](
        file,
        MANIFEST_ENTRY_SCHEMAS[DEFAULT_READ_VERSION],
        read_types={-1: ManifestEntry, 2: DataFile},
        read_enums={0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
    )
