"""S3 in memory: a client with the operations that Penstock uses, and their rules.

Strongly consistent, as S3 is: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel
Conditions of writes, and when a completion is refused for good, are those of docs/adr/0013.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import ClientError

from penstock.codecs.checksum import crc32
from simulation.dynamodb import Paginator, ignore, refused
from simulation.s3_objects import (
    ATTRIBUTES,
    Body,
    Upload,
    Version,
    byte_range,
    bytes_of,
    checksums,
    crc32_text,
    kept_headers,
    md5,
    part_number,
    quoted,
)

MIN_PART = 5 * 1024 * 1024
# Listings of directory buckets are not sorted.
UNSORTED = "--x-s3"
_HTTP_OF = {
    "NoSuchKey": 404,
    "NoSuchVersion": 404,
    "NoSuchBucket": 404,
    "NoSuchUpload": 404,
    "PreconditionFailed": 412,
    "ConditionalRequestConflict": 409,
    "MethodNotAllowed": 405,
    "InvalidRange": 416,
}


class MemoryS3:
    """The buckets of an account. ``clock`` returns Unix seconds, ``caller`` the role that sends a request.
    ``created`` is called with the bucket and the key of each created upload, ``copied`` with those of a copy."""

    def __init__(
        self,
        clock: Callable[[], float] = lambda: 1_795_249_800.0,
        *,
        caller: Callable[[], str] = lambda: "",
        created: Callable[[str, str], object] = ignore,
        copied: Callable[[str, str], object] = ignore,
        min_part: int = MIN_PART,
    ) -> None:
        self.meta = SimpleNamespace(
            endpoint_url="https://s3.us-east-1.amazonaws.com",
            events=SimpleNamespace(register=ignore),
            service_model=SimpleNamespace(operation_model=lambda _: SimpleNamespace(input_shape=None)),
        )
        self.buckets: dict[str, bool] = {}
        self.versions: dict[tuple[str, str], list[Version]] = {}
        self.uploads: dict[str, Upload] = {}
        self._clock = clock
        self._caller = caller
        self._created = created
        self._on_copy = copied
        self._min_part = min_part
        self._numbers = count(1)

    def create_bucket(self, **request: Any) -> Mapping[str, Any]:
        self.buckets.setdefault(request["Bucket"], False)
        return {}

    def put_bucket_versioning(self, **request: Any) -> Mapping[str, Any]:
        self.buckets[request["Bucket"]] = request["VersioningConfiguration"]["Status"] == "Enabled"
        return {}

    def current(self, bucket: str, key: str) -> Version | None:
        """Return what stands under a key; None if nothing does."""
        versions = self.versions.get((bucket, key), ())
        return versions[-1] if versions and versions[-1].data is not None else None

    def head_object(self, **request: Any) -> Mapping[str, Any]:
        try:
            found = self._found("HeadObject", request)
        except ClientError as error:
            # A response to HEAD has no body: botocore takes the status for the code.
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise refused("HeadObject", str(status), status=status) from error
        return self._described(request, found)

    def get_object(self, **request: Any) -> Mapping[str, Any]:
        found = self._found("GetObject", request)
        assert found.data is not None
        start, end = byte_range(request.get("Range", ""), len(found.data))
        if start >= end and (found.data or "Range" in request):
            raise self._refused("GetObject", "InvalidRange")
        ranged = {"ContentRange": f"bytes {start}-{end - 1}/{len(found.data)}"} if "Range" in request else {}
        body = Body(found.data[start:end])
        return {**self._described(request, found), "ContentLength": end - start, **ranged, "Body": body}

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        body = bytes_of(request["Body"])
        self._check_bucket("PutObject", request["Bucket"])
        self._check_body("PutObject", request, body)
        self._check_condition("PutObject", request)
        algorithm = "CRC32" if "ChecksumCRC32" in request else request.get("ChecksumAlgorithm", "")
        tags = dict(parse_qsl(request.get("Tagging", "")))
        return self._stored(request, body, md5(body), checksums(algorithm, body), tags)

    def copy_object(self, **request: Any) -> Mapping[str, Any]:
        source = self._copied("CopyObject", request)
        self._check_condition("CopyObject", request)
        tags = dict(parse_qsl(request.get("Tagging", "")))
        assert source.data is not None
        answer = self._stored(
            {"Metadata": source.metadata, "ContentType": source.content_type, **kept_headers(source), **request},
            source.data,
            md5(source.data),
            source.checksums,
            tags,
        )
        self._on_copy(request["Bucket"], request["Key"])
        return {**answer, "CopyObjectResult": {"ETag": answer["ETag"]}}

    def delete_object(self, **request: Any) -> Mapping[str, Any]:
        bucket, key = request["Bucket"], request["Key"]
        self._check_bucket("DeleteObject", bucket)
        versions = self.versions.setdefault((bucket, key), [])
        if version_id := request.get("VersionId"):
            versions[:] = [one for one in versions if one.id != version_id]
            return {}
        self._check_condition("DeleteObject", request)
        if not self.buckets[bucket]:
            versions.clear()
            return {}
        marker = self._version(None, "")
        versions.append(marker)
        return {"DeleteMarker": True, "VersionId": marker.id}

    def delete_objects(self, **request: Any) -> Mapping[str, Any]:
        for one in request["Delete"]["Objects"]:
            self.delete_object(Bucket=request["Bucket"], **one)
        return {}

    def get_object_tagging(self, **request: Any) -> Mapping[str, Any]:
        found = self._found("GetObjectTagging", request)
        return {"TagSet": [{"Key": name, "Value": value} for name, value in found.tags.items()]}

    def put_object_tagging(self, **request: Any) -> Mapping[str, Any]:
        found = self._found("PutObjectTagging", request)
        found.tags = {one["Key"]: one["Value"] for one in request["Tagging"]["TagSet"]}
        return {}

    def list_objects_v2(self, **request: Any) -> Mapping[str, Any]:
        self._check_bucket("ListObjectsV2", request["Bucket"])
        found = []
        for key in self._keys(request["Bucket"], request.get("Prefix", "")):
            if version := self.current(request["Bucket"], key):
                assert version.data is not None
                entry = {"Key": key, "Size": len(version.data), "ETag": quoted(version.etag)}
                found.append({**entry, "LastModified": version.modified})
        if request["Bucket"].endswith(UNSORTED):
            found.sort(key=lambda one: hashlib.md5(str(one["Key"]).encode(), usedforsecurity=False).digest())
        return {"Contents": found, "KeyCount": len(found), "IsTruncated": False}

    def list_object_versions(self, **request: Any) -> Mapping[str, Any]:
        """List the versions of keys, the latest first. ``VersionIdMarker``: only those behind it."""
        versions: list[dict[str, Any]] = []
        markers: list[dict[str, Any]] = []
        after = request.get("VersionIdMarker")
        most = request.get("MaxKeys", 1_000)
        for key in self._keys(request["Bucket"], request.get("Prefix", "")):
            if after and key < request.get("KeyMarker", ""):
                continue
            listed = self.versions[request["Bucket"], key][::-1]
            ids = [one.id for one in listed]
            latest = ids[0] if ids else ""
            if after and key == request.get("KeyMarker") and after in ids:
                listed = listed[ids.index(after) + 1 :]
            for one in listed[: most - len(versions) - len(markers)]:
                entry = {"Key": key, "VersionId": one.id, "IsLatest": one.id == latest, "LastModified": one.modified}
                if one.data is None:
                    markers.append(entry)
                else:
                    versions.append({**entry, "ETag": quoted(one.etag), "Size": len(one.data)})
        return {"Versions": versions, "DeleteMarkers": markers, "IsTruncated": False}

    def create_multipart_upload(self, **request: Any) -> Mapping[str, Any]:
        bucket, key = request["Bucket"], request["Key"]
        self._check_bucket("CreateMultipartUpload", bucket)
        number = next(self._numbers)
        is_full = request.get("ChecksumType") == "FULL_OBJECT"
        self.uploads[f"upload-{number}"] = Upload(
            f"upload-{number}",
            number,
            bucket,
            key,
            self._now(),
            self.current(bucket, key) is not None,
            request.get("Metadata", {}),
            request.get("ContentType", "binary/octet-stream"),
            is_full,
            self._caller(),
            {name: request[name] for name in ATTRIBUTES if name in request},
            dict(parse_qsl(request.get("Tagging", ""))),
            request.get("ChecksumAlgorithm", ""),
        )
        self._created(bucket, key)
        return {"UploadId": f"upload-{number}", **({"ChecksumType": "FULL_OBJECT"} if is_full else {})}

    def upload_part(self, **request: Any) -> Mapping[str, Any]:
        upload, body = self._upload("UploadPart", request), bytes_of(request["Body"])
        self._check_body("UploadPart", request, body)
        upload.parts[part_number(request)] = body, md5(body)
        return {"ETag": quoted(md5(body)), "ChecksumCRC32": crc32_text(body)}

    def upload_part_copy(self, **request: Any) -> Mapping[str, Any]:
        upload, source = self._upload("UploadPartCopy", request), self._copied("UploadPartCopy", request)
        assert source.data is not None
        start, end = byte_range(request.get("CopySourceRange", ""), len(source.data))
        body = source.data[start:end]
        upload.parts[part_number(request)] = body, md5(body)
        checksum = {"ChecksumCRC32": crc32_text(body)} if upload.is_full_object else {}
        return {"CopyPartResult": {"ETag": quoted(md5(body)), **checksum}}

    def complete_multipart_upload(self, **request: Any) -> Mapping[str, Any]:
        operation, upload = "CompleteMultipartUpload", self._upload("CompleteMultipartUpload", request)
        self._check_condition(operation, request)
        self._check_since_creation(request, upload)
        named = request["MultipartUpload"]["Parts"]
        numbers = [part["PartNumber"] for part in named]
        if not named or numbers != sorted(set(numbers)):
            raise self._refused(operation, "InvalidPartOrder")
        there = [upload.parts.get(number, (b"", "")) for number in numbers]
        if any(quoted(etag) != quoted(part["ETag"]) for (_, etag), part in zip(there, named, strict=True)):
            raise self._refused(operation, "InvalidPart")
        if any(len(body) < self._min_part for body, _ in there[:-1]):
            raise self._refused(operation, "EntityTooSmall")
        data = b"".join(body for body, _ in there)
        if request.get("ChecksumCRC32", crc32_text(data)) != crc32_text(data):
            raise self._refused(operation, "BadDigest")
        if request.get("MpuObjectSize", len(data)) != len(data):
            raise self._refused(operation, "InvalidRequest")
        del self.uploads[upload.id]
        etag = f"{hashlib.md5(b''.join(bytes.fromhex(etag) for _, etag in there), usedforsecurity=False).hexdigest()}"
        given = {"CRC32": crc32_text(data)} if upload.is_full_object else {}
        if upload.algorithm == "CRC32" and not upload.is_full_object:
            sums = b"".join(crc32(body).to_bytes(4, "big") for body, _ in there)
            given = {"CRC32": f"{crc32_text(sums)}-{len(there)}"}
        attributes = {"Metadata": upload.metadata, "ContentType": upload.content_type, **upload.attributes}
        return self._stored({**attributes, **request}, data, f"{etag}-{len(there)}", given, upload.tags)

    def abort_multipart_upload(self, **request: Any) -> Mapping[str, Any]:
        del self.uploads[self._upload("AbortMultipartUpload", request).id]
        return {}

    def list_multipart_uploads(self, **request: Any) -> Mapping[str, Any]:
        self._check_bucket("ListMultipartUploads", request["Bucket"])
        found = [
            {"Key": one.key, "UploadId": one.id, "Initiated": one.initiated, "Initiator": {"ID": one.initiator}}
            for one in self.uploads.values()
            if one.bucket == request["Bucket"] and one.key.startswith(request.get("Prefix", ""))
        ]
        return {"Uploads": sorted(found, key=lambda one: str(one["Key"])), "IsTruncated": False}

    def list_parts(self, **request: Any) -> Mapping[str, Any]:
        upload = self._upload("ListParts", request)
        found = [
            {"PartNumber": number, "ETag": quoted(etag), "Size": len(body)}
            | ({"ChecksumCRC32": crc32_text(body)} if upload.is_full_object else {})
            for number, (body, etag) in sorted(upload.parts.items())
        ]
        return {"Parts": found, "IsTruncated": False}

    def get_paginator(self, operation: str) -> Paginator:
        return Paginator(getattr(self, operation))

    def _found(self, operation: str, request: Mapping[str, Any]) -> Version:
        """Return the object or the version that a request names, on its condition."""
        bucket, key = request["Bucket"], request["Key"]
        self._check_bucket(operation, bucket)
        versions = self.versions.get((bucket, key), [])
        if version_id := request.get("VersionId", ""):
            found = next((one for one in versions if one.id == version_id), None)
            if found is None:
                raise self._refused(operation, "NoSuchVersion")
            if found.data is None:
                raise self._refused(operation, "MethodNotAllowed")
        else:
            found = self.current(bucket, key)
            if found is None:
                raise self._refused(operation, "NoSuchKey")
        if "IfMatch" in request and request["IfMatch"].strip('"') != found.etag:
            raise self._refused(operation, "PreconditionFailed")
        return found

    def _copied(self, operation: str, request: Mapping[str, Any]) -> Version:
        source = self._found(operation, request["CopySource"])
        if request.get("CopySourceIfMatch", source.etag).strip('"') != source.etag:
            raise self._refused(operation, "PreconditionFailed")
        return source

    def _check_condition(self, operation: str, request: Mapping[str, Any]) -> None:
        there = self.current(request["Bucket"], request["Key"])
        if "IfMatch" in request and there is None:
            raise self._refused(operation, "NoSuchKey")
        if "IfMatch" in request and there and request["IfMatch"].strip('"') != there.etag:
            raise self._refused(operation, "PreconditionFailed")
        if "IfNoneMatch" in request and there:
            raise self._refused(operation, "PreconditionFailed")

    def _check_since_creation(self, request: Mapping[str, Any], upload: Upload) -> None:
        """ADR 13: a key that was written or deleted after an upload was created refuses its completion for good."""
        there = self.current(upload.bucket, upload.key)
        since = there.number > upload.number if there else upload.key_was_there
        if since and ("IfMatch" in request or "IfNoneMatch" in request):
            raise self._refused("CompleteMultipartUpload", "ConditionalRequestConflict")

    def _upload(self, operation: str, request: Mapping[str, Any]) -> Upload:
        upload = self.uploads.get(request["UploadId"])
        if upload is None or (upload.bucket, upload.key) != (request["Bucket"], request["Key"]):
            raise self._refused(operation, "NoSuchUpload")
        return upload

    def _check_body(self, operation: str, request: Mapping[str, Any], body: bytes) -> None:
        if request.get("ChecksumCRC32", crc32_text(body)) != crc32_text(body):
            raise self._refused(operation, "BadDigest")

    def _check_bucket(self, operation: str, bucket: str) -> None:
        if bucket not in self.buckets:
            raise self._refused(operation, "NoSuchBucket")

    def _stored(
        self,
        request: Mapping[str, Any],
        data: bytes,
        etag: str,
        checksums: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        bucket = request["Bucket"]
        version = self._version(data, etag)
        if not self.buckets[bucket]:
            version.id = ""
        version.metadata = {name.lower(): value for name, value in request.get("Metadata", {}).items()}
        version.content_type = request.get("ContentType", version.content_type)
        version.checksums, version.tags = checksums, tags or {}
        version.attributes = {name: request[name] for name in ATTRIBUTES if name in request}
        versions = self.versions.setdefault((bucket, request["Key"]), [])
        if not self.buckets[bucket]:
            versions.clear()
        versions.append(version)
        return {"ETag": quoted(etag), **({"VersionId": version.id} if version.id else {})}

    def _version(self, data: bytes | None, etag: str) -> Version:
        number = next(self._numbers)
        return Version(f"version-{number}", number, data, etag, self._now(), writer=self._caller())

    def _described(self, request: Mapping[str, Any], version: Version) -> dict[str, Any]:
        assert version.data is not None
        sums = {f"Checksum{name}": value for name, value in version.checksums.items()}
        kind = "COMPOSITE" if any("-" in value for value in sums.values()) else "FULL_OBJECT"
        return {
            "ContentLength": len(version.data),
            "ETag": quoted(version.etag),
            "ContentType": version.content_type,
            "Metadata": dict(version.metadata),
            **version.attributes,
            "LastModified": version.modified,
            **({"VersionId": version.id} if version.id else {}),
            "ResponseMetadata": {"HTTPHeaders": {"x-amz-version-id": version.id}},
            **(({"ChecksumType": kind} | sums) if sums and request.get("ChecksumMode") else {}),
        }

    def _keys(self, bucket: str, prefix: str) -> Iterator[str]:
        yield from sorted(key for name, key in self.versions if name == bucket and key.startswith(prefix))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _refused(self, operation: str, code: str) -> ClientError:
        return refused(operation, code, status=_HTTP_OF.get(code, 400))
