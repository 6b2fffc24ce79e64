"""What is said of licences and vulnerabilities, and that silence is no good news."""

from __future__ import annotations

from email.message import Message
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from penstock_local.audit import BAD, IN_ORDER, UNKNOWN, parse_report
from penstock_local.licences import EXPLAINED, PAGE, Package, licence_of, licence_problems, page, shipped
from penstock_local.sources import checkout


def wheel(tmp_path: Path, **fields: str | list[str]) -> Distribution:
    metadata = Message()
    metadata["Name"] = "tiny"
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            metadata[name.replace("_", "-")] = value
    folder = tmp_path / "tiny-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(metadata.as_string())
    return PathDistribution(folder)


def test_the_page_of_licences_is_current() -> None:
    assert (checkout() / PAGE).read_text() == page(shipped(checkout())), "run python -m penstock_local.licences"


def test_whatever_ships_may_ship() -> None:
    assert licence_problems(shipped(checkout())) == []


def test_the_layers_hold_what_their_requirements_list_and_no_more() -> None:
    layers = {one.name: one.layer for one in shipped(checkout())}
    wanted = {"psycopg": "penstock", "isal": "penstock", "arro3-io": "lake", "pyiceberg": "iceberg"}
    assert layers.items() >= wanted.items()
    assert {layers.get(name, "") for name in ("boto3", "botocore", "rich", "click", "pyarrow")} == {""}


def test_every_explanation_is_needed() -> None:
    assert {one.name for one in shipped(checkout())} >= set(EXPLAINED)


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License_Expression": "MIT"}, "MIT"),
        ({"License": "Apache License 2.0"}, "Apache-2.0"),
        ({"Classifier": ["License :: OSI Approved :: MIT License", "Topic :: Internet"]}, "MIT"),
        (
            {
                "License": "Dual License",
                "Classifier": [
                    "License :: OSI Approved :: BSD License",
                    "License :: OSI Approved :: Apache Software License",
                ],
            },
            "BSD OR Apache-2.0",
        ),
        ({"License": "ask my lawyer"}, "unknown"),
        ({"License_Expression": "AGPL-3.0-only"}, "unknown"),
        ({"Classifier": ["License :: OSI Approved :: MIT License", "License :: Other/Proprietary License"]}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_licence_is_what_the_metadata_say(tmp_path: Path, fields: dict[str, str | list[str]], licence: str) -> None:
    assert licence_of(wheel(tmp_path, **fields)) == licence


@pytest.mark.parametrize(
    ("name", "licence", "refused"),
    [
        ("tiny", "MIT", False),
        ("tiny", "unknown", True),
        ("tiny", "LGPL-3.0-only", True),
        ("psycopg", "LGPL-3.0-only", False),
        ("psycopg", "MPL-2.0", True),
        ("psycopg", "unknown", True),
    ],
)
def test_what_is_unknown_or_asks_for_more_is_refused_unless_it_is_explained(
    name: str, licence: str, refused: bool
) -> None:
    assert bool(licence_problems([Package(name, "1.0", licence)])) is refused


def entry(name: str, *vulnerabilities: str) -> dict[str, object]:
    return {"name": name, "version": "1.0", "vulns": [{"id": one, "fix_versions": ["2.0"]} for one in vulnerabilities]}


def test_packages_without_known_vulnerabilities_are_in_order() -> None:
    assert parse_report({"dependencies": [entry("a"), entry("b")]}, ["a", "b"]).verdict == IN_ORDER


def test_a_vulnerability_is_named_with_its_fix() -> None:
    answer = parse_report({"dependencies": [entry("a", "CVE-1")]}, ["a"])
    assert answer.verdict == BAD
    assert answer.found == ("a 1.0: CVE-1, fixed in 2.0",)


def test_what_the_database_passes_over_was_not_checked() -> None:
    skipped = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited"}
    answer = parse_report({"dependencies": [entry("a"), skipped]}, ["a", "b"])
    assert answer.verdict == UNKNOWN
    assert answer.unchecked == ("b",)


def test_a_database_that_does_not_answer_has_checked_nothing() -> None:
    assert parse_report({}, ["a", "b"]).unchecked == ("a", "b")
