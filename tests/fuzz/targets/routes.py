"""Any text as routes.toml; and what routes that are taken do with a key and a small file."""

from __future__ import annotations

import tomllib
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import damaged, damaged_tree
from fuzz.targets.events import ROOT, STACK
from penstock.errors import PenstockError
from penstock.formats import parse, resolve
from penstock.model.object import Source
from penstock.model.object import Target as Object
from penstock.routes import check_target, destination_of, parse_routes
from penstock.routes.covering import never_taken
from penstock.tables import ChunkBuilder, complete

TOKENS = tuple(
    text.encode()
    for text in (
        *('"', "'", '"""', "[", "]", "[[", "]]", "{", "}", "=", ",", "\n", "#", ".", "[[route]]\n", "[route.parse]\n"),
        *(
            "{key}",
            "{",
            "}}",
            "{0}",
            "{key!r}",
            "{key:>99999999}",
            "{stem.__class__}",
            "{year[0]}",
            "*",
            "?",
            "[",
            "[!a-",
        ),
        *(
            "max_ratio = 1e400\n",
            "max_ratio = nan\n",
            "max_bytes = 1",
            "9" * 5000,
            '"9 QiB"',
            '"1%"',
            "0x7fffffffffffffffff",
        ),
        *('max_record = "9999 TiB"\n', "max_record = 99999999999999999999\n", "max_rejects = 1e309\n", "-1", "true"),
        *(
            'encoding = "utf-7"\n',
            'encoding = "idna"\n',
            'encoding = "\\u0000"\n',
            'encoding = "rot13"\n',
            'encoding = "é"\n',
        ),
        *('delimiter = "é"\n', 'delimiter = "\\ud800"\n', 'quote = ","\n', 'format = "json"\n', 'records = "a..b"\n'),
        *(
            'match = ["[z-a]*", "**"]\n',
            "\\uD800",
            "\\U00110000",
            "1979-05-27T07:32:00Z",
            "inf",
            "postgresql:",
            "dynamodb:a",
        ),
        *('format = ["%"]\n', 'type = "timestamp"\n', 'nulls = ["", "é"]\n', "[" * 2000, "a." * 2000),
    )
)

SEEDS = (
    *(path.read_bytes() for path in (ROOT / "routes.toml", *sorted((ROOT / "examples").rglob("*.toml")))),
    b"""
[[route]]
name = "orders"
match = ["orders/*.csv*", "more/[a-z]?.tsv"]
destination = "postgresql:shop.orders"
max_rejects = "2%"
max_ratio = 50
max_bytes = "10 GiB"
[route.parse]
format = "csv"
delimiter = ";"
quote = "'"
header = false
columns = ["a", "b"]
encoding = "cp1252"
max_record = "64 KiB"
[route.table]
mode = "upsert"
key = "id"
nulls = ["", "NULL"]
create = true
columns = [ { name = "id", type = "integer", from = "a" },
            { name = "at", from = "b", type = "date", format = "%d.%m.%Y" } ]
""",
    b"""
[[route]]
name = "things"
source_bucket = "l*"
match = "*.jsonl"
destination = "dynamodb"
max_rejects = 5
[route.choice]
field = "kind"
payload = "data.row"
unknown = "ignore"
[route.choice.tables]
a = { name = "{records_table}", key = ["id"], columns = [ { name = "id" }, { name = "n", type = "numeric" } ] }
b = { name = "other" }
""",
)


def make(rng: Random) -> bytes:
    seed = rng.choice(SEEDS)
    if rng.random() < 0.5:
        return damaged(rng, seed, TOKENS)
    try:
        return toml(damaged_tree(rng, tomllib.loads(seed.decode()))).encode("utf-8", "replace")
    except RecursionError:
        return b"route = " + b"[" * 5000 + b"]" * 5000


def toml(document: Any) -> str:
    """A tree as TOML, tables inline; what is none becomes text that is no TOML."""
    if not isinstance(document, dict):
        return inline(document)
    return "\n".join(f"{quoted(key)} = {inline(value)}" for key, value in document.items())


def inline(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case dict():
            return f"{{{', '.join(f'{quoted(key)} = {inline(inner)}' for key, inner in value.items())}}}"
        case int() if abs(value) > 10**300:
            return "9" * 5000
    return str(value)


def quoted(text: str) -> str:
    signs = (sign if sign.isprintable() and sign not in '"\\' else f"\\U{ord(sign):08X}" for sign in text)
    return f'"{"".join(signs)}"'


def check(data: bytes, rng: Random) -> None:
    routes = parse_routes(data.decode("utf-8", "replace"), "routes.toml", STACK)
    list(never_taken(routes.routes))
    when = rng.choice(("", "2026-01-31T23:59:59.999Z"))
    for route in routes.routes:
        assert len(route.digest) == 32
        key = rng.choice((*route.match, "in/a.csv.gz", "é/\U0001f600.csv", "/"))
        source = Source("lake", key, 10, "etag", event_time=when)
        routes.find("lake", key)
        target = destination_of(route, source)
        if isinstance(target, Object):
            _try(lambda route=route, target=target: check_target(route, target))
        if plan := route.plan:
            _try(lambda plan=plan: load(plan, rng))


def load(plan: Any, rng: Random) -> None:
    """What a route that was taken promises: its options work, or are refused as such."""
    file = rng.choice(
        (b"a,b\n1,2\n", b'{"a": 1, "id": "2", "kind": "a", "data": {"row": {}}}\n', b"a;b\n'1';31.12.2025\n", b"")
    )
    name = rng.choice(("a.csv", "a.jsonl", "a.tsv.gz", "a"))
    for batch in parse([file], resolve(name, plan.parse), batch_bytes=1000):
        ChunkBuilder(complete(plan, batch)).chunk(0, batch)


def _try(step: Any) -> None:
    try:
        step()
    except PenstockError:
        return


TARGETS = (Target("routes", make, check),)
