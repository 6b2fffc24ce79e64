"""Open uploads are listed with keys percent-encoded, and told as they are."""

from __future__ import annotations

from typing import Any, cast

from penstock.aws.s3.open_uploads import open_upload_pages


class Pages:
    """A client whose answers were encoded by S3, or by a service that does not know how."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self._pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    def list_multipart_uploads(self, **request: Any) -> dict[str, Any]:
        self.asked.append(dict(request))
        return self._pages.pop(0)


def keys(client: Pages) -> list[str]:
    pages = open_upload_pages(cast("Any", client), "lake", "in/")
    return [upload["Key"] for page in pages for upload in page.get("Uploads", ())]


def test_keys_and_markers_are_decoded_once() -> None:
    first = {
        "EncodingType": "url",
        "IsTruncated": True,
        "NextKeyMarker": "in/%1B%2541+b",
        "NextUploadIdMarker": "1",
        "Uploads": [{"Key": "in/%1B%2541+b", "UploadId": "1"}],
    }
    client = Pages(first, {"EncodingType": "url", "Uploads": [{"Key": "in/%C3%BC", "UploadId": "2"}]})
    assert keys(client) == ["in/\x1b%41 b", "in/ü"]
    assert [asked["EncodingType"] for asked in client.asked] == ["url", "url"]
    assert (client.asked[1]["KeyMarker"], client.asked[1]["UploadIdMarker"]) == ("in/\x1b%41 b", "1")


def test_a_service_that_does_not_encode_is_taken_at_its_word() -> None:
    assert keys(Pages({"Uploads": [{"Key": "in/50%41+b", "UploadId": "1"}]})) == ["in/50%41+b"]
