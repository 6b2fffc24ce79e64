"""The one way out: all that a command prints goes through here, and nothing of it can command a terminal.

Keys, file contents, URLs and answers of services are others' text. On a terminal it could move the cursor, change the
title, hide lines or pretend to be some; in a pipe it does so later. What cannot be printed is shown escaped, as Python
writes it. A line stays one line.
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

# In a document, line ends and tabs are its own; spaces and joiners are left to whoever shows it.
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Safe(str):
    """Text that was made harmless; its styles are ours."""

    __slots__ = ()


def safe(text: str) -> Safe:
    """One line, with all escaped that cannot be printed."""
    if isinstance(text, Safe):
        return text
    return Safe(text if text.isprintable() else "".join(map(_printable, text)))


def safe_document(text: str) -> Safe:
    """Many lines, with all escaped that could command a terminal."""
    return Safe(_CONTROLS.sub(lambda found: _escaped(found[0]), text))


def styled(text: str, **style: Any) -> Safe:
    """Text in a colour, where there is a terminal to see it."""
    return Safe(click.style(safe(text), **style))


def echo(*lines: str, err: bool = False) -> None:
    """Print lines on stdout, or on stderr. Whatever is not ``Safe`` is escaped."""
    with _written():
        for line in lines:
            click.echo(safe(line), err=err)


def echo_document(text: str) -> None:
    """Print a whole text as it is, but for what could command a terminal."""
    with _written():
        click.echo(safe_document(text), nl=False)


def echo_json(answer: object, *, ascii_only: bool = True) -> None:
    """Print one JSON value on a line; a program reads from it what was meant, to the character."""
    text = json.dumps(answer, ensure_ascii=ascii_only)
    # Only strings hold what cannot be printed: what json.dumps leaves of it is written as JSON escapes it.
    with _written():
        click.echo(text if text.isprintable() else "".join(map(_json_printable, text)))


def confirm(question: str) -> bool:
    """Ask on stderr; Enter is no."""
    return click.confirm(safe(question), err=True)


class SafeFormatter(logging.Formatter):
    """Log lines for a terminal; a message may have several lines."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_document(super().format(record))


def print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A ``sys.excepthook``: what was raised may tell others' text."""
    sys.stderr.write(safe_document("".join(traceback.format_exception(kind, error, trace))))


@contextmanager
def _written() -> Iterator[None]:
    """Raise FileError for an output that cannot be written, such as a file on a full disk. A reader that has gone, as
    `head` does, is click's."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in its buffer would fail once more when the interpreter ends.
        sys.stdout = sys.stdout and io.StringIO()
        raise FileError(
            f"standard output cannot be written: {error.strerror}", hint="What was printed is not whole."
        ) from error


def _printable(char: str) -> str:
    return char if char.isprintable() else _escaped(char)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _json_printable(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x80 else json.dumps(char)[1:-1]  # noqa: PLR2004  # json leaves DEL
