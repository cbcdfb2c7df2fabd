"""The service's way to its collector: enrols where it may, reports where it has, keeps quiet where there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from aimscope_agent import enrol, identity
from aimscope_agent.config import Collector
from aimscope_agent.enrol import EnrolError, Machine
from aimscope_agent.identity import Identity, IdentityError
from aimscope_agent.ledger import Ledger
from aimscope_agent.ledger.sent import SentLog
from aimscope_agent.service.folder import Folder, machine_identifier, machine_name, own_addresses, platform_name
from aimscope_agent.trust import Trust, TrustError
from aimscope_agent.uplink import About, Uplink
from aimscope_agent.uplink.transport import LARGEST_ANSWER, Answer, Https, Server, ServerError
from aimscope_signatures.signed import Role
from aimscope_signatures.version import __version__

NEVER: Final = 86_400.0
_LOOK_AGAIN: Final = 60.0
"""Seconds after which it is seen that somebody has enrolled this machine by hand."""
_FIRST: Final = 5.0
_LONGEST: Final = 900.0
_HOUR: Final = 3_600.0
_LARGEST_TOKEN: Final = 4_096


class Halted(BaseException):
    """The service is to stop while it waits for an answer."""


class TokenError(Exception):
    """The file with the token cannot be used; the text says why."""


class Given(msgspec.Struct, frozen=True):
    """What comes from outside: clocks and chance."""

    clock: Callable[[], int]
    """Seconds since 1970 UTC."""
    monotonic: Callable[[], float]
    """Seconds that never run back."""
    random: Callable[[int], bytes]
    """Bytes that nobody can guess."""
    chance: Callable[[], float]
    """From 0 to 1."""
    battery: Callable[[], bool]
    """Whether the machine runs on its battery."""
    tell: Callable[[str], None] = lambda _: None
    """Hears what goes wrong, for whoever reads the service's journal."""
    own: Callable[[], int] | None = None
    """This machine's own clock, where ``clock`` is another."""


class Line:
    """A transport that a signal may break off, and nothing but the waiting for an answer with it."""

    def __init__(self, https: Https) -> None:
        self.asking = False
        self._https = https

    def ask(
        self, method: str, path: str, *, body: bytes = b"", credential: str = "", largest: int = LARGEST_ANSWER
    ) -> Answer:
        """As ``Transport.ask``."""
        self.asking = True
        try:
            return self._https.ask(method, path, body=body, credential=credential, largest=largest)
        finally:
            self.asking = False

    def close(self) -> None:
        """Let go of connections."""
        self._https.close()


def server_of(collector: Collector) -> Server:
    """What the transport wants to know."""
    return Server(collector.url, collector.ca, collector.certificate, collector.key, collector.pins, collector.proxy)


def machine() -> Machine:
    """What an enrolment says of this machine."""
    return Machine(
        digest=identity.machine_digest(machine_identifier()),
        name=machine_name(),
        platform=platform_name(),
        version=__version__,
        addresses=own_addresses(),
    )


def about(versions: Mapping[str, int], catalogue: str, notices: tuple[str, ...], *, policy_in_force: bool) -> About:
    """What a check-in says. ``versions`` are those of the feeds, ``catalogue`` is the one last judged by."""
    policy = versions.get("policy", 0)
    return About(
        name=machine_name(),
        addresses=own_addresses(),
        platform=platform_name(),
        version=__version__,
        catalogue=catalogue,
        policy=str(policy or ""),
        acknowledges_policy=policy if policy_in_force else 0,
        notices=notices[:32],
    )


