"""Options of several commands, with the names and meanings of the aws command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class AwsOptions:
    """Account, region and endpoint. Empty values follow boto3's own rules."""

    profile: str = ""
    region: str = ""
    endpoint_url: str = ""


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is printed: ``quiet``: only errors; ``as_json``: one JSON object on stdout instead of text."""

    quiet: bool = False
    as_json: bool = False


def aws_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add --profile, --region and --endpoint-url; the command receives them as ``aws: AwsOptions``."""

    @click.option("--profile", default="", metavar="NAME", help="Profile in the AWS configuration.")
    @click.option("--region", default="", metavar="REGION", help="AWS region.")
    @click.option(
        "--endpoint-url",
        default="",
        metavar="URL",
        help="Endpoint of another S3-compatible service, or of a local one.",
    )
    @wraps(command)
    def with_aws(profile: str, region: str, endpoint_url: str, **kwargs: Any) -> R:
        kwargs["aws"] = AwsOptions(profile, region, endpoint_url)
        return command(**kwargs)

    return with_aws


member_option = click.option(
    "--member",
    default="",
    metavar="NAME",
    help="The member of an archive with this name, this number in the archive, or this job's id.",
)


def output_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add --quiet and --json; the command receives them as ``output: OutputOptions``."""

    @click.option("--quiet", is_flag=True, help="Print errors only.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @wraps(command)
    def with_output(quiet: bool, as_json: bool, **kwargs: Any) -> R:
        kwargs["output"] = OutputOptions(quiet, as_json)
        return command(**kwargs)

    return with_output
