"""Which questions to ask of a listening port, and when an answer is enough."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aimscope_agent.host.facts import Answer
from aimscope_agent.readers.http_answers import names
from aimscope_signatures.interests import ProbePlan

MOST_QUESTIONS = 2
"""Asked of one port; a last one may follow, see ``last_question``."""
_OPENAI = "/v1/models"
"""What a server answers that speaks OpenAI's API, of whatever make."""

_NOT_HERE = (404, 405, 501)
_FIRST_FREE_PORT = 1_024
_SPEAK_NO_HTTP = frozenset(
    (
        *(21, 22, 23, 25, 53, 88, 110, 111, 135, 137, 139, 143, 389, 445, 465, 514, 515, 587, 631, 636, 873, 993, 995),
        *(1433, 1521, 1883, 2049, 2181, 3260, 3268, 3306, 3389, 4369, 5060, 5222, 5353, 5355, 5432, 5433, 5671, 5672),
        *(5900, 5901, 6000, 6010, 6379, 6380, 6432, 8883, 9042, 9092, 11211, 25672, 26379, 27017, 27018, 33060),
    )
)
_FORWARDERS = frozenset(
    (
        *("docker-proxy", "com.docker.backend", "vpnkit", "vpnkit-bridge", "rootlesskit", "rootlessport"),
        *("slirp4netns", "pasta", "passt", "gvproxy", "limactl", "ssh", "kubectl", "socat", "wslrelay", "wslhost"),
    )
)
"""Programs that listen on behalf of others: of containers, virtual machines, other hosts."""
_INTERPRETER = re.compile(
    r"(?:i?python|pypy|ruby|perl|php|lua)[\d.]*[wt]?|pyw?|node(?:js)?|bun|deno|electron|javaw?|dotnet", re.IGNORECASE
)


class Owner(NamedTuple):
    """Who listens: the process as resolved, its package, and the program and script behind it."""

    process: str = ""
    package: str = ""
    program: str = ""
    script: str = ""

    @property
    def hidden(self) -> bool:
        """Whether somebody unknown answers: the process is not told, or only hands on."""
        return not self.process or self.process.lower() in _FORWARDERS

    @property
    def interpreted(self) -> bool:
        """Whether it runs what anybody may have written."""
        return not self.hidden and _INTERPRETER.fullmatch(self.program or self.process) is not None

    def hinted(self, plan: ProbePlan) -> bool:
        """Whether the owner's own name says that it may be what the plan asks for."""
        names = {self.process.lower(), self.package.lower(), self.program.lower()} - {""}
        if plan.hints:
            return any(hint.lower() in names for hint in plan.hints)
        words = re.findall(r"[a-z0-9]+", f"{self.process} {self.package} {self.script}".lower())
        return plan.path.strip("/") in words  # "/mcp" of what calls itself an MCP server


class Question(NamedTuple):
    """One path to ask for, on behalf of one service or several. ``likely``: the owner's name fits."""

    path: str
    accept: str = "*/*"
    services: tuple[str, ...] = ()
    likely: bool = False


def questions(plans: Sequence[ProbePlan], port: int, owner: Owner) -> list[Question]:
    """What a port might be asked, best first: what fits the owner, then what is usual at the port."""
    if port in _SPEAK_NO_HTTP:
        return []
    groups: dict[int, list[ProbePlan]] = {}
    for plan in plans:
        if (rank := _rank(plan, port, owner)) is not None:
            groups.setdefault(rank, []).append(plan)
    result: dict[str, Question] = {}
    for rank in sorted(groups):
        services = _by_path(groups[rank])
        for plan in _ordered(groups[rank], plans, owner) if rank else groups[rank]:
            question = Question(plan.path, plan.accept, services[plan.path], likely=rank == 0)
            result.setdefault(plan.path, question)
    if not result and port >= _FIRST_FREE_PORT and (owner.hidden or owner.interpreted):
        anywhere = [plan for plan in plans if not plan.ports and not plan.hints]
        found = [Question(plan.path, plan.accept, (plan.service,)) for plan in anywhere]
        return found or [Question("/"), Question(_OPENAI)]
    return list(result.values())


def _rank(plan: ProbePlan, port: int, owner: Owner) -> int | None:
    """0: the owner fits. 1: usual at this port. 2: so too, but an interpreter would have told its package."""
    if owner.hinted(plan):
        return 0
    if port not in plan.ports:
        return None
    return 2 if plan.hints and owner.interpreted else 1


def _by_path(plans: Iterable[ProbePlan]) -> dict[str, tuple[str, ...]]:
    result: dict[str, dict[str, None]] = {}
    for plan in plans:
        result.setdefault(plan.path, {})[plan.service] = None
    return {path: tuple(services) for path, services in result.items()}


def _ordered(group: Sequence[ProbePlan], every: Sequence[ProbePlan], owner: Owner) -> Sequence[ProbePlan]:
    """What one port has in common for several services, best first; what belongs to one as the catalogue has it."""
    if len({plan.service for plan in group}) == 1:
        return group
    if owner.interpreted:  # anybody's program: what is usual at many ports is a protocol, as MCP, and no one product
        return sorted(group, key=lambda plan: (-len(plan.ports), plan.path != "/"))
    everywhere = _by_path(every)  # a page tells its product, and many products share the path of their models
    return sorted(group, key=lambda plan: (plan.path != "/", -len(everywhere[plan.path])))


def next_question(asked: Question, answer: Answer | None, left: Sequence[Question]) -> Question | None:
    """What to ask after an answer, or after none: nothing if it was told what was asked for."""
    if answer is None:
        return left[0] if left and asked.likely else None
    said = "\n".join((*answer.headers.values(), answer.body[:4_096])).lower()
    if any(names(said, service) for service in asked.services):
        return None
    named = (other for other in left if any(names(said, service) for service in other.services))
    return next(named, left[0] if left else None)


def last_question(owner: Owner, answers: Mapping[str, Answer | None]) -> Question | None:
    """Whether it speaks OpenAI's API, if anybody's program answered but has nothing at any path it was asked for."""
    if _OPENAI in answers or not (owner.hidden or owner.interpreted):
        return None
    refused = all(answer is not None and answer.status in _NOT_HERE for answer in answers.values())
    return Question(_OPENAI) if refused else None
