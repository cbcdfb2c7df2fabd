"""Who writes next, where there can be one writer only: whoever has waited longest.

SQLite lets the writer in that happens to ask at the right moment. Beside one that writes all the time others would wait
for seconds; here each gets its turn after those before it.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator


class Turns:
    """A lock that is handed over in the order in which it was asked for. Not to be taken twice by one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextlib.contextmanager
    def turn(self, patience: float) -> Iterator[None]:
        """Wait for one's turn, and have it. Raises ``TimeoutError`` after so many seconds."""
        self._take(patience)
        try:
            yield
        finally:
            self._pass_on()

    def _take(self, patience: float) -> None:
        mine = threading.Event()
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            self._waiting.append(mine)
        try:
            mine.wait(patience)
        finally:
            with self._lock:
                given_up = mine in self._waiting
                if given_up:
                    self._waiting.remove(mine)
        if given_up:
            raise TimeoutError

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
