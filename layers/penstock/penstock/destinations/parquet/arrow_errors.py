"""Errors of arro3, in the words of Penstock. A panic of its Rust code is a BaseException of a class of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.errors import PermanentError

_PANIC = "PanicException"


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Raises PermanentError for what arro3 raises in this block, except for a lack of memory."""
    try:
        yield
    except (MemoryError, PermanentError):
        raise
    except Exception as error:
        raise _refused(what, error) from error
    except BaseException as error:
        if type(error).__name__ == _PANIC:
            raise _refused(what, error) from error
        raise


def _refused(what: str, error: BaseException) -> PermanentError:
    return PermanentError(
        f"{what} could not be written: {str(error)[:300]}", hint="Report it to Penstock's authors, with the message."
    )
