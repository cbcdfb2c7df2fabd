"""Places at which a process may be killed: before and after each statement, commit and answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

Message = MutableMapping[str, Any]
Asgi = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


class Steps:
    """Counts steps; at the chosen one the process writes down where it was, and is gone."""

    def __init__(self, fatal: int, told: Path) -> None:
        """``fatal`` 0: never."""
        self._fatal = fatal
        self._told = told
        self.count = 0

    def passed(self, what: str) -> None:
        """One more step."""
        self.count += 1
        if self.count == self._fatal:
            self._told.write_text(f"step {self.count}: {what}\n", encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, engine: sa.Engine) -> None:
        """Every statement and commit of this engine."""

        def before(_c: object, _u: object, statement: str, *_: object) -> None:
            self.passed(f"before {_first_words(statement)}")

        def after(_c: object, _u: object, statement: str, *_: object) -> None:
            self.passed(f"after {_first_words(statement)}")

        sa.event.listen(engine, "before_cursor_execute", before)
        sa.event.listen(engine, "after_cursor_execute", after)
        commit = engine.dialect.do_commit

        def committing(connection: Any) -> None:
            self.passed("before commit")
            commit(connection)
            self.passed("after commit")

        engine.dialect.do_commit = committing  # type: ignore[method-assign, assignment]

    def watched(self, app: Asgi) -> Asgi:
        """Every request and answer of this application."""

        async def inner(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            async def sending(message: Message) -> None:
                self.passed(f"before {message['type']}")
                await send(message)
                self.passed(f"after {message['type']}")

            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            self.passed(f"request {scope['path']}")
            await app(scope, receive, sending)

        return inner


def _first_words(statement: str) -> str:
    return " ".join(statement.split()[:4])
