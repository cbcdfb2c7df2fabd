"""What servers answer to a probe: when it is whole, what HTTP it is, and what is read from it.

Run: `python tests/fuzz/fuzz_answers.py -max_total_time=600 [CORPUS]`, needs atheris.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from aimscope_agent.host import ask
    from aimscope_agent.host.facts import Answer
    from aimscope_agent.readers import http_answers
    from aimscope_agent.servers import details, http, mcp

MOST = 600
"""Bytes of a body, small so that inputs are longer."""
HOSTS = frozenset({"10.0.0.5", "llm.corp.example"})
PATHS = ("/", "/v1/models", "/api/version", "/openapi.json", "/api/tags", "/info", "/docs.json")
SHAKE = b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","serverInfo":{"name":'
BEFORE = (
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: ",
    b"HTTP/1.1 302 Found\r\nLocation: ",
    b"HTTP/1.1 200 OK\r\n\r\n<html><title>",
    b"HTTP/1.1 200 OK\r\nMcp-Session-Id: 1\r\n\r\n" + SHAKE,
    b"HTTP/1.1 200 OK\r\nContent-Length: ",
    b'HTTP/1.1 200 OK\r\n\r\n{"data":[{"id":',
)


def once(data: bytes) -> None:
    if not data:
        return
    pick, data = data[0], BEFORE[data[0] % len(BEFORE)] + data[1:]
    incoming = http.Incoming(MOST)
    step = pick % 23 + 1
    for at in range(0, len(data), step):
        if incoming.feed(data[at : at + step]):
            break
    assert len(incoming.data) <= http.MOST_HEADER + MOST + step
    http.speaks_tls(data)
    for received in (bytes(incoming.data), data):
        answer = ask.parse(received, MOST)
        if answer is not None:
            read(answer, PATHS[pick % len(PATHS)])


def read(answer: Answer, path: str) -> None:
    """Everything that asks of an answer."""
    assert len(answer.body) <= MOST
    fields = http_answers.fields(answer)
    assert len(str(fields["body"])) <= 4_096
    assert len(str(fields["title"])) <= 256
    http.wants_tls(answer)
    http.wants_credentials(answer)
    to = http.redirected(answer, HOSTS, 8_000, tls=False) or "/"
    http.request("GET", to, "10.0.0.5")
    assert len(details.version([(path, answer)])) <= 65
    found = details.models([(path, answer), ("/v1/models", answer)])
    assert len(found) <= details.MOST_MODELS
    assert all(model.isprintable() and len(model) <= 200 for model in found)
    shake = mcp.read(answer)
    if shake is not None:
        assert shake.name.isprintable()
        assert len(shake.name) <= 256
        http.request("DELETE", mcp.PATH, "10.0.0.5", headers=mcp.closing(shake))
    http.request("POST", mcp.endpoint(answer.body, HOSTS, 8_000) or "/", "10.0.0.5")


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
