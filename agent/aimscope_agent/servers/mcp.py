"""The start of a conversation with an MCP server: what is sent, and what an answer says. No I/O.

Nothing is asked of the server but who it is; a session it opens for that is closed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from aimscope_agent.host.facts import Answer
from aimscope_signatures.model import Value
from aimscope_signatures.version import __version__

PATH: Final = "/mcp"
SSE_PATH: Final = "/sse"
ACCEPT: Final = "application/json, text/event-stream"
PROTOCOL: Final = "2025-06-18"
_LONGEST = 256
_SESSION = re.compile(r"[!-~]{1,256}")
_VERSION = re.compile(r"[0-9A-Za-z.-]{1,32}")
_SAFE_PATH = re.compile(r"/[!-~]{0,1023}")


class _Server(msgspec.Struct):
    name: str
    version: str = ""


class _Result(msgspec.Struct):
    protocolVersion: str  # noqa: N815 - the protocol's own word
    serverInfo: _Server  # noqa: N815


class _Reply(msgspec.Struct):
    jsonrpc: str
    result: _Result


class Handshake(msgspec.Struct, frozen=True):
    """Who an MCP server says it is."""

    name: str
    version: str
    protocol: str
    session: str = ""

    def fields(self, transport: str, path: str) -> dict[str, Value]:
        """As fields of ``mcp.handshake``."""
        return {
            "name": self.name,
            "version": self.version,
            "protocol": self.protocol,
            "transport": transport,
            "path": path,
        }


def initialize() -> bytes:
    """The message that opens a conversation."""
    return msgspec.json.encode(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": PROTOCOL,
                "capabilities": {},
                "clientInfo": {"name": "aimscope", "version": __version__},
            },
        }
    )


def read(answer: Answer) -> Handshake | None:
    """What a server answered to ``initialize``, in JSON or as an event; ``None`` if it is no MCP server."""
    if not 200 <= answer.status < 300:
        return None
    texts = (answer.body,) if answer.body.lstrip()[:1] == "{" else (data for _, data in events(answer.body))
    session = answer.headers.get("mcp-session-id", "")
    return next((shake for text in texts if (shake := message(text, session)) is not None), None)


def message(text: str, session: str = "") -> Handshake | None:
    """One message that answers ``initialize``."""
    try:
        reply = msgspec.json.decode(text, type=_Reply)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    said = reply.result
    if reply.jsonrpc != "2.0" or not said.serverInfo.name.strip() or not _VERSION.fullmatch(said.protocolVersion):
        return None
    return Handshake(
        name=_line(said.serverInfo.name),
        version=_line(said.serverInfo.version),
        protocol=said.protocolVersion,
        session=session if _SESSION.fullmatch(session) else "",
    )


def _line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * _LONGEST]).split())[:_LONGEST]


def closing(shake: Handshake) -> Mapping[str, str]:
    """Header lines of the DELETE that closes a session."""
    return {"Mcp-Session-Id": shake.session, "MCP-Protocol-Version": shake.protocol}


def events(text: str) -> Iterator[tuple[str, str]]:
    """``(event, data)`` of a stream of events; one that is not whole is left out."""
    parts = re.split(r"\r?\n\r?\n|\r\r", text)
    for part in parts[:-1]:
        kind, data = "message", []
        for line in part.splitlines():
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
        if data:
            yield kind, "\n".join(data)


def endpoint(text: str, hosts: frozenset[str], port: int) -> str:
    """Where a server of the older transport wants messages: a path on this very server, else empty."""
    said = next((data for kind, data in events(text) if kind == "endpoint"), "").strip()
    try:
        parts = urlsplit(said)
        elsewhere = bool(parts.netloc) and ((parts.hostname or "") not in hosts or (parts.port or port) != port)
    except ValueError:
        return ""
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    path = path if path.startswith("/") else "/" + path
    return path if said and not elsewhere and _SAFE_PATH.fullmatch(path) and not path.startswith("//") else ""
