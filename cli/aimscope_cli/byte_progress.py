"""A progress bar in bytes, with the time that is left, where a person is watching."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY = 0.2
"""Seconds between two looks."""


@contextmanager
def byte_progress(quiet: bool, total: int | None, done: Callable[[], int], what: str) -> Iterator[None]:
    """Shows how far ``done`` has come while the block runs. ``total`` is bytes; ``None`` where nobody knows."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    over = threading.Event()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
    ) as bar:
        task = bar.add_task(what.replace("[", "\\["), total=total)

        def look() -> None:
            while not over.wait(_EVERY):
                bar.update(task, completed=done(), refresh=True)

        watcher = threading.Thread(target=look, name="progress", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
