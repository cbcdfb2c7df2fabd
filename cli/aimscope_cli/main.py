"""The program `aimscope`: finds its commands by walking `commands/`, imports only the one that is run."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = Path(__file__).parent / "commands"


class Commands(TyperGroup):
    """The commands of the folder, each imported when it is asked for: `--version` pays for none of them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the modules in `commands/`."""
        del ctx
        return sorted(module.name for module in pkgutil.iter_modules([str(COMMANDS)]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a module: its `app`."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"aimscope_cli.commands.{cmd_name}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        from aimscope_cli.output import say
        from aimscope_signatures.version import __version__

        say(f"aimscope {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=_version, is_eager=True),
) -> None:
    """Discover the AI in use, and reconcile it with what is authorised.

    Exit status: 0 done; 2 usage or input error; 3 unregistered or prohibited use found;
    4 coverage incomplete (only with --strict-coverage); 1 a defect in aimscope.
    """


def run() -> None:
    """Entry point. A user never sees a traceback: errors are one line that says what to do."""
    from aimscope_cli.output import Failure, complain, debugging

    try:
        app()
    except Failure as failure:
        complain(failure)
        sys.exit(failure.status)
    except BrokenPipeError:
        # the reader went away (`| head`): the conventional quiet end
        sys.stderr.close()
        sys.exit(141)
    except KeyboardInterrupt:
        complain(Failure("stopped", status=130))
        sys.exit(130)
    except Exception as error:
        if debugging():
            raise
        complain(Failure(f"a defect in aimscope: {type(error).__name__}; run again with AIMSCOPE_DEBUG=1 to see where"))
        sys.exit(1)
