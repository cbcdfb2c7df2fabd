"""A collector's folder and database, as the commands of `aimscope collector` open them."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aimscope_cli.output import Failure

if TYPE_CHECKING:
    import sqlalchemy as sa

_NEEDED = ("alembic", "argon2", "granian", "litestar", "nacl", "sqlalchemy")
_LONGEST_PASSWORD = 4_096

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder", help="The collector's folder; else AIMSCOPE_COLLECTOR_FOLDER, else one in the state folder."
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="postgresql://USER@HOST/NAME, its password in the file named by AIMSCOPE_DATABASE_PASSWORD_FILE; "
        "else AIMSCOPE_DATABASE, else as `init` was told, else SQLite in the folder.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def needs_collector() -> None:
    """Raises ``Failure`` where this installation has no server."""
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise Failure(f"this needs the server's packages ({missing[0]} is missing): pip install 'aimscope[collector]'")


def folder_of(stated: Path | None) -> Path:
    """The collector's folder."""
    from aimscope_cli.state import state_path

    if stated is not None:
        return stated
    named = os.environ.get("AIMSCOPE_COLLECTOR_FOLDER")
    return Path(named) if named else state_path() / "collector"


def password() -> str:
    """The database's password, from the file that is named for it. Raises ``Failure``."""
    named = os.environ.get("AIMSCOPE_DATABASE_PASSWORD_FILE")
    if not named:
        return ""
    try:
        with Path(named).open("rb") as file:
            return file.read(_LONGEST_PASSWORD).decode().strip("\r\n")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise Failure(f"the password of the database, {named}, cannot be read: {reason}") from None


def database_of(stated: str | None) -> str:
    """The database as stated here, empty for what the folder says."""
    return stated or os.environ.get("AIMSCOPE_DATABASE", "")


def where(folder: Path, stated: str | None) -> str:
    """What the database is opened by. Raises ``Failure``."""
    from aimscope_collector import founding
    from aimscope_collector.store.database import DatabaseError

    try:
        known = founding.read_config(folder)
        wanted = database_of(stated)
        return founding.where(folder, founding.Config(wanted) if wanted else known, password())
    except (founding.FolderError, DatabaseError) as error:
        raise Failure(str(error)) from None


@contextlib.contextmanager
def opened(folder: Path | None, stated: str | None, *, current: bool = True) -> Iterator[sa.Engine]:
    """The database of a collector. Raises ``Failure``, also for one whose schema is not this version's."""
    needs_collector()
    from aimscope_collector.store import migrate
    from aimscope_collector.store.database import DatabaseError, connect

    with told():
        engine = connect(where(folder_of(folder), stated))
        try:
            if current:
                try:
                    migrate.require_current(engine)
                except DatabaseError as error:
                    raise Failure(str(error)) from None
            yield engine
        finally:
            engine.dispose()


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What the collector refuses is said as one sentence."""
    import sqlalchemy as sa

    from aimscope_collector.accounts import NotAllowed
    from aimscope_collector.backup import BackupError
    from aimscope_collector.deliver.configured import DestinationsError
    from aimscope_collector.feeds import FeedsError
    from aimscope_collector.founding import FolderError
    from aimscope_collector.http.sign_on.configured import SignOnError
    from aimscope_collector.keys import KeysError
    from aimscope_collector.store.agents import AgentError
    from aimscope_collector.store.database import DatabaseError

    try:
        yield
    except (
        NotAllowed,
        BackupError,
        DestinationsError,
        FeedsError,
        FolderError,
        KeysError,
        SignOnError,
        AgentError,
        DatabaseError,
    ) as error:
        raise Failure(str(error)) from None
    except sa.exc.DatabaseError as error:
        if not isinstance(error, sa.exc.OperationalError) and type(error) is not sa.exc.DatabaseError:
            raise  # a statement of ours is wrong
        damaged = (
            "" if isinstance(error, sa.exc.OperationalError) else "; `aimscope collector restore` puts a backup back"
        )
        raise Failure(f"the database cannot be used: {error.orig}{damaged}") from None


def now() -> int:
    """Seconds since 1970 UTC."""
    return int(time.time())


def drawn_token() -> str:
    """The text of a new enrolment token."""
    return f"et_{secrets.token_urlsafe(32)}"


def actor() -> str:
    """Who the audit log says it was: whoever has the folder acts as the collector's owner."""
    import getpass

    try:
        return f"local:{getpass.getuser()}"
    except (KeyError, OSError):
        return "local"


def moment(seconds: int | None) -> str:
    """A moment for people, UTC."""
    if seconds is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(max(0, min(seconds, 253_402_300_799))))
