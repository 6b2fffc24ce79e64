"""The only output of a command: it escapes everything that could control a terminal.

Keys, file contents, URLs and responses of services are foreign text. On a terminal it could move the cursor, change the
title, and hide or fake lines; from a pipe it could do so later. Characters that cannot be printed are escaped as in
Python. A line stays one line.
"""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import click

from penstock.errors import FileError

# A document keeps its line ends and tabs, and also spaces and joiners, which the viewer renders.
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Safe(str):
    """Escaped text. Its styles are Penstock's own."""

    __slots__ = ()


def safe(text: str) -> Safe:
    """Return one line, in which characters that cannot be printed are escaped."""
    if isinstance(text, Safe):
        return text
    return Safe(text if text.isprintable() else "".join(map(_printable, text)))


def safe_document(text: str) -> Safe:
    """Return several lines, in which characters that could control a terminal are escaped."""
    return Safe(_CONTROLS.sub(lambda found: _escaped(found[0]), text))


def styled(text: str, **style: Any) -> Safe:
    """Return text in a colour; click removes it unless the output is a terminal."""
    return Safe(click.style(safe(text), **style))


def echo(*lines: str, err: bool = False) -> None:
    """Print lines on stdout or stderr. Any text that is not ``Safe`` is escaped."""
    with _written():
        for line in lines:
            click.echo(safe(line), err=err)


def echo_document(text: str) -> None:
    """Print a document unchanged, except for characters that could control a terminal."""
    with _written():
        click.echo(safe_document(text), nl=False)


def echo_json(answer: object, *, ascii_only: bool = True) -> None:
    """Print a JSON value on one line; a program reads the exact characters from it."""
    text = json.dumps(answer, ensure_ascii=ascii_only)
    # Only strings hold characters that cannot be printed. Those that json.dumps leaves are written as JSON escapes.
    with _written():
        click.echo(text if text.isprintable() else "".join(map(_json_printable, text)))


def confirm(question: str) -> bool:
    """Ask on stderr; Enter means no."""
    return click.confirm(safe(question), err=True)


class SafeFormatter(logging.Formatter):
    """Formats log messages for a terminal; a message may have several lines."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_document(super().format(record))


def print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A ``sys.excepthook`` that escapes the message, which may quote foreign text."""
    sys.stderr.write(safe_document("".join(traceback.format_exception(kind, error, trace))))


@contextmanager
def _written() -> Iterator[None]:
    """Raise FileError for an output that cannot be written, such as a file on a full disk. Click handles a reader that
    has closed the pipe, as `head` does."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # The rest of its buffer would fail again at the end of the interpreter.
        sys.stdout = sys.stdout and io.StringIO()
        raise FileError(
            f"standard output cannot be written: {error.strerror}", hint="The output is incomplete."
        ) from error


def _printable(char: str) -> str:
    return char if char.isprintable() else _escaped(char)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _json_printable(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x80 else json.dumps(char)[1:-1]  # noqa: PLR2004  # json leaves DEL
