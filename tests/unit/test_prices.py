"""The table of prices: one place, and files for other regions."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.explain.prices import LISTED, SECTIONS, listed_prices, read_prices

ROOT = Path(__file__).parents[2]
CODE = ("layers", "cli", "functions", "local", "benchmarks", "faults")


def test_the_listed_prices_say_their_region_their_date_and_where_each_is_from() -> None:
    assert re.fullmatch(r"prices of us-east-1, 2\d{3}-\d\d-\d\d", listed_prices().name)
    sections = tomllib.loads(LISTED.read_text())
    for name in SECTIONS.keys() - {"free"}:
        about = sections[name]
        assert about["page"].startswith("https://aws.amazon.com/")
        assert about["document"].startswith("https://")
        assert type(about["seen"]) is date
        assert about["seen"] <= listed_prices().date


def test_no_other_place_has_a_price() -> None:
    """The figures of the table that no other number of a program is likely to be."""
    prices = re.compile(r"0\.00001[36]\d+|0\.625|0\.0004\b|(?<![\d.])0?\.20? / (1e6|1_000_000)|0\.025 / |0\.005 / ")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in CODE
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if prices.search(line)
    ]
    assert found == []


def test_a_file_for_another_region_takes_the_place_of_the_table(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    text = LISTED.read_text().replace('"us-east-1"', '"eu-central-1"')
    file.write_text(text.replace("gb_second_arm64 = 0.0000133334", "gb_second_arm64 = 1"))
    prices = read_prices(file)
    assert prices.name == f"prices of eu-central-1, {listed_prices().date}"
    assert (prices.lambda_.gb_second("arm64"), prices.lambda_.gb_second()) == (1, listed_prices().lambda_.gb_second())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('region = "us-east-1"', "", "needs region"),
        ("date = 2026", "day = 2026", "needs region"),
        ("gb_second_arm64 = 0.0000133334", "", r"\[lambda\] has no gb_second_arm64"),
        ("thousand_puts = 0.005", "thousand_puts = -1", r"thousand_puts of \[s3\] is not a price: -1"),
        ("thousand_puts = 0.005", "thousand_puts = nan", r"thousand_puts of \[s3\] is not a price: nan"),
        ("thousand_puts = 0.005", 'thousand_puts = "0.005"', r"is not a price: '0.005'"),
        ("[sns]", "[snsx]", r"\[snsx\] is not a section"),
        ("thousand_gets", "thousands_gets", r"\[s3\] has no thousand_gets"),
        ("thousand_gets", "more = 1\nthousand_gets", r"more is not a price of \[s3\]"),
        ("[s3]", "[s3", "cannot be read as prices"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "prices.toml"
    text = LISTED.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_prices(file)
    assert str(file) in caught.value.message
    assert "prices.toml" in caught.value.hint


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read as prices"):
        read_prices(tmp_path / "none.toml")
