"""What `penstock connect` prints, and what its adapter of S3 refuses to write."""

from __future__ import annotations

from typing import Any

import click
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from click.testing import CliRunner

from penstock.aws.access import Access
from penstock.aws.bucket_settings import S3BucketSettings
from penstock.connect.findings import Finding, Level
from penstock.connect.model import Connection, Side, Via
from penstock.connect.showing import Shown
from penstock.errors import RequestRefusedError
from penstock_cli.connect import print_findings

XML = '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{}</NotificationConfiguration>'
EVENT = "<Event>s3:ObjectCreated:*</Event>"
QUEUE = f"<QueueConfiguration><Id>q</Id><Queue>arn:aws:sqs:r:1:q</Queue>{EVENT}</QueueConfiguration>"


class Raw:
    """The body of a response, as urllib3 has it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Any:
        yield self._body


def answering(body: str) -> S3BucketSettings:
    """A bucket whose notification configuration is this document."""
    client = Access("", "us-east-1", "http://127.0.0.1:1").client("s3")
    answer = AWSResponse("", 200, HTTPHeaders(), Raw(XML.format(body).encode()))
    client.meta.events.register("before-send.s3.GetBucketNotificationConfiguration", lambda **_: answer)
    return S3BucketSettings(client, lambda: None, "drops")


@pytest.mark.parametrize("body", ["", QUEUE, "<EventBridgeConfiguration/>"])
def test_a_known_configuration_is_read(body: str) -> None:
    assert len(answering(body).notifications()) == bool(body)


@pytest.mark.parametrize("body", ["<PipeConfiguration><Id>p</Id></PipeConfiguration>", f"{QUEUE}<PipeConfiguration/>"])
def test_a_configuration_of_a_kind_that_botocore_leaves_out_is_refused(body: str) -> None:
    """A PUT of what botocore has read would delete it."""
    with pytest.raises(RequestRefusedError, match="does not know, and would lose: PipeConfiguration"):
        answering(body).notifications()


def printed(finding: Finding, command: str = "") -> str:
    shown = Shown((finding,), Connection("drops", "in/", Side.SOURCE, Via.SQS))

    @click.command()
    def printing() -> None:
        print_findings(shown, "penstock-dev", command, applies=False)

    return CliRunner().invoke(printing).output


def test_foreign_text_controls_no_terminal() -> None:
    hostile = "\x1b[2J\r\nok  bucket"
    finding = Finding("notification", Level.BLOCKED, hostile, hostile, {"Sid": hostile})
    output = printed(finding)
    assert "\x1b" not in output
    assert "\r" not in output
    assert not any(line.startswith("ok") for line in output.splitlines())


def test_the_command_of_the_deployment_stands_on_a_line_of_its_own() -> None:
    output = printed(Finding("stack", Level.BLOCKED, "is not listed"), "sam deploy --stack-name penstock-dev")
    assert "  sam deploy --stack-name penstock-dev" in output.splitlines()
    assert "Everything is in place" not in output
