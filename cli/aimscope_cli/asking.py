"""Asking a collector: its API at a URL, or the database in a folder of this machine, with the same answers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from aimscope_cli import collecting
from aimscope_cli.output import Failure

if TYPE_CHECKING:
    import httpx

_API = "/api/v1"
_MOST_KEY = 1_024
_SECONDS = 120.0

Collector = Annotated[
    str | None, typer.Option("--collector", help="https://HOST of a collector; else AIMSCOPE_COLLECTOR, else --folder.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="File with an API key for it; else AIMSCOPE_KEY_FILE.")
]
Authority = Annotated[
    Path | None, typer.Option("--ca", help="Certificate authority of the collector, PEM; else the system's.")
]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder of a collector on this machine, instead of --collector.")
]
Ask = Callable[[str, str, Mapping[str, Any], bytes | None, str], tuple[int, bytes]]


class Asker:
    """Asks, and turns what is refused into a ``Failure``."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get(self, path: str, **params: object) -> Any:
        """What there is."""
        return msgspec.json.decode(self.raw("GET", path, params))

    def send(self, method: str, path: str, content: object) -> Any:
        """Send JSON; the answer."""
        return msgspec.json.decode(self.raw(method, path, {}, msgspec.json.encode(content), "application/json"))

    def raw(
        self,
        method: str,
        path: str,
        params: Mapping[str, object],
        body: bytes | None = None,
        kind: str = "application/octet-stream",
    ) -> bytes:
        """The answer's body. Parameters that are ``None`` are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        status, content = self._ask(method, f"{_API}{path}", given, body, kind)
        if status >= 400:
            raise _failure(status, content)
        return content

    def pages(self, path: str, most: int, **params: object) -> list[Any]:
        """Up to so many rows of a list, page by page."""
        found: list[Any] = []
        cursor: str | None = None
        while len(found) < most:
            page = self.get(path, **params, limit=min(500, most - len(found)), cursor=cursor)
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        return found


def _failure(status: int, content: bytes) -> Failure:
    try:
        problem = msgspec.json.decode(content)
        errors = [str(one) for one in problem.get("errors", ())]
        return Failure(str(problem.get("detail") or problem.get("title")), details=errors)
    except (msgspec.MsgspecError, AttributeError, UnicodeError):
        return Failure(f"this is no collector: it answered with status {status}")


@contextlib.contextmanager
def asked(collector: str | None, key_file: Path | None, ca: Path | None, folder: Path | None) -> Iterator[Asker]:
    """The collector that is meant. Raises ``Failure`` where it cannot be asked."""
    url = collector or ("" if folder else os.environ.get("AIMSCOPE_COLLECTOR", ""))
    if url and folder:
        raise Failure("one of --collector and --folder at a time")
    if url:
        with _remote(url, key_file, ca) as client:
            yield Asker(_over(client))
        return
    from aimscope_cli.catalogues import open_catalogue

    place = collecting.folder_of(folder)
    with collecting.opened(folder, None) as engine, collecting.told():
        from aimscope_collector.local import Local

        local = Local(engine, place, catalogue=open_catalogue(), actor=collecting.actor(), now=collecting.now)
        yield Asker(
            lambda method, path, params, body, kind: local.ask(method, path, params=params, body=body, kind=kind)
        )


def _remote(url: str, key_file: Path | None, ca: Path | None) -> httpx.Client:
    import ssl
    from ipaddress import ip_address

    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise Failure(f"{url!r} is no address of a collector: write https://HOST:PORT") from None
    try:
        loopback = parsed.host == "localhost" or ip_address(parsed.host).is_loopback
    except ValueError:
        loopback = False
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise Failure(f"{url!r} is no address of a collector: write https://HOST:PORT")
    if parsed.scheme == "http" and not loopback:
        raise Failure("the key would cross the network in clear: write https://")
    try:
        verify: Any = ssl.create_default_context(cafile=str(ca)) if ca else True
    except (OSError, ssl.SSLError):
        raise Failure(f"{ca} holds no certificate authority that can be read") from None
    return httpx.Client(
        base_url=parsed, headers={"authorization": f"Bearer {_key(key_file)}"}, verify=verify, timeout=_SECONDS
    )


def _key(stated: Path | None) -> str:
    named = stated or (Path(os.environ["AIMSCOPE_KEY_FILE"]) if os.environ.get("AIMSCOPE_KEY_FILE") else None)
    if named is None:
        raise Failure("asking a collector takes an API key: name its file with --key-file or AIMSCOPE_KEY_FILE")
    try:
        with named.open("rb") as file:
            key = file.read(_MOST_KEY).decode("ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise Failure(f"{named} cannot be read: {reason}") from None
    if not key.startswith("ak_") or not key.isprintable() or " " in key:
        raise Failure(f"{named} holds no API key: one begins with ak_")
    return key


def _over(client: httpx.Client) -> Ask:
    import httpx

    def ask(method: str, path: str, params: Mapping[str, Any], body: bytes | None, kind: str) -> tuple[int, bytes]:
        headers = {"content-type": kind} if body is not None else {}
        try:
            answer = client.request(method, path, params=dict(params), content=body, headers=headers)
        except httpx.HTTPError as error:
            raise Failure(f"the collector at {client.base_url} does not answer: {error}") from None
        return answer.status_code, answer.content

    return ask
