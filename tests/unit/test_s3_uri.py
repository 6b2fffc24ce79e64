"""``s3://`` URIs, as every command takes them apart."""

from __future__ import annotations

import click
import pytest

from penstock.errors import ConfigurationError
from penstock.model.s3_uri import split
from penstock.sync.locations import Folder, Prefix, parse
from penstock_cli.params import S3_URI

ARN = "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/ap/key"
REFUSED = [(ARN, "an ARN cannot be used as a bucket name"), ("s3://Bad Bucket/x", "'Bad Bucket' is not a bucket name")]


def test_a_uri_has_a_bucket_and_a_key() -> None:
    assert split("s3://lake/in/a b?c#d") == ("lake", "in/a b?c#d")
    assert split("s3://Old_Bucket") == ("Old_Bucket", "")
    assert split("s3://") == ("", "")


@pytest.mark.parametrize(("uri", "reason"), REFUSED)
def test_what_no_bucket_can_be_called_is_refused_in_every_command(uri: str, reason: str) -> None:
    for read in (split, parse):
        with pytest.raises(ConfigurationError, match=reason) as caught:
            read(uri)
        assert caught.value.hint
    with pytest.raises(click.BadParameter, match=reason):
        S3_URI.convert(uri, None, None)


def test_the_ends_of_a_sync_have_names() -> None:
    assert (parse("."), parse("s3://lake/a/")) == (Folder("."), Prefix("lake", "a/"))
    with pytest.raises(ConfigurationError, match="the name of a folder is empty"):
        parse("")
    with pytest.raises(ConfigurationError, match="names no bucket"):
        parse("s3:///a")
