"""Command lines in files of deploy/, checked against the program itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from aimscope_cli.main import app


def refuse_unknown(words: Sequence[str]) -> None:
    """Raise ``AssertionError`` unless the words after ``aimscope`` are a command with options it has."""
    command: Any = typer.main.get_command(app)
    name, context, rest = "aimscope", None, list(words)
    while True:
        context = command.context_class(command, info_name=name, parent=context)
        if not hasattr(command, "get_command"):
            break
        assert rest, f"{context.command_path}: a command is missing"
        name, *rest = rest
        found = command.get_command(context, name)
        assert found is not None, f"{context.command_path} has no command {name}"
        command = found
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in rest if word.startswith("-") and word not in known]
    assert not unknown, f"{context.command_path} has no option {unknown}"
