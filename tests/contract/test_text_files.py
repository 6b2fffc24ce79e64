"""The contract of readers of small texts: the text, or an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract.object_backends import Endpoint
from penstock.aws.text_files import MAX_BYTES, UriTexts
from penstock.errors import ConfigurationError
from penstock.testing import MemoryTexts

TEXT = 'destination = "s3://lake/{stem}"  # naïve\r\n'


@pytest.fixture
def s3(moto: Endpoint) -> Iterator[Any]:
    client = moto.client("s3")
    client.create_bucket(Bucket="config")
    yield client
    client.close()


@pytest.fixture
def texts(moto: Endpoint) -> UriTexts:
    return UriTexts(partial(moto.client, "s3"))


def test_a_path_is_read(texts: UriTexts, tmp_path: Path) -> None:
    path = tmp_path / "routes.toml"
    path.write_bytes(TEXT.encode())
    assert texts.read(str(path)) == TEXT


def test_a_file_uri_is_read(texts: UriTexts, tmp_path: Path) -> None:
    path = tmp_path / "the routes.toml"
    path.write_bytes(TEXT.encode())
    assert texts.read(path.as_uri()) == TEXT


def test_an_object_is_read(texts: UriTexts, s3: Any) -> None:
    s3.put_object(Bucket="config", Key="a b/routes.toml", Body=TEXT.encode())
    assert texts.read("s3://config/a b/routes.toml") == TEXT


def test_a_file_is_not_decompressed_because_of_its_name(texts: UriTexts, s3: Any) -> None:
    s3.put_object(Bucket="config", Key="routes.toml.gz", Body=TEXT.encode())
    assert texts.read("s3://config/routes.toml.gz") == TEXT


@pytest.mark.parametrize(
    "uri",
    [
        "/no/such/routes.toml",
        "file:///no/such/routes.toml",
        "s3://config/no-such",
        "s3://no-such-bucket/routes.toml",
        "s3://config",
    ],
)
def test_a_missing_file_is_named(texts: UriTexts, s3: Any, uri: str) -> None:
    with pytest.raises(ConfigurationError, match=uri.removeprefix("file://")):
        texts.read(uri)


def test_a_missing_object_says_what_to_do(texts: UriTexts) -> None:
    with pytest.raises(ConfigurationError) as raised:
        texts.read("s3://config/no-such")
    assert raised.value.hint == "Write the file to s3://config/no-such, or correct the setting that names it."


@pytest.mark.parametrize("uri", ["https://example.com/routes.toml", "ftp://example.com/routes.toml"])
def test_no_other_scheme_is_read(texts: UriTexts, uri: str) -> None:
    with pytest.raises(ConfigurationError, match=uri):
        texts.read(uri)


def test_the_largest_text_is_read_and_a_larger_one_refused(texts: UriTexts, s3: Any, tmp_path: Path) -> None:
    path = tmp_path / "routes.toml"
    path.write_bytes(b" " * MAX_BYTES)
    assert len(texts.read(str(path))) == MAX_BYTES
    path.write_bytes(b" " * (MAX_BYTES + 1))
    s3.put_object(Bucket="config", Key="large", Body=b" " * (MAX_BYTES + 1))
    for uri in (str(path), path.as_uri(), "s3://config/large"):
        with pytest.raises(ConfigurationError, match="larger than"):
            texts.read(uri)


def test_a_text_that_is_not_utf_8_is_refused(texts: UriTexts, tmp_path: Path) -> None:
    path = tmp_path / "routes.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=str(path)):
        texts.read(str(path))


def test_the_fake_reads_its_files_and_names_a_missing_one() -> None:
    fake = MemoryTexts({"s3://config/routes.toml": TEXT})
    assert fake.read("s3://config/routes.toml") == TEXT
    with pytest.raises(ConfigurationError, match="s3://config/no-such"):
        fake.read("s3://config/no-such")
