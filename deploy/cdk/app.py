"""An application with one stack: ``cdk deploy -c release=penstock-0.1.0-python3.14-x86_64``."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import App, Stack
from penstock_stack import Penstock

app = App()
stack = Stack(app, "penstock")
Penstock(stack, "Penstock", release=Path(app.node.get_context("release")))
app.synth()
