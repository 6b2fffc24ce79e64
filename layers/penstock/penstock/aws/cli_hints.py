"""Hints for a user who runs the pipeline on this machine: there is no queue, function or route, but a command."""

from __future__ import annotations

from penstock import errors
from penstock.errors import PenstockError

_AGAIN = "then run the same command again."

# Replaces the default hint of a class.
_BY_CLASS: dict[type[PenstockError], str] = {
    errors.ServiceUnavailableError: f"Check the address and the network, or wait a little, {_AGAIN}",
    errors.PublishConflictError: "Another writer changed the destination at the same time. Run the same command again.",
    errors.TruncatedSourceError: f"The file is incomplete: get the complete file, {_AGAIN}",
    errors.CodecMismatchError: "Rename the file to match its content, give another name with --as, or set --codec.",
    errors.HeaderRowError: "Correct the header row, or name the columns with --columns.",
    errors.UnclosedQuoteError: "Close the quote, double it if it is text, or set another --quote.",
    errors.RecordsMissingError: "Correct --records or --sheet, or correct the file.",
    errors.WorkbookTooLargeError: "Increase --memory, or convert the file to CSV.",
    errors.BlockTooLargeError: "Increase --memory, or let the sender write smaller blocks or row groups.",
    errors.OutputTooLargeError: "Increase --memory: the part size grows with it.",
    errors.IncompleteJobError: f"Nothing was published. Correct what failed, {_AGAIN}",
    errors.DestinationMissingError: "Create the destination, or correct its name.",
    errors.InvalidTableError: "Correct the columns, the table or the file's header.",
    errors.TooManyRejectsError: "Correct the listed records and run the command again, or increase --max-rejects.",
}
# The same for a command with a routes file: the options of a route are not those of the command.
_BY_ROUTE: dict[type[PenstockError], str] = {
    errors.CodecMismatchError: "Rename the file to match its content, or set the route's codec.",
    errors.HeaderRowError: errors.HeaderRowError.default_hint,
    errors.UnclosedQuoteError: errors.UnclosedQuoteError.default_hint,
    errors.RecordsMissingError: errors.RecordsMissingError.default_hint,
    errors.InvalidTableError: errors.InvalidTableError.default_hint,
    errors.TooManyRejectsError: (
        "Correct the listed records and run the command again, or increase the route's max_rejects."
    ),
}


def hint_for(error: PenstockError, *, by_route: bool = False) -> str:
    """Return the hint of an error that no AWS service caused. ``by_route``: a routes file has the options."""
    if isinstance(error, errors.AccessDeniedError) and error.right.startswith("CONNECT "):
        return "Correct user and password in the DSN (--dsn, PENSTOCK_POSTGRES_DSN), or allow connections from here."
    of_class = {type(error).default_hint, error.member_hint if isinstance(error, errors.BadSourceError) else ""}
    if error.hint not in of_class:
        return error.hint
    if type(error) not in _BY_CLASS and error.hint == errors.BadSourceError.default_hint:
        return "The file is damaged: ask the sender for a new copy."
    hints = {**_BY_CLASS, **_BY_ROUTE} if by_route else _BY_CLASS
    return hints.get(type(error), error.hint)
