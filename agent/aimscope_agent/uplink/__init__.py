"""The agent's side of the talk with its collector: signs of life, batches of the ledger, signed feeds.

One ``step`` is one errand; it says how long to wait for the next. Nothing here sleeps or reads a clock. What could not
be sent stays in the ledger; what the collector did not say it has committed is sent again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from aimscope_agent import identity as identities
from aimscope_agent.identity import Identity, IdentityError, Random
from aimscope_agent.ledger import Batch, Ledger, LedgerError
from aimscope_agent.ledger.sent import SentLog
from aimscope_agent.trust import Trust, TrustError
from aimscope_agent.uplink.course import FINAL, Course, Errand, Heard, Rules, Step, follow
from aimscope_agent.uplink.transport import LARGEST_ANSWER, Answer, Https, Server, ServerError, Transport, Unreachable
from aimscope_signatures import wire
from aimscope_signatures.signed import ROLES, Refused, Role, Statement

__all__ = ["About", "Https", "Server", "ServerError", "Unreachable", "Uplink"]

CHECK_IN: Final = "/v1/check-in"
INGEST: Final = "/v1/ingest"
_DAY: Final = 86_400
_NO_MORE: Final = 32
"""Notices of one check-in that are the uplink's own."""
Kind = TypeVar("Kind")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a check-in says of this machine and agent, as the policy allows."""

    name: str = ""
    addresses: tuple[str, ...] = ()
    platform: str = ""
    version: str = ""
    catalogue: str = ""
    """Version of the catalogue in use."""
    policy: str = ""
    acknowledges_policy: int = 0
    notices: tuple[str, ...] = ()


class Uplink:
    """Reports to one collector."""

    def __init__(
        self,
        transport: Transport,
        ledger: Ledger,
        trust: Trust,
        *,
        identity: Identity,
        identity_file: Path,
        about: Callable[[], About],
        sent: SentLog,
        chance: Callable[[], float],
        random: Random,
        on_feed: Callable[[Role], None] = lambda _: None,
        own: Callable[[], int] | None = None,
        on_time: Callable[[int], None] = lambda _: None,
        rules: Rules = Rules(),  # noqa: B008 - frozen
    ) -> None:
        """``chance`` gives numbers from 0 to 1, ``random`` bytes that nobody can guess.

        ``on_feed`` is told when a root, catalogue, overlay or policy has come into force, ``on_time`` what time it is
        to the collector. ``own`` is this machine's own clock, by which signed feeds are judged: else what ``step`` is
        given.
        """
        self._transport = transport
        self._ledger = ledger
        self._trust = trust
        self._identity = identity
        self._identity_file = identity_file
        self._about = about
        self._sent = sent
        self._chance = chance
        self._random = random
        self._on_feed = on_feed
        self._own = own
        self._on_time = on_time
        self._rules = rules
        self._left_out = 0
        self._notices: dict[str, str] = {}
        self.course = Course()
        self.last_contact = 0
        """When the collector last answered as one; 0: not since the start."""
        self.trouble = ""
        """Why the last errand came to nothing; empty where it did not."""
        self.told = ""
        """What the collector last had to say to people here."""
        if ledger.set_aside is not None:
            self._notices["ledger"] = "the ledger was damaged and set aside; totals begin anew"

    @property
    def revoked(self) -> bool:
        """The collector wants nothing more of this agent."""
        return self.course.errand == "nothing"

    @property
    def notices(self) -> tuple[str, ...]:
        """What somebody should know, of the uplink alone."""
        return tuple(self._notices.values())[:_NO_MORE]

    def step(self, now: int) -> float:
        """Do what is next; the seconds until the next step. Raises nothing that time may mend."""
        errand = self.course.errand
        if errand == "nothing":
            return self._rules.shut_out
        batch: Batch | None = None
        self.trouble = ""
        try:
            with contextlib.suppress(TrustError):
                self._trust.observe(self._own() if self._own else now)
            if errand == "report":
                batch = self._ledger.pending(now, most=self.course.size, **self._versions())
            heard = self._report(batch, now) if batch is not None else self._check_in(now)
        except LedgerError as error:
            self._notice("ledger", str(error))
            heard = self._lost(errand, str(error))
        step = follow(self.course, heard, draw=self._chance(), rules=self._rules)
        self._settle(step, batch)
        self.course = step.course
        return step.wait

    def _settle(self, step: Step, batch: Batch | None) -> None:
        self._notice("collector", step.notice)
        if batch is None or not step.deed:
            return
        try:
            if step.deed == "withdraw":
                self._ledger.withdraw()
            else:
                told = ", ".join(self._ledger.leave_out(batch.sequence))
                self._left_out += batch.rows
                self._notice("rows", f"{self._left_out} rows the collector refuses are left out, the last: {told}")
        except LedgerError as error:
            self._notice("ledger", str(error))

    def _check_in(self, now: int) -> Heard:
        about = self._about()
        fresh = self._identity.next_secret
        request = wire.CheckIn(
            schema=wire.SCHEMA,
            epoch=self._ledger.epoch,
            acknowledged=self._ledger.acknowledged,
            sent=now,
            name=about.name[: wire.LONGEST_NAME],
            addresses=tuple(address[: wire.LONGEST_NAME] for address in about.addresses[:64]),
            machine=self._identity.machine,
            platform=about.platform[: wire.LONGEST_NAME],
            version=about.version[: wire.LONGEST_NAME],
            versions=self._trust.versions(),
            pending=self._ledger.waiting(),
            notices=tuple(text[: wire.LONGEST_TEXT] for text in (*self.notices, *about.notices)[:64]),
            new_secret=identities.secret_hash(fresh) if fresh else "",
            acknowledges_policy=about.acknowledges_policy,
        )
        answer, pace = self._asked(CHECK_IN, msgspec.json.encode(request), now)
        if pace is None:
            return self._failed("check_in", answer)
        if fresh and self._identity.next_secret == fresh:
            self._keep(msgspec.structs.replace(self._identity, secret=fresh, next_secret=None))
        if pace.full_state:
            self._all_again()
        self._take(pace, now)
        return self._well("check_in", answer, pace)

    def _report(self, batch: Batch, now: int) -> Heard:
        body = msgspec.json.encode(msgspec.structs.replace(batch.report, sent=now))
        answer, pace = self._asked(INGEST, body, now)
        if pace is None:
            return msgspec.structs.replace(self._failed("report", answer), rows=batch.rows)
        committed = pace.committed >= batch.sequence
        if pace.full_state:
            self._all_again()  # instead of an acknowledgement: this batch goes once more with the rest
        elif committed:
            self._ledger.acknowledge(batch.sequence, highest=pace.committed)
            if not self._identity.approved:
                self._keep(msgspec.structs.replace(self._identity, approved=True))
        else:
            self.trouble = "the collector took a report and did not commit it"
        self._take(pace, now)
        heard = self._well("report", answer, pace)
        return msgspec.structs.replace(heard, committed=committed or pace.full_state, rows=batch.rows)

    def _asked(self, path: str, body: bytes, now: int) -> tuple[Answer, wire.Pace | None]:
        """The answer, and what it says if it is a collector's that is content."""
        self._sent.add(now, path, body)
        try:
            answer = self._transport.ask("POST", path, body=body, credential=self._identity.credential)
            if answer.status == 401 and self._identity.next_secret and _problem(answer) not in {"", *FINAL}:
                # It may know the new secret already: its answer to that check-in was lost.
                renewed = msgspec.structs.replace(self._identity, secret=self._identity.next_secret, next_secret=None)
                again = self._transport.ask("POST", path, body=body, credential=renewed.credential)
                if again.status != 401:
                    self._keep(renewed)
                    answer = again
        except (Unreachable, ServerError) as error:
            self.trouble = str(error)
            return Answer(0), None
        pace = _decoded(answer, wire.Pace) if 200 <= answer.status < 300 else None
        if pace is not None:
            self.last_contact, self.told = now, pace.notice[: wire.LONGEST_TEXT]
            if pace.now:
                self._on_time(pace.now)
        return answer, pace

    def _take(self, pace: wire.Pace, now: int) -> None:
        """What every answer may ask for."""
        if pace.rotate and self._identity.next_secret is None:
            fresh = identities.draw_secret(self._random)
            self._keep(msgspec.structs.replace(self._identity, next_secret=fresh))
        self._notice("clock", blocked(self._trust.clock, pace.now))
        now = self._own() if self._own else now
        for role in ROLES:  # the root first: it says who may sign the others
            feed = pace.feeds.get(role)
            if feed is not None:
                self._offered(role, feed, now)

    def _all_again(self) -> None:
        self._ledger.everything_again()
        self._left_out = 0
        self._notice("rows", "")

    def _offered(self, role: Role, feed: wire.Feed, now: int) -> None:
        if self._trust.versions().get(role) == feed.version and (role == "root" or self._trust.body(role) is not None):
            return
        try:
            result = self._trust.offer(role, feed.envelope, now, lambda statement: self._fetched(role, feed, statement))
        except (Unreachable, ServerError, TrustError) as error:
            self._notice(f"feed {role}", f"{role} version {feed.version} could not be fetched: {error}")
            return
        if isinstance(result, Refused):
            self._notice(f"feed {role}", f"{role} version {feed.version} was refused: {result.reason}")
            return
        self._notice(f"feed {role}", "")
        self._on_feed(role)

    def _fetched(self, role: Role, feed: wire.Feed, statement: Statement) -> bytes:
        if feed.sha256 != statement.sha256:
            raise Unreachable("what is offered is not what was signed")
        path = f"/v1/{role}/{statement.sha256}"
        largest = max(statement.length, LARGEST_ANSWER)
        answer = self._transport.ask("GET", path, credential=self._identity.credential, largest=largest)
        if answer.status != 200:
            raise Unreachable(f"the collector answered {answer.status}")
        return answer.body

    def _well(self, errand: Errand, answer: Answer, pace: wire.Pace) -> Heard:
        return self._heard(errand, answer.status, understood=True, pace=pace.next_check_in)

    def _failed(self, errand: Errand, answer: Answer) -> Heard:
        problem = _problem(answer)
        self.trouble = self.trouble or f"the collector answered {answer.status}{problem and f': {problem}'}"
        return self._heard(
            errand, answer.status, understood=bool(problem), problem=problem, retry_after=answer.retry_after
        )

    def _lost(self, errand: Errand, why: str) -> Heard:
        self.trouble = why
        return Heard("report" if errand == "report" else "check_in", 0)

    def _heard(
        self,
        errand: Errand,
        status: int,
        *,
        understood: bool = False,
        problem: str = "",
        pace: int | None = None,
        retry_after: int | None = None,
    ) -> Heard:
        return Heard(
            "report" if errand == "report" else "check_in",
            status,
            understood=understood,
            problem=problem,
            retry_after=retry_after,
            pace=pace,
            more=self._ledger.waiting() > 0,
        )

    def _versions(self) -> dict[str, str]:
        about = self._about()
        return {"catalogue": about.catalogue, "policy": about.policy}

    def _keep(self, identity: Identity) -> None:
        """A secret that cannot be kept is not used: the collector still takes the one before."""
        try:
            identities.keep(self._identity_file, identity)
        except IdentityError as error:
            self._notice("identity", str(error))
            return
        self._notice("identity", "")
        self._identity = identity

    def _notice(self, about: str, text: str) -> None:
        if text:
            self._notices[about] = text
        elif about != "ledger":  # what happened to it stays true
            self._notices.pop(about, None)


def blocked(highest: int, now: int) -> str:
    """What somebody should know where this machine once showed a moment that has not come yet; ``now`` 0: unknown."""
    days = (highest - now) // _DAY
    if not now or days < 1:
        return ""
    return (
        f"this machine once showed a moment {days:,} days ahead: new signed feeds may be refused as expired until its "
        "clock is right and somebody runs `aimscope agent reset-clock`"
    )


def _problem(answer: Answer) -> str:
    """The word for what is wrong, where a collector says so; empty where the answer is another's."""
    if answer.kind != "application/problem+json":
        return ""
    problem = _decoded(answer, wire.Problem)
    return problem.type.rpartition("/")[2].rpartition(":")[2] if problem is not None else ""


def _decoded(answer: Answer, kind: type[Kind]) -> Kind | None:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
