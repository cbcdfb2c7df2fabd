"""Probes of open ports: which questions are sent to a server, and what its answers become."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from ssl import SSLError
from typing import Final, Literal

import msgspec

from aimscope_agent.host import ask
from aimscope_agent.host.facts import Answer
from aimscope_agent.intake.netexchange import Place, connected
from aimscope_agent.readers.http_answers import fields
from aimscope_agent.recognise import Recogniser
from aimscope_agent.servers import details, http, mcp
from aimscope_agent.servers.questions import Asked, Book, Question
from aimscope_signatures.model import Observation, Value
from aimscope_signatures.unknown import candidate

EXCHANGE_SECONDS: Final = 3.0
PORT_SECONDS: Final = 10.0
"""All questions to one port together."""

Silence = Literal["silent", "other"]


class Probed(msgspec.Struct, frozen=True):
    """What came of one open port. ``observations`` are those of a recognised product, or hints of one."""

    address: str
    port: int
    observations: tuple[Observation, ...] = ()
    answered: bool = False
    recognised: bool = False
    silence: Silence | None = None
    """Why nothing was answered: nobody spoke in time, or something that is no HTTP."""
    wants_credentials: bool = False


class _Port:
    """The conversation with one port."""

    def __init__(self, place: Place, until: float, pace: Callable[[], Awaitable[None]], counts: Counter[str]) -> None:
        self.place = place
        self.until = until
        self._pace = pace
        self._counts = counts
        self.silence: Silence = "silent"
        self._wrong_way = False

    async def ask(self, question: Question) -> Answer | None:
        """GET a path."""
        return await self.send("GET", question.path, accept=question.accept)

    async def greet(self, question: Question) -> Answer | None:
        """The first question, over TLS or plain, whichever of the two the server speaks.

        A request in the wrong one reaches no application: the two together are one question.
        """
        tls_first = self.place.port in http.TLS_FIRST
        self.place = self.place._replace(tls=tls_first)
        first = await self.ask(question)
        if not (self._wrong_way if first is None else not tls_first and http.wants_tls(first)):
            return first
        silence = self.silence
        self.place = self.place._replace(tls=not tls_first)
        answer = await self.ask(question)
        if answer is None:
            self.place = self.place._replace(tls=tls_first)
            self.silence = silence
        return answer or first

    async def send(
        self, method: str, path: str, *, accept: str = "*/*", headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer | None:
        """One request and its answer; ``None`` if nobody spoke HTTP in time, and ``silence`` says how."""
        host = http.host_header(self.place.name or self.place.address, self.place.port, tls=self.place.tls)
        request = http.request(method, path, host, accept=accept, headers=headers, body=body)
        await self._pace()
        self._counts["requests"] += 1
        incoming = http.Incoming()
        end = "closed"
        try:
            async with connected(self.place, self._deadline()) as connection:
                await connection.send(request)
                end = await connection.receive(incoming)
        except TimeoutError:
            end = "late"
        except (SSLError, OSError):
            end = "closed"
        received = bytes(incoming.data)
        self.silence = "silent" if end == "late" and not received else "other"
        self._wrong_way = http.speaks_tls(received) or (not received and end == "closed")
        return ask.parse(received, http.MOST_BODY)

    def _deadline(self) -> float:
        return min(self.until, asyncio.get_running_loop().time() + EXCHANGE_SECONDS)

    async def handshake(self) -> tuple[mcp.Handshake, str, str] | Answer | None:
        """MCP's ``initialize``: ``(handshake, transport, path)``, or what was answered instead."""
        answer = await self.send(
            "POST",
            mcp.PATH,
            accept=mcp.ACCEPT,
            headers={"Content-Type": "application/json"},
            body=mcp.initialize(),
        )
        if answer is None:
            return None
        shake = mcp.read(answer)
        if shake is not None:
            if shake.session:
                await self.send("DELETE", mcp.PATH, headers=dict(mcp.closing(shake)))
            return shake, "streamable-http", mcp.PATH
        if answer.status in {400, 404, 405}:
            older = await self._older_handshake()
            if older is not None:
                return older, "sse", mcp.SSE_PATH
        return answer

    async def _older_handshake(self) -> mcp.Handshake | None:
        host = http.host_header(self.place.name or self.place.address, self.place.port, tls=self.place.tls)
        await self._pace()
        self._counts["requests"] += 1
        incoming = http.Incoming()
        try:
            async with connected(self.place, self._deadline()) as connection:
                await connection.send(http.request("GET", mcp.SSE_PATH, host, accept="text/event-stream"))
                await connection.receive(incoming)
                answer = ask.parse(bytes(incoming.data), http.MOST_BODY)
                if answer is None or answer.status != 200 or not incoming.stream:
                    return None
                path = mcp.endpoint(answer.body, self.place.hosts, self.place.port)
                if not path:
                    return None
                await self.send("POST", path, headers={"Content-Type": "application/json"}, body=mcp.initialize())
                while True:
                    known = len(incoming.data)
                    await connection.receive(incoming)
                    answer = ask.parse(bytes(incoming.data), http.MOST_BODY)
                    texts = (data for kind, data in mcp.events(answer.body if answer else "") if kind == "message")
                    shake = next((found for text in texts if (found := mcp.message(text))), None)
                    if shake is not None or len(incoming.data) == known:
                        return shake
        except (TimeoutError, OSError, ValueError):
            return None


