"""How long things take: what the CPU needs, or what the network does."""

from __future__ import annotations

import pytest

from penstock.explain.explanation import indexing_seconds
from penstock.large_jobs.estimate import VCPU, bytes_per_second, estimated_seconds
from penstock.limits import MIB
from penstock.model.job import Job
from penstock.model.member import Member, MemberContent
from penstock.model.object import Source, Target, member_source
from penstock.model.parse_options import ParseOptions
from penstock.model.route import Route, TableTarget
from penstock.model.table import Table, TablePlan


@pytest.mark.parametrize(
    ("codec", "store", "memory", "rate"),
    [
        # In and out pass the same 75 MB/s.
        ("identity", "bucket", VCPU, 37.5e6),
        ("gzip", "bucket", VCPU, 75e6 * 6 / 7),
        ("gzip", "bucket", 10_240 * MIB, 75e6 * 6 / 7),
        # CPU.
        ("gzip", "bucket", VCPU // 10, 25e6),
        ("bzip2", "bucket", VCPU, 30e6),
        ("gzip", "postgresql", VCPU, 25e6),
        ("identity", "dynamodb", VCPU, 25e6),
        # Methods of zip.
        ("deflate", "bucket", VCPU // 10, 25e6),
        ("lzma", "bucket", VCPU // 10, 8e6),
        ("stored", "bucket", VCPU, 37.5e6),
        ("method 97", "bucket", VCPU, 37.5e6),
    ],
)
def test_the_slower_of_cpu_and_network_counts(codec: str, store: str, memory: int, rate: float) -> None:
    assert bytes_per_second(codec, memory, parsed=store != "bucket") == pytest.approx(rate)


@pytest.mark.parametrize(
    ("name", "method", "decoded", "codec"),
    [
        ("a.csv", "stored", 10**9, "identity"),
        ("a.csv", "deflate", 10**9, "gzip"),
        ("a.csv", "bzip2", 10**9, "bzip2"),
        # What is compressed by its name is no larger for being deflated once more.
        ("a.csv.bz2", "deflate", 8 * 10**9, "bzip2"),
        ("a.csv.gz", "stored", 6 * 10**9, "gzip"),
    ],
)
def test_the_declared_size_and_the_method_of_a_member_count(name: str, method: str, decoded: int, codec: str) -> None:
    member = Member(name, 1, 10**9, MemberContent(0, 10**8, method))
    route = Route("members", ("*",), "s3://out/{key}")
    source = member_source(Source("in", "a.zip", 10**8, "e"), member)
    seconds = estimated_seconds(Job(source, route, Target("out", name)), VCPU)
    assert seconds == pytest.approx(decoded / bytes_per_second(codec, VCPU, parsed=False))


def test_a_byte_of_a_binary_format_is_as_much_work_as_several_of_text() -> None:
    def seconds(name: str) -> float:
        route = Route("t", ("*",), "postgresql:t", store="postgresql", plan=TablePlan(ParseOptions(), Table("t")))
        return estimated_seconds(Job(Source("in", name, 10**9, "e"), route, TableTarget("postgresql", "t")), VCPU)

    assert seconds("a.avro") == pytest.approx(10 * seconds("a.csv"))
    assert seconds("a.unknown") == pytest.approx(seconds("a.csv"))


def test_an_index_pass_reads_and_sends_nothing() -> None:
    assert indexing_seconds(75_000_000, 100_000_000, VCPU) == pytest.approx(1)
    assert indexing_seconds(75_000_000, 900_000_000, VCPU) == pytest.approx(2)
