"""An answer of a local server as the fields of an observation, without what is private."""

from __future__ import annotations

import html
import re

import msgspec

from aimscope_agent.host.facts import Answer
from aimscope_signatures.model import Value

_BODY = 4_096
_MOST_HEADERS = 64
_TITLE = 256
_SPACE = re.compile(r'("(?:[^"\\]|\\.)*+"?)|[ \t\r\n]+', re.DOTALL)
"""A string of JSON, also one that is cut short, or the space between two."""


def fields(answer: Answer) -> dict[str, Value]:
    """Fields of ``http.response``. Of cookies only the names are kept."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return {
        "status": answer.status,
        "server": answer.headers.get("server", ""),
        "headers": tuple(_line(name, value) for name, value in list(answer.headers.items())[:_MOST_HEADERS]),
        "content_type": kind,
        "title": _title(answer.body),
        "body": _body(answer.body)[:_BODY],
    }


def _line(name: str, value: str) -> str:
    if name.lower() == "set-cookie":
        value = value.partition("=")[0] + "=…"
    return f"{name.lower()}: {value}"


def _title(body: str) -> str:
    low = body.lower()
    start = low.find("<title")
    inside = low.find(">", start) + 1 if start >= 0 else 0
    end = low.find("</title", inside) if inside else -1
    return " ".join(html.unescape(body[inside:end]).split())[:_TITLE] if end >= 0 else ""


def _kept(found: re.Match[str]) -> str:
    return found[1] or ""


def _body(body: str) -> str:
    """JSON is written compactly, so that one pattern fits however a server writes it."""
    if body.lstrip()[:1] not in ("{", "["):
        return body
    try:
        return msgspec.json.encode(msgspec.json.decode(body)).decode("utf-8", "replace")
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return _SPACE.sub(_kept, body)  # cut short, or none after all


def names(said: str, service: str) -> bool:
    """Whether a text, in lower case, names a service: ``open webui`` names ``open-webui``."""
    words = [word for word in service.split("-") if word]
    if words[0] not in said:
        return False
    return re.search(r"(?<![a-z])" + r"[\W_]?".join(map(re.escape, words)) + r"(?![a-z])", said) is not None
