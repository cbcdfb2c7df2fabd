"""What the commands of `aimscope agent` share: their options, and the agent with its clocks and chance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.agent_parts import alone, folder, given, moment, now, service

__all__ = ["ConfigFile", "Json", "alone", "folder", "given", "moment", "now", "service"]

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="The local configuration; else AIMSCOPE_CONFIG or the usual place.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
