"""What to do about an error, for a person who runs the pipeline on this machine: there is no message, function or
route, but a command and its options."""

from __future__ import annotations

from penstock import errors
from penstock.errors import PenstockError

_AGAIN = "then run the same command again."

# Instead of the hint that a class has by default.
_BY_CLASS: dict[type[PenstockError], str] = {
    errors.ServiceUnavailableError: f"Check the address and the network, or wait a little, {_AGAIN}",
    errors.PublishConflictError: "Something else wrote the destination at the same moment: run the same command again.",
    errors.TruncatedSourceError: f"The file was cut short: get the whole of it, {_AGAIN}",
    errors.CodecMismatchError: "Rename the file to what it holds, or give the --codec of its content.",
    errors.HeaderRowError: "Correct the header row, or name the columns with --columns.",
    errors.UnclosedQuoteError: "Close the quote, double it where it is text, or give another --quote.",
    errors.RecordsMissingError: "Correct --records or --sheet, or the file.",
    errors.WorkbookTooLargeError: "Give more --memory, or CSV instead of XLSX.",
    errors.OutputTooLargeError: "Give more --memory: parts grow with it.",
    errors.DestinationMissingError: "Create the destination, or correct it.",
    errors.InvalidTableError: "Correct the columns, or the table, or the file's header.",
    errors.TooManyRejectsError: "Correct the records that are listed and run it again, or raise --max-rejects.",
}


def hint_for(error: PenstockError) -> str:
    """The hint of an error that no AWS service has caused."""
    if isinstance(error, errors.AccessDeniedError) and error.right.startswith("CONNECT "):
        return "Correct user and password in the DSN (--dsn, PENSTOCK_POSTGRES_DSN), or let the role connect from here."
    if error.hint != type(error).default_hint:
        return error.hint
    return _BY_CLASS.get(type(error), error.hint)
