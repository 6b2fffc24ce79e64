"""Where small objects are read: at the very endpoint of the client, in every region that there is."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.session import get_session

from penstock.aws.s3.client import s3_config
from penstock.aws.s3.direct import _url
from penstock.limits import MIN_MEMORY, Budget

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SESSION = get_session()
SESSION.set_credentials("test", "test")
REGIONS = [
    (region, SESSION.get_partition_for_region(region))
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("s3", partition)
]
FIPS = ("ca-", "us-")


def client(region: str, **options: Any) -> S3Client:
    """As in the functions. Of one session: another would read the rules again."""
    config = s3_config(Budget.of(MIN_MEMORY)).merge(Config(**options))
    return cast("S3Client", SESSION.create_client("s3", region, config=config))


def url(region: str, bucket: str = "lake", **options: Any) -> str:
    return _url(client(region, **options), bucket)


def test_there_are_regions_of_every_kind() -> None:
    assert {partition for _, partition in REGIONS} >= {"aws", "aws-cn", "aws-us-gov"}
    assert len(REGIONS) > 30


@pytest.mark.parametrize(("region", "partition"), REGIONS)
def test_a_bucket_is_asked_for_at_the_endpoint_of_its_region(region: str, partition: str) -> None:
    s3 = client(region)
    own = urlsplit(s3.meta.endpoint_url)
    assert _url(s3, "lake") == f"{own.scheme}://lake.{own.netloc}/-"
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    if partition in ("aws", "aws-cn", "aws-us-gov"):
        assert own.netloc == f"s3.{region}.{suffix}"
        assert url(region, use_dualstack_endpoint=True) == f"https://lake.s3.dualstack.{region}.{suffix}/-"
    if region.startswith(FIPS) and partition in ("aws", "aws-us-gov"):
        assert url(region, use_fips_endpoint=True) == f"https://lake.s3-fips.{region}.{suffix}/-"
        both = url(region, use_fips_endpoint=True, use_dualstack_endpoint=True)
        assert both == f"https://lake.s3-fips.dualstack.{region}.{suffix}/-"


def test_a_name_with_dots_stays_in_the_path() -> None:
    assert url("eu-west-1", "my.lake") == "https://s3.eu-west-1.amazonaws.com/my.lake/-"


def test_other_services_have_an_endpoint_of_their_own() -> None:
    s3 = cast("S3Client", SESSION.create_client("s3", "us-east-1", endpoint_url="http://127.0.0.1:9"))
    assert _url(s3, "lake") == "http://127.0.0.1:9/lake/-"


def test_threads_ask_for_themselves() -> None:
    s3 = client("eu-west-1")
    found: dict[str, str] = {}
    threads = [Thread(target=lambda name=f"lake-{n}": found.update({name: _url(s3, name)})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"lake-{n}": f"https://lake-{n}.s3.eu-west-1.amazonaws.com/-" for n in range(8)}
