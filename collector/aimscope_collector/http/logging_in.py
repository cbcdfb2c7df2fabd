"""Logging in: a name and a password, then a code where the account has one, then a session with a new secret."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from typing import Final, NamedTuple

import sqlalchemy as sa

from aimscope_collector.http.given import Given
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import accounts as known
from aimscope_collector.store import codes, sessions
from aimscope_collector.store.accounts import Account
from aimscope_collector.store.database import writing
from aimscope_collector.store.sessions import Session, Stage

_COMPARING: Final = threading.BoundedSemaphore(2)
_PATIENCE: Final = 5.0
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone|iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux|X11", "Linux"),
)


class Opened(NamedTuple):
    """The secrets of a new session: the browser gets the first as a cookie, and the second in every form."""

    secret: str
    csrf: str


def logged_in(given: Given, name: str, password: str, address: str) -> Account:
    """The account of a name and password; few at a time, for each comparison takes 32 MB. Raises ``Failed``.

    Where the account has a second factor, ``code_given`` has to follow.
    """
    not_too_often(given, address)
    if not _COMPARING.acquire(timeout=_PATIENCE):
        raise Failed(429, "too-fast", "Too many log in at this moment: try again in a minute.")
    try:
        account = known.log_in(given.engine, name=name, password=password, now=given.now(), rescue=given.rescue)
    except known.Denied as denied:
        raise Failed(401, "unauthorised", str(denied)) from None
    finally:
        _COMPARING.release()
    given.attempts.good(address)
    return account


def code_given(given: Given, account: int, code: str, address: str, *, login: bool = True) -> Account:
    """The account, once the code is right. Raises ``Failed``."""
    not_too_often(given, address)
    try:
        found = codes.check(
            given.engine,
            account=account,
            code=code,
            box=given.codes(),
            now=given.now(),
            login=login,
            rescue=given.rescue,
        )
    except known.Denied as denied:
        wait = f" Try again in {denied.retry_after} seconds." if denied.retry_after else ""
        text = f"The code is wrong, was used before, or the account is locked.{wait}"
        raise Failed(401, "unauthorised", text) from None
    given.attempts.good(address)
    return found


def not_too_often(given: Given, address: str) -> None:
    """Raises ``Failed`` where an address tried too often."""
    wait = given.attempts.take(address, now=given.now())
    if wait:
        raise Failed(429, "too-fast", f"Too many attempts from this address: try again in {wait} seconds.")


def opened(given: Given, account: Account, *, stage: Stage = "full", client: str = "", instead: str = "") -> Opened:
    """A session with a secret that nobody could know before; one ``instead`` of which it is opened is over."""
    made = Opened(_random(given), _random(given))
    with writing(given.engine) as connection:
        if instead:
            sessions.replaced(connection, instead)
        sessions.open_session(
            connection,
            account,
            secret=made.secret,
            csrf=made.csrf,
            now=given.now(),
            stage=stage,
            client=browser(client),
        )
    return made


def session_of(given: Given, secret: str) -> Session | None:
    """The session of a cookie, kept from ending while it is used."""
    now = given.now()
    with given.engine.connect() as connection:
        found = sessions.by_secret(connection, secret, now=now)
    if found is not None and sessions.due(found, now):
        # who reads can go on reading where nothing can be written: the session ends earlier then
        with contextlib.suppress(sa.exc.OperationalError), writing(given.engine) as connection:
            sessions.slide(connection, secret, now=now)
    return found


def _random(given: Given) -> str:
    return base64.urlsafe_b64encode(given.randomness(32)).decode().rstrip("=")


def browser(agent: str) -> str:
    """What a browser says it is, as much as its owner needs to know it again: ``Firefox on Linux``."""
    program = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if re.search(mark, agent)), "")
    return " on ".join(filter(None, (program, system)))
