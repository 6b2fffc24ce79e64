"""The S3 responses of OpenStack Swift's gateway (observed with 2.30.1, of Debian 12, and 2.38.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from functional.faulty_s3 import Exchange, Fault, Refusal, Request


@dataclass(frozen=True, slots=True)
class Swift:
    """A schedule. ``old`` means version 2.30.1."""

    old: bool

    def __call__(self, request: Request) -> Fault | None:
        return _Answer(request, old=self.old)


@dataclass(frozen=True, slots=True)
class _Answer:
    request: Request
    old: bool = field(kw_only=True)

    def apply(self, exchange: Exchange) -> None:
        # The gateway ignores checksums, so requests do not carry them to the server.
        for name in [name for name in exchange.headers if name.lower().startswith("x-amz-checksum-")]:
            del exchange.headers[name]
        if refusal := self._refusal(exchange):
            refusal.apply(exchange)
        else:
            exchange.ask()
            exchange.answer()

    def _refusal(self, exchange: Exchange) -> Refusal | None:
        headers = exchange.headers
        match self.request.operation:
            case "PutObject" if "If-Match" in headers or (self.old and "If-None-Match" in headers):
                return Refusal(501, "NotImplemented")
            case "CompleteUpload" if "If-Match" in headers:
                return Refusal(412, "PreconditionFailed") if self.old else Refusal(501, "NotImplemented")
            case "PutObject" | "UploadPart" if self.old and "x-amz-copy-source-if-match" in headers:
                # Wrong for objects in parts only.
                return Refusal(412, "PreconditionFailed") if "-" in headers["x-amz-copy-source-if-match"] else None
            case "DeleteObjects" if self.old and "Content-MD5" not in headers:
                return Refusal(400, "InvalidRequest")
            case "HeadObject" if self.old and self.request.part:
                return Refusal(405, "MethodNotAllowed")
        return None
