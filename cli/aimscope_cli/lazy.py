"""A group of commands that is a folder: each module is a command, imported only when it is asked for."""

from __future__ import annotations

import importlib
import keyword
import pkgutil
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup


def folder_group(package: str, folder: Path, default: str = "") -> type[TyperGroup]:
    """A typer group over the modules of ``package`` in ``folder``, each of which has an `app`.

    A command whose name Python keeps for itself has a module that ends in ``_``: `import_`;
    one of two words has ``_`` between them: `show_sent` is `show-sent`.
    ``default`` is the command that runs where the first word is none of them: `aimscope scan --json`.
    """

    class FolderGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            del ctx
            modules = (module.name for module in pkgutil.iter_modules([str(folder)]))
            return sorted(name.removesuffix("_").replace("_", "-") for name in modules if not name.startswith("_"))

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in self.list_commands(ctx):
                return None
            word = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name.replace("-", "_")
            module = importlib.import_module(f"{package}.{word}")
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            return command

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            known = {*self.list_commands(ctx), "--help", "-h"}
            if default and (not args or args[0] not in known):
                args = [default, *args]
            return super().parse_args(ctx, args)

    return FolderGroup
