"""Entry point: `aimscope` and `python -m aimscope_cli`."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the program, and leave with its exit status; the version is told without loading anything else."""
    try:
        from aimscope_cli.guard import guarded

        guarded(_tell_version if sys.argv[1:] == ["--version"] else _run_command)
    except KeyboardInterrupt:
        sys.exit(130)


def _tell_version() -> None:
    from aimscope_cli.output import say
    from aimscope_signatures.version import __version__

    say(f"aimscope {__version__}")


def _run_command() -> None:
    import gc

    # what a start makes lives as long as the program: looking at it again and again costs a twentieth of the start
    gc.set_threshold(50_000, 20, 100)
    from aimscope_cli.main import app

    app()


if __name__ == "__main__":
    run()
