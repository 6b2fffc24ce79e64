"""The result of one event, in Lambda's terms."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from penstock_local.runtime.api import Exit, FunctionError, NoReport, Report


@dataclass(frozen=True, slots=True)
class Invocation:
    """The outcome and cost of one event.

    ``payload`` is the decoded return value of the handler. A failure has an ``error_type`` instead: the class that the
    handler raised, or Lambda's name for the end of the process (``Runtime.ExitError``, ``Runtime.OutOfMemory``,
    ``Sandbox.Timedout``). ``seconds`` is the time from sending the event to the response; ``init_seconds`` is the cold
    start before it, 0.0 when warm. Peaks are those since the process started: ``peak_bytes`` of its control group, with
    page cache, ``rss_peak_bytes`` of its resident set (0 after it has ended). ``enforced_by`` is the name of the cap:
    ``cgroup v1``, ``cgroup v2``, ``rlimit`` or ``none``.
    """

    request_id: str
    payload: Any
    error_type: str
    error_message: str
    stack: tuple[str, ...]
    seconds: float
    cpu_seconds: float
    init_seconds: float
    init_cpu_seconds: float
    peak_bytes: int
    rss_peak_bytes: int
    timed_out: bool
    killed: bool
    out_of_memory: bool
    left_in_tmp: tuple[str, ...]
    enforced_by: str
    log: str

    @property
    def ok(self) -> bool:
        return not self.error_type


def error_of(report: Report, *, timeout: float, out_of_memory: bool) -> FunctionError | None:
    """The error that Lambda returns for this report; None if the handler returned."""
    match report:
        case FunctionError():
            return report
        case NoReport():
            return FunctionError("Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds", ())
        case Exit() if out_of_memory:
            return FunctionError("Runtime.OutOfMemory", "Runtime exited with error: signal: killed", ())
        case Exit(status) if status < 0:
            name = signal.strsignal(-status) or str(-status)
            return FunctionError("Runtime.ExitError", f"Runtime exited with error: signal: {name.lower()}", ())
        case Exit(status):
            return FunctionError("Runtime.ExitError", f"Runtime exited with error: exit status {status}", ())
        case _:
            return None
