"""Generate the reference page of the command from its help: python -m penstock_cli.reference > docs/cli.md"""

from __future__ import annotations

from collections.abc import Iterator

import click

from penstock_cli.main import main

# The width of a page of documentation.
WIDTH = 100

HEAD = """# The `penstock` command

This page is generated from the help texts (`python -m penstock_cli.reference > docs/cli.md`); a test compares them.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not running (`local status`), 130 interrupted. Errors go to
stderr: what happened, and what to do. Answers go to stdout. Progress bars go to stderr, and only on a terminal.

Shell completion: `eval "$(_PENSTOCK_COMPLETE=bash_source penstock)"`, likewise with `zsh_source` and `fish_source`.
"""


def page() -> str:
    """Return the page, in Markdown."""
    root = _context(main, "penstock", None)
    return HEAD + "".join(f"\n## {name}\n\n```\n{text}\n```\n" for name, text in _helps(root))


def _helps(context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the name and the help of a command and of all its subcommands."""
    yield context.command_path, context.get_help()
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command:
                yield from _helps(_context(command, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)


if __name__ == "__main__":
    click.echo(page(), nl=False)
