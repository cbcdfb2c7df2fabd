"""An agent's ledger and uplink, as a process that a test may kill: sees events, keeps them, reports them.

python -m tests.chaos.agent --folder F --url URL --token T --events N --seed S --told FILE [--fatal N]
"""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aimscope_agent import identity as identities
from aimscope_agent.enrol import Machine, enrol
from aimscope_agent.ledger import Ledger
from aimscope_agent.ledger.sent import SentLog
from aimscope_agent.trust import Trust
from aimscope_agent.uplink import About, Uplink
from aimscope_agent.uplink.transport import Answer, Https, Server
from aimscope_signatures.model import Sighting
from tests.chaos.steps import Steps

NAMES: Final = 40


def event(number: int, seed: int, now: int) -> Sighting:
    """The event of that number: always the same."""
    rng = random.Random(f"{seed} {number}")
    at = now // 86_400 * 86_400 - rng.randrange(5 * 86_400)
    moment = time.gmtime(at)
    return Sighting(
        month=time.strftime("%Y-%m", moment),
        asset="",
        service="holly",
        kind="dns.query",
        subject=f"user{rng.randrange(3)}",
        evidence=(("name", f"n{rng.randrange(NAMES)}.holly.example"),),
        identity="high",
        presence="used",
        count=rng.randrange(1, 5),
        first=at,
        last=at + 60,
        days=1 << (moment.tm_mday - 1),
    )


class _Watched:
    """A transport whose requests are steps."""

    def __init__(self, inner: Https, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        self._steps.passed(f"before {path}")
        answer = self._inner.ask(method, path, **more)
        self._steps.passed(f"after {path}")
        return answer


def _watch(ledger: Ledger, steps: Steps) -> None:
    run: Callable[..., Any] = ledger._run

    def counted(statement: str, *arguments: Any) -> Any:
        words = " ".join(statement.split()[:3])
        steps.passed(f"before {words}")
        result = run(statement, *arguments)
        steps.passed(f"after {words}")
        return result

    ledger._run = counted  # type: ignore[assignment]


def live(folder: Path, url: str, token: str, *, events: int, seed: int, now: int, steps: Steps) -> None:
    """See all events, report them, and end."""
    folder.mkdir(exist_ok=True)
    line = _Watched(Https(Server(url), monotonic=time.monotonic), steps)
    trust, sent = Trust(folder / "trust"), SentLog(folder / "sent")
    known = identities.load(folder / "identity")
    while known is None or not known.enrolled_at:
        machine = Machine(digest=hashlib.sha256(b"chaos").hexdigest(), name="chaos")
        known = enrol(
            line,
            folder / "identity",
            trust,
            token=token,
            collector=url,
            machine=machine,
            now=now,
            random=secrets.token_bytes,
            sent=sent,
        ).identity
    ledger = Ledger(folder / "ledger", now=now, epoch=secrets.token_hex(16))
    _watch(ledger, steps)
    uplink = Uplink(
        line,
        ledger,
        trust,
        identity=known,
        identity_file=folder / "identity",
        about=About,
        sent=sent,
        chance=random.random,
        random=secrets.token_bytes,
    )
    begin = int(ledger.places().get("events", b"0"))
    for number in range(begin, events):
        ledger.commit([event(number, seed, now)], {"events": str(number + 1).encode()})
        if number % 4 == 0:
            uplink.step(now)
    while ledger.waiting():
        uplink.step(now)
        time.sleep(0.005)
    (folder / "done").touch()
