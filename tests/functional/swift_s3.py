"""S3 as the gateway of OpenStack Swift answers it (seen with 2.30.1, Debian 12's, and 2.38.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from functional.faulty_s3 import Exchange, Fault, Refusal, Request


@dataclass(frozen=True, slots=True)
class Swift:
    """A schedule. ``old``: as 2.30.1."""

    old: bool

    def __call__(self, request: Request) -> Fault | None:
        return _Answer(request, old=self.old)


@dataclass(frozen=True, slots=True)
class _Answer:
    request: Request
    old: bool = field(kw_only=True)

    def strike(self, exchange: Exchange) -> None:
        # Checksums are unknown, or not told of: what declares one for the whole object is not answered.
        for name in [name for name in exchange.headers if name.lower().startswith("x-amz-checksum-")]:
            del exchange.headers[name]
        if refusal := self._refusal(exchange):
            refusal.strike(exchange)
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
                # Of objects in parts; of others it is right.
                return Refusal(412, "PreconditionFailed") if "-" in headers["x-amz-copy-source-if-match"] else None
            case "DeleteObjects" if self.old and "Content-MD5" not in headers:
                return Refusal(400, "InvalidRequest")
            case "HeadObject" if self.old and self.request.part:
                return Refusal(405, "MethodNotAllowed")
        return None
