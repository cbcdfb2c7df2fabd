"""Entry point: `aimscope` and `python -m aimscope_cli`."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the program; the version is told without loading anything else."""
    if sys.argv[1:] == ["--version"]:
        from aimscope_cli.output import say
        from aimscope_signatures.version import __version__

        say(f"aimscope {__version__}")
        return
    from aimscope_cli.main import run as run_program

    run_program()


if __name__ == "__main__":
    run()