def token_in(path: Path) -> str:
    """The token in a file. Raises ``TokenError``."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_TOKEN + 1).decode("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise TokenError(f"{path}: {getattr(error, 'strerror', None) or 'it holds no token'}") from None
    if not text or len(text) > 128:
        raise TokenError(f"{path}: it holds no token")
    return text


class Reporter:
    """Reports to the collector of the configuration, else to the one this machine was enrolled at by hand."""

    def __init__(
        self,
        collector: Collector,
        folder: Folder,
        ledger: Ledger,
        trust: Trust,
        given: Given,
        *,
        about: Callable[[], About],
        on_feed: Callable[[Role], None],
        on_time: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.collector = collector if collector.url else folder.collector()
        self.identity: Identity | None = None
        self.line: Line | None = None
        self.notices: tuple[str, ...] = ()
        self.trouble = ""
        self.anew = False
        """The machine has another identity than the totals belong to: the ledger is to begin anew."""
        self._folder = folder
        self._ledger = ledger
        self._trust = trust
        self._given = given
        self._about = about
        self._on_feed = on_feed
        self._on_time = on_time
        self._sent = SentLog(folder.sent)
        self._uplink: Uplink | None = None
        self._failures = 0
        if self.collector.url:
            try:
                self.line = Line(Https(server_of(self.collector), monotonic=given.monotonic, version=__version__))
            except ServerError as error:
                self.notices = (f"collector: {error}",)

    @property
    def last_contact(self) -> int:
        """When the collector last answered as one; 0: not since the start."""
        return self._uplink.last_contact if self._uplink is not None else 0

    @property
    def revoked(self) -> bool:
        """The collector wants nothing more of this agent."""
        return self._uplink is not None and self._uplink.revoked

    def step(self) -> float:
        """Do what is next; the seconds until the next step. Raises nothing that time may mend."""
        if self.line is None:
            return NEVER if not self.collector.url else _HOUR
        if self._uplink is None:
            wait = self.join()
            if self._uplink is None or self.anew:
                return wait
        wait = self._uplink.step(self._given.clock())
        self.notices = self._uplink.notices
        if self._uplink.trouble and not self.trouble:
            self._given.tell(f"{self.collector.url}: {self._uplink.trouble}")
        self.trouble = self._uplink.trouble
        # the identity is the uplink's to keep: it may have renewed the secret, or been let in
        with contextlib.suppress(IdentityError):
            self.identity = identity.load(self._folder.identity) or self.identity
        return wait

    def close(self) -> None:
        """Let go of connections."""
        if self.line is not None:
            self.line.close()

    def join(self) -> float:
        """Have an identity and an uplink, if that can be; the seconds until it is to be tried again."""
        if self.line is None or self._uplink is not None:
            return 0.0
        try:
            known = identity.load(self._folder.identity)
            digest = identity.machine_digest(machine_identifier())
            fits = known is not None and not enrol.is_copy(known, digest) and known.collector == self.collector.url
            if known is None or not fits or not known.enrolled_at:
                if not self.collector.token_file:
                    return self._unknown(known, digest)
                known = self._enrolled()
            if known is not None and known.anew:
                self.anew = True  # also where somebody was killed before the totals were set aside
        except (IdentityError, TrustError, TokenError, ServerError) as error:
            self._say(str(error))
            return _HOUR if isinstance(error, ServerError) else _LOOK_AGAIN
        except EnrolError as error:
            self._say(str(error))
            self._failures += 1
            if not error.passing:
                return _HOUR * (0.5 + self._given.chance())
            bound: float = min(_LONGEST, _FIRST * 2 ** min(self._failures, 10))
            return float(error.retry_after or 0) + bound * self._given.chance()
        if known is None or self.line is None:
            return _LOOK_AGAIN
        self._failures = 0
        self._say("")
        self.identity = known
        self._uplink = Uplink(
            self.line,
            self._ledger,
            self._trust,
            identity=known,
            identity_file=self._folder.identity,
            about=self._about,
            sent=self._sent,
            chance=self._given.chance,
            random=self._given.random,
            on_feed=self._on_feed,
            own=self._given.own,
            on_time=self._on_time,
        )
        return 0.0

    def _enrolled(self) -> Identity | None:
        if self.line is None:
            return None
        token = token_in(Path(self.collector.token_file))
        done = enrol.enrol(
            self.line,
            self._folder.identity,
            self._trust,
            token=token,
            collector=self.collector.url,
            machine=machine(),
            now=self._given.clock(),
            random=self._given.random,
            sent=self._sent,
            fingerprint=self.collector.root,
        )
        return done.identity

    def _unknown(self, known: Identity | None, digest: str) -> float:
        if known is None or not known.enrolled_at:
            self._say(f"this machine has not enrolled at {self.collector.url}: `aimscope agent enrol`")
        elif enrol.is_copy(known, digest):
            self._say("the identity kept here belongs to another machine: `aimscope agent enrol` draws one for this")
        else:
            self._say(f"this machine has enrolled at {known.collector}, not at {self.collector.url}: enrol again")
        return _LOOK_AGAIN

    def _say(self, text: str) -> None:
        if text and text != self.trouble:
            self._given.tell(text)
        self.trouble = text
        self.notices = (text,) if text else ()