def _said_before(asked: Sequence[Asked]) -> bool:
    """Whether the last answer is what another path was answered too: whoever says one thing to all says nothing."""
    *earlier, last = [each.answer for each in asked if each.answer is not None]
    return any(answer.body == last.body and answer.status == last.status for answer in earlier)


class Prober:
    """Asks open ports and hands what they say to a recogniser. ``pace`` is awaited before every connection."""

    def __init__(self, recogniser: Recogniser, pace: Callable[[], Awaitable[None]], *, now: int) -> None:
        self._recogniser = recogniser
        self._book = Book(recogniser.matcher.catalogue.interests.probes)
        self._pace = pace
        self._now = now
        self.counts: Counter[str] = Counter()

    async def probe(self, address: str, port: int, name: str = "") -> Probed:
        """Ask until the product is known, then for its version and models."""
        until = asyncio.get_running_loop().time() + PORT_SECONDS
        conversation = _Port(Place(address, port, name), until, self._pace, self.counts)
        asked: list[Asked] = []
        seen: list[Observation] = []
        service, redirect = "", ""
        while (question := self._book.following(port, asked, redirect)) is not None:
            answer: Answer | None
            if question.handshake:
                said = await conversation.handshake()
                if isinstance(said, tuple):
                    seen = [self._observe("mcp.handshake", address, port, said[0].fields(*said[1:]))]
                    return Probed(address, port, tuple(seen), answered=True, recognised=True)
                answer = said
            else:
                answer = await (conversation.ask(question) if asked else conversation.greet(question))
            asked.append(Asked(question, answer))
            if answer is None:
                continue
            redirect = http.redirected(answer, conversation.place.hosts, port, tls=conversation.place.tls)
            observation = self._response(conversation.place, question.path, answer)
            found = None if _said_before(asked) else self._services(observation)
            if found is not None:
                seen.append(observation)
                service = found
                if service:
                    break
        answers = [(each.question.path, each.answer) for each in asked if each.answer is not None]
        if seen:
            seen = await self._told(conversation, seen, service, answers)
        return Probed(
            address,
            port,
            tuple(seen),
            answered=bool(answers),
            recognised=bool(seen),
            silence=None if answers else conversation.silence,
            wants_credentials=not seen and any(http.wants_credentials(answer) for _, answer in answers),
        )

    def _services(self, observation: Observation) -> str | None:
        """The service an answer gives away; empty for AI that no signature knows, ``None`` for anything else."""
        detections = self._recogniser.matcher.match(observation)
        sure = [detection for detection in detections if detection.identity != "low"]
        if sure:
            return sure[0].service
        return "" if candidate(observation, detections) is not None else None

    async def _told(
        self, conversation: _Port, seen: list[Observation], service: str, answers: list[tuple[str, Answer]]
    ) -> list[Observation]:
        """The observations with what the server says of itself besides."""
        entry = self._recogniser.matcher.catalogue.get(service)
        for path in details.reads(service, entry.category if entry else "", (path for path, _ in answers)):
            answer = await conversation.send("GET", path)
            if answer is None:
                break
            answers.append((path, answer))
            further = self._response(conversation.place, path, answer)
            if self._services(further):
                seen.append(further)
        more = {"version": details.version(answers), "models": details.models(answers)}
        extra = {name: value for name, value in more.items() if value}
        return [msgspec.structs.replace(each, fields={**each.fields, **extra}) for each in seen]

    def _response(self, place: Place, path: str, answer: Answer) -> Observation:
        return self._observe("http.response", place.address, place.port, {"path": path, **fields(answer)})

    def _observe(self, kind: str, address: str, port: int, said: dict[str, Value]) -> Observation:
        kept = {name: value for name, value in said.items() if value not in {"", ()}}
        return Observation(
            kind=kind,
            fields={"address": address, "port": port, **kept},
            source=f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
            at=self._now,
            asset=address,
        )
