"""The stack of a command: a deployed stack by its name, or the local one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from penstock_cli.options import AwsOptions, aws_options

if TYPE_CHECKING:
    from penstock.wiring.cli import CliClients
    from penstock.wiring.operations import Access, Operations, StackNames
    from penstock_local.stack import Stack

R = TypeVar("R")

# The stack of the default environment in samconfig.toml.
DEFAULT_STACK = "penstock-dev"


@dataclass(frozen=True, slots=True)
class StackOptions:
    """A stack of an account and region; with ``local`` the local one, in ``state_dir`` if it is given."""

    name: str
    local: bool
    state_dir: Path | None
    aws: AwsOptions

    def clients(self) -> tuple[CliClients, str]:
        """Open clients for the stack's account, until the command ends, and return the stack's name.

        Raises LocalStackError if no local stack is running, ConfigurationError.
        """
        from penstock.wiring.cli import CliClients  # noqa: PLC0415  # imports botocore

        one, name = self.access(), self.name
        if self.local:
            from penstock_local.deploy import STACK_NAME as name  # noqa: PLC0415, N811  # imported only for --local
        clients = CliClients(one.profile, one.region, one.endpoint_url, one.access_key_id, one.secret_access_key)
        click.get_current_context().call_on_close(clients.close)
        return clients, name

    def operations(self) -> Operations:
        """Open the operations on its jobs, until the command ends.

        Raises LocalStackError if no local stack is running, ConfigurationError.
        """
        from penstock.wiring.operations import Operations, stack_names  # noqa: PLC0415  # imports botocore

        access = self.access()
        names = local_names(local_stack(self.state_dir)) if self.local else stack_names(access, self.name)
        return Operations(access, names)

    def access(self) -> Access:
        """Return the account and region of the stack. Its clients are closed when the command ends.

        Raises LocalStackError if no local stack is running.
        """
        from penstock.wiring.operations import Access  # noqa: PLC0415  # imports botocore

        if self.local:
            stack = local_stack(self.state_dir)
            access = Access("", stack.region, stack.endpoint, stack.access_key_id, stack.secret_access_key)
        else:
            access = Access(self.aws.profile, self.aws.region, self.aws.endpoint_url)
        if context := click.get_current_context(silent=True):  # completion has none
            context.call_on_close(access.close)
        return access

    def deployed_name(self) -> str:
        """Return the name that CloudFormation knows the stack by."""
        if not self.local:
            return self.name
        from penstock_local.deploy import STACK_NAME  # noqa: PLC0415  # imported only for --local

        return STACK_NAME


def local_names(stack: Stack) -> StackNames:
    """Return for the local stack what `stack_names` returns for a deployed one."""
    from penstock.wiring.operations import StackNames  # noqa: PLC0415  # imports botocore

    return StackNames(stack.jobs_table, stack.work_bucket, stack.queue_url, stack.state_machine, stack.abort_function)


def local_stack(state_dir: Path | None) -> Stack:
    """Find the running local stack. Raises LocalStackError if there is none."""
    from penstock_local import stack as stacks  # noqa: PLC0415  # imported only for --local
    from penstock_local.errors import LocalStackError  # noqa: PLC0415  # as above

    stack = stacks.find(state_dir)
    if stack is None:
        raise LocalStackError("no local stack is running", hint="Start one with `penstock local up`.")
    return stack


def local_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add --local and --state-dir; the command receives ``local: bool``, ``state_dir: Path | None``.

    For commands with --stack and `aws_options`, which contradict ``local``. A directory implies ``local``.
    """

    @click.option("--local", is_flag=True, help="Use the stack that `penstock local up` started.")
    @click.option(
        "--state-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Directory given to `penstock local --state-dir`; implies --local.",
    )
    @wraps(command)
    def with_local(local: bool, state_dir: Path | None, aws: AwsOptions, **kwargs: Any) -> R:
        local = local or state_dir is not None
        named = click.get_current_context().get_parameter_source("stack") is click.core.ParameterSource.COMMANDLINE
        if local and (named or aws != AwsOptions()):
            raise click.UsageError(
                "The local stack has its own name, account and endpoint: omit --stack and the AWS options."
            )
        return command(local=local, state_dir=state_dir.resolve() if state_dir else None, aws=aws, **kwargs)

    return with_local


def stack_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add --stack, --local and `aws_options`; the command receives them as ``stack: StackOptions``."""

    @click.option(
        "--stack",
        default=DEFAULT_STACK,
        envvar="PENSTOCK_STACK",
        show_default=True,
        show_envvar=True,
        metavar="NAME",
        help="CloudFormation stack.",
    )
    @aws_options
    @local_options
    @wraps(command)
    def with_stack(stack: str, local: bool, state_dir: Path | None, aws: AwsOptions, **kwargs: Any) -> R:
        kwargs["stack"] = StackOptions(stack, local, state_dir, aws)
        return command(**kwargs)

    return with_stack
