"""What Penstock costs: idle, by resource, and in typical use: python -m benchmarks.costs [--check | --write].

``--check`` fails where docs/costs.md does not show what this prints; ``--write`` replaces its tables.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.event_costs import event_table
from benchmarks.idle_costs import FREE, IdleStack, after_free_tier
from benchmarks.typical_costs import uses

from penstock.explain.costs import of_records
from penstock.explain.prices import Prices, listed_prices, read_prices

DOCUMENT = Path(__file__).parents[1] / "docs/costs.md"
HOURS = 30 * 24
# Services that a function in a VPC reaches by an interface endpoint (template.yaml, VpcSubnetIds), in two zones.
ENDPOINTS, ZONES = 4, 2


def idle_table(prices: Prices) -> Iterator[str]:
    """Yield what an idle stack costs, resource by resource, and the sums."""
    charges = list(IdleStack.read(prices).charges())
    yield "| resource | in a month | dollars |"
    yield "|---|---|---|"
    for charge in charges:
        yield f"| `{charge.resource}` | {charge.what} | {charge.dollars:.3f} |"
    boards = [charge for charge in charges if charge.free == "dashboards"]
    others = [charge for charge in charges if charge.free != "dashboards"]
    total = sum(charge.dollars for charge in others)
    yield f"| all but the dashboard | | **{total:.2f}** |"
    yield f"| all | | **{total + sum(charge.dollars for charge in boards):.2f}** |"
    left = after_free_tier(charges, prices)
    yield f"| all, in an account that uses its free tier for nothing else | | **{left:.2f}** |"


def free_table() -> Iterator[str]:
    """Yield the types of resources that cost nothing, and why."""
    kinds = {resource["Type"] for resource in IdleStack.read(listed_prices()).template["Resources"].values()}
    yield "| type | why it is free |"
    yield "|---|---|"
    yield from (f"| `{kind}` | {FREE[kind]} |" for kind in sorted(kinds & FREE.keys()))


def use_table(prices: Prices) -> Iterator[str]:
    yield "| use | seconds of a file | dollars a month | of which Lambda's seconds | dollars for a thousand files |"
    yield "|---|---|---|---|---|"
    yield from (use.row(prices) for use in uses())


def record_table(prices: Prices) -> Iterator[str]:
    yield "| records of a million small jobs | dollars | of which the index `by_time` |"
    yield "|---|---|---|"
    for name, is_burst in (("each in an invocation of its own", False), ("in bursts into PostgreSQL", True)):
        total, index = of_records(1_000_000, prices, burst=is_burst)
        yield f"| {name} | {total:.2f} | {index:.2f} |"


def beside_table(prices: Prices) -> Iterator[str]:
    """Yield what a stack may need that is not in the template."""
    network = prices.network
    yield "| beside the stack | dollars a month |"
    yield "|---|---|"
    yield f"| a key of KMS (`KmsKeyArn`) | {prices.kms.key_month:.2f}, and its requests |"
    yield f"| a secret (`PostgresSecretArn`, `ArchiveSecretArns`) | {prices.secrets_manager.secret_month:.2f} |"
    endpoints = ENDPOINTS * ZONES * HOURS * network.endpoint_hour
    yield f"| a VPC: {ENDPOINTS} interface endpoints in {ZONES} zones | {endpoints:.2f}, {network.endpoint_gb} a GB |"
    yield f"| a VPC: a NAT gateway instead | {HOURS * network.nat_hour:.2f}, {network.nat_gb} a GB |"
    yield f"| a bucket in another region | {network.gb_between_regions} a GB in the US |"
    yield f"| storage of buckets (Standard) | {prices.s3.gb_month} a GB |"
    stored = prices.dynamodb.gb_month + prices.dynamodb.gb_month_recovery
    yield f"| storage of tables, with recovery | {stored:.2f} a GB |"


def tables(prices: Prices) -> list[list[str]]:
    """Return the tables of the document."""
    made = (
        idle_table(prices),
        free_table(),
        use_table(prices),
        record_table(prices),
        event_table(prices),
        beside_table(prices),
    )
    return [list(table) for table in made]


def with_tables(document: str, printed: list[str]) -> str:
    """Return the document with its tables replaced by those with the same head."""
    for table in printed:
        head = re.escape(table.split("\n", 1)[0])
        shown = re.findall(rf"^{head}\n(?:\|.*\n)+", document, flags=re.MULTILINE)
        if len(shown) != 1:
            raise ValueError(f"{DOCUMENT.name} has {len(shown)} tables with the head {table.splitlines()[0]}")
        document = document.replace(shown[0], f"{table}\n")
    return document


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--prices", type=Path, help="a file like prices.toml, for another region")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare with docs/costs.md")
    action.add_argument("--write", action="store_true", help="replace the tables of docs/costs.md")
    options = parser.parse_args(arguments)
    prices = read_prices(options.prices) if options.prices else listed_prices()
    printed = ["\n".join(table) for table in tables(prices)]
    if options.write:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), printed))
        return 0
    if options.check:
        document = DOCUMENT.read_text()
        missing = [text for text in [prices.name, *printed] if text not in document]
        sys.stdout.writelines(f"docs/costs.md does not show:\n{text}\n" for text in missing)
        return 1 if missing else 0
    print(f"By {prices.name}:\n\n" + "\n\n".join(printed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
