"""A dissector with everything it tells."""

from __future__ import annotations

from collections.abc import Iterable

from aimscope_agent.traffic.dissector import Dissector
from aimscope_agent.traffic.seen import NameKind, Seen
from aimscope_signatures.model import Observation


class Everything:
    """Nothing is left out."""

    fingerprints = True

    def wanted(self, kind: NameKind, name: str, path: str = "", user_agent: str = "", ja4: str = "") -> bool:
        return True


class Watcher:
    """Feeds frames and keeps what comes."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.observations: list[Observation] = []
        self.dissector = Dissector(self.observations.append, Everything(), self.seen.append)
        self.at = 1_700_000_000.0

    def feed(self, *frames: bytes | Iterable[bytes], step: float = 0.01) -> Watcher:
        for frame in frames:
            if isinstance(frame, bytes):
                self.at += step
                self.dissector.packet(self.at, 1, frame, len(frame))
            else:
                self.feed(*frame, step=step)
        return self

    def cut(self, frame: bytes, size: int) -> Watcher:
        self.at += 0.01
        self.dissector.packet(self.at, 1, frame[:size], len(frame))
        return self

    def finish(self) -> Watcher:
        self.dissector.finish()
        return self

    @property
    def names(self) -> list[tuple[str, str]]:
        return [(seen.kind, seen.name) for seen in self.seen]

    def fields(self, kind: str) -> list[dict[str, object]]:
        return [dict(made.fields) for made in self.observations if made.kind == kind]

    @property
    def blind(self) -> list[tuple[str, str, int | None]]:
        """Client, first words of the reason, count."""
        return [(gap.source, gap.reason.split(" (")[0], gap.count) for gap in self.dissector.names.blind.gaps()]
