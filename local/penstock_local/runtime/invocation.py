"""How one event fared, in Lambda's words."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from penstock_local.runtime.api import Exit, Fault, Report, Silence


@dataclass(frozen=True, slots=True)
class Invocation:
    """The outcome and cost of one event.

    ``payload`` is what the handler returned, decoded. A failure has an ``error_type`` instead: the class that the
    handler raised, or Lambda's name for the end of the process (``Runtime.ExitError``, ``Runtime.OutOfMemory``,
    ``Sandbox.Timedout``). ``seconds`` runs from handing the event over to the answer; ``init_seconds`` is the cold
    start before it, 0.0 when warm. Peaks are of the process's life so far: ``peak_bytes`` of its control group, page
    cache included, ``rss_peak_bytes`` of its resident set (0 once it is dead). ``enforced_by`` says which cap was on:
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


def fault_of(report: Report, *, timeout: float, out_of_memory: bool) -> Fault | None:
    """What Lambda answers after this end; None where the handler returned."""
    match report:
        case Fault():
            return report
        case Silence():
            return Fault("Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds", ())
        case Exit() if out_of_memory:
            return Fault("Runtime.OutOfMemory", "Runtime exited with error: signal: killed", ())
        case Exit(status) if status < 0:
            name = signal.strsignal(-status) or str(-status)
            return Fault("Runtime.ExitError", f"Runtime exited with error: signal: {name.lower()}", ())
        case Exit(status):
            return Fault("Runtime.ExitError", f"Runtime exited with error: exit status {status}", ())
        case _:
            return None
