"""The initiators of multipart uploads."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator, router  # type: ignore[import-not-found]  # installed in another virtual environment
from ministack.services import s3  # type: ignore[import-not-found]  # the same

from penstock_local.emulator.patches.multipart import Response


def name_initiators() -> None:
    """ListMultipartUploads returns the ARN of the initiator of each upload: a user, or a session of a role.

    MiniStack names the account.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Initiator.html
    """
    create, list_uploads = s3._create_multipart_upload, s3._list_multipart_uploads

    def create_multipart_upload(bucket: str, key: str, headers: Any) -> Response:
        before = set(s3._multipart_uploads)
        answer: Response = create(bucket, key, headers)
        for upload_id in set(s3._multipart_uploads) - before:
            s3._multipart_uploads[upload_id]["initiator"] = _caller(headers)
        return answer

    def list_multipart_uploads(bucket: str, query: Any) -> Response:
        status, headers, body = list_uploads(bucket, query)
        account = s3.get_account_id()
        for upload_id, upload in s3._multipart_uploads.items():
            if arn := upload.get("initiator"):
                named = f"<UploadId>{upload_id}</UploadId><Initiator><ID>".encode()
                body = body.replace(named + account.encode(), named + escape(arn).encode())
        return status, headers, body

    s3._create_multipart_upload = create_multipart_upload
    s3._list_multipart_uploads = list_multipart_uploads


def _caller(headers: Any) -> str:
    """The ARN of the principal that signed a request; empty for the root user."""
    key = router.extract_access_key_id(headers or {}, {})
    found = iam_evaluator.resolve_credential(key, s3.get_account_id()) if key else None
    assumed = getattr(found, "principal_type", "") in {"AssumedRole", "User"}
    return str(getattr(found, "principal_arn", "")) if assumed else ""
