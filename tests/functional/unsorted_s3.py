"""Listings in any order, within pages and across them, as directory buckets and some gateways return them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from functional.faulty_s3 import Exchange, Fault, Request

Ordering = Callable[[list[bytes]], list[bytes]]


@dataclass(frozen=True, slots=True)
class Unsorted:
    """A page of a listing in the order of the service."""

    order: Ordering
    page: int

    def apply(self, exchange: Exchange) -> None:
        query = parse_qs(urlsplit(exchange.path).query)
        begin = int(query.get("continuation-token", ["0"])[0])
        exchange.path = re.sub(r"&?continuation-token=\d+", "", exchange.path)
        exchange.ask()
        if "list-type" in query:
            exchange.rewrite(lambda body: self._cut(body, begin))
        exchange.answer()

    def _cut(self, body: bytes, begin: int) -> bytes:
        """Cut a page from the listing. ``begin`` is the number of objects before it, and its token."""
        found = re.findall(rb"<Contents>.*?</Contents>", body, re.DOTALL)
        if not found:
            return body
        head, tail = body[: body.index(found[0])], body[body.rindex(b"</Contents>") + len(b"</Contents>") :]
        ordered, end = self.order(found), begin + self.page
        rest = re.sub(rb"<IsTruncated>.*?</IsTruncated>", b"", head + b"".join(ordered[begin:end]))
        more = b"<IsTruncated>%s</IsTruncated>" % (b"true" if end < len(found) else b"false")
        return rest + more + b"<NextContinuationToken>%d</NextContinuationToken>" % end + tail


def unsorted(order: Ordering, page: int = 1000) -> Callable[[Request], Fault]:
    """The schedule of such a service. It only changes listings."""
    return lambda _: Unsorted(order, page)
