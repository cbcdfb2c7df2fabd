"""What to ask of an open port nobody vouches for: two questions at most, the second chosen by the first answer.

The endpoint scan knows the program behind a port; across a network there is only what the server says. So its front
page is asked for first: many products name themselves there, and the way in which others refuse tells what they are
made with. That only chooses the next question; what is recognised is decided by signatures alone.

The two questions are the two probes that a port may cost before its product is known. A handshake with an MCP server
is one question: it begins with a POST, the one request besides GET, and where that path does not exist the same
question goes on with the older transport's GET, as the protocol prescribes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from aimscope_agent.host.facts import Answer
from aimscope_agent.readers.http_answers import names
from aimscope_agent.servers import mcp
from aimscope_signatures.interests import ProbePlan

MOST_QUESTIONS: Final = 2
_OPENAI: Final = "/v1/models"
_CARD: Final = "/.well-known/agent-card.json"
_SAID = 8_192


class Question(NamedTuple):
    """A path to ask for, on behalf of some services. ``handshake``: by MCP's ``initialize``."""

    path: str
    accept: str = "*/*"
    services: tuple[str, ...] = ()
    handshake: bool = False


class Asked(NamedTuple):
    """A question and its answer; ``None`` where nobody spoke HTTP in time."""

    question: Question
    answer: Answer | None


_Test = Callable[[Answer], bool]


def _body(*words: str) -> _Test:
    return lambda answer: any(word in answer.body[:_SAID] for word in words)


def _server(word: str) -> _Test:
    return lambda answer: word in answer.headers.get("server", "").lower()


def _status(*statuses: int) -> _Test:
    return lambda answer: answer.status in statuses


def _all(*tests: _Test) -> _Test:
    return lambda answer: all(test(answer) for test in tests)


def _plain(*texts: str) -> _Test:
    return lambda answer: answer.body.strip() in texts


_Shapes = tuple[tuple[_Test, tuple[str, ...]], ...]
_TELLING: Final[_Shapes] = (
    (_body('"jsonrpc"'), (mcp.PATH, _CARD)),
    (_server("concedollamaforkobold"), ("/api/extra/version",)),
    (_server("tornadoserver"), ("/api",)),
    (_body('"MethodNotAllowedException"'), ("/models",)),  # TorchServe's port for management
    (_body("Invalid request URL"), ("/v2",)),  # OpenVINO Model Server
    (_body("/-/routes"), ("/-/healthz",)),  # Ray Serve
    (_plain('{"status":"alive"}'), ("/v2",)),  # KServe
    (_body("<title>Tabby"), ("/v1/health",)),
)
"""Answers at ``/`` that a product gives away by, and what it is best asked next."""
_MADE_WITH: Final[_Shapes] = (
    (_all(_status(404), _body('{"detail":"Not Found"}')), (_OPENAI, "/health")),  # FastAPI
    (_all(_status(404), _plain("Not Found"), _server("uvicorn")), (mcp.PATH, _OPENAI)),  # Starlette
    (_all(_status(404), _body("Cannot GET /")), (mcp.PATH, _OPENAI)),  # Express
    (_all(_status(404), _plain("404 page not found")), (_OPENAI, mcp.PATH)),  # Go
    (_all(_status(405), _server("uvicorn")), (_CARD, mcp.PATH, _OPENAI)),
    (_status(406), (mcp.PATH,)),
    (_all(_status(400), _plain("")), ("/v2",)),  # Triton
    (_all(_status(200, 405), _plain("")), ("/info", _OPENAI)),  # axum: TGI, TEI
    (_all(_status(404), _plain("")), ("/api/v2/heartbeat", "/info", _OPENAI)),  # axum: Chroma
    (_status(405), ("/info", _OPENAI)),
)
"""How frameworks refuse at ``/``, and what is mostly made with them."""


class Book:
    """The catalogue's questions, found by path, port and service."""

    def __init__(self, plans: Iterable[ProbePlan]) -> None:
        services: dict[str, dict[str, None]] = {}
        accepts: dict[str, str] = {}
        ports: dict[int, dict[str, None]] = {}
        for plan in plans:
            services.setdefault(plan.path, {})[plan.service] = None
            accepts.setdefault(plan.path, plan.accept)
            for port in plan.ports:
                ports.setdefault(port, {})[plan.path] = None
        self._questions = {
            path: Question(path, accepts[path], tuple(of), handshake=path in {mcp.PATH, mcp.SSE_PATH})
            for path, of in services.items()
        }
        for path in (mcp.PATH, mcp.SSE_PATH):
            self._questions[path] = Question(path, mcp.ACCEPT, ("mcp-http-server",), handshake=True)
        self._ports = {port: tuple(paths) for port, paths in ports.items()}

    def question(self, path: str) -> Question:
        """The question for a path, whether or not the catalogue asks for it."""
        return self._questions.get(path, Question(path))

    def following(self, port: int, asked: Sequence[Asked], redirect: str = "") -> Question | None:
        """What to ask next of a port whose product is not known yet; ``None`` if enough was asked.

        ``redirect`` is the path on the same server that the last answer leads to.
        """
        if not asked:
            return self.question("/")
        answer = asked[-1].answer
        if answer is None or len(asked) >= MOST_QUESTIONS:
            return None
        done = {each.question.path for each in asked}
        paths = self._paths(port, answer, redirect)
        return next((self.question(path) for path in paths if path not in done), None)

    def _paths(self, port: int, answer: Answer, redirect: str) -> Iterable[str]:
        """Paths to ask for, best first: where it sends us, what it names, what fits its shape, what is usual here."""
        yield from (path for path in (redirect, f"{redirect}/") if path in self._questions)
        here = [path for path in self._ports.get(port, ()) if not self._questions[path].handshake]
        said = _said(answer)
        known = (*here, *(path for path in self._questions if path not in here))
        named = [path for path in known if any(names(said, each) for each in self._questions[path].services)]
        yield from sorted(named, key=self._sharing)  # what is asked for the sake of this product alone tells most
        yield from next((paths for test, paths in _TELLING if test(answer)), ())
        likely = next((paths for test, paths in _MADE_WITH if test(answer)), ())
        yield from (path for path in likely[:1] if self.question(path).handshake)
        yield from (path for path in likely if path in here)
        here.sort(key=self._sharing, reverse=True)
        yield from here
        yield from likely
        if answer.status not in {401, 403, 407}:
            yield _OPENAI

    def _sharing(self, path: str) -> int:
        """How many services are asked for by a path."""
        return len(self._questions[path].services)


def _said(answer: Answer) -> str:
    kept = (value for name, value in answer.headers.items() if name in {"server", "x-powered-by", "www-authenticate"})
    return "\n".join((*kept, answer.body[:_SAID])).lower()
