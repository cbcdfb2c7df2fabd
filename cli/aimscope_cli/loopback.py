"""A collector of one's own on this machine: founded where there is none, run as a process, stopped in good order."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aimscope_cli.collecting import database_of, drawn_token, now, password, told
from aimscope_cli.output import Failure
from aimscope_collector.founding import Founded

_PATIENCE: Final = 60.0
_GRACE: Final = 30.0


def found(folder: Path, database: str | None) -> Founded:
    """Make a collector. Raises ``Failure`` where there is one already."""
    from aimscope_cli.catalogues import open_catalogue
    from aimscope_collector import founding
    from aimscope_signatures import bundle

    with told():
        return founding.found(
            folder,
            database=database_of(database),
            secret=password(),
            catalogue=bundle.pack(open_catalogue()),
            now=now(),
            randomness=secrets.token_bytes,
            draw_token=drawn_token,
        )


@contextlib.contextmanager
def serving(folder: Path, database: str | None, port: int) -> Iterator[str]:
    """The collector's address while it runs. Raises ``Failure`` where it does not start."""
    command = [sys.executable, "-m", "aimscope_cli", "collector", "serve", "--quiet", "--folder", str(folder)]
    command += ["--listen", f"127.0.0.1:{port}"]
    if database:
        command += ["--database", database]
    process = subprocess.Popen(command, start_new_session=os.name == "posix")  # Ctrl-C is ours to pass on
    try:
        until = time.monotonic() + _PATIENCE
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until:
                raise Failure("the collector did not start", status=1)
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False
