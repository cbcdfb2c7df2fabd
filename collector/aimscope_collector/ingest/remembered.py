"""Ids that were looked up lately, in bounded memory."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
_EVIDENCE: Final = 120_000
_NAMES: Final = 60_000


class Recent(Generic[K, V]):
    """What was asked for or put lately: at least half of ``most``, at most all of it."""

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """What was put, unless it was long ago."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: K, value: V) -> None:
        """Remember."""
        if len(self._young) >= self._half and key not in self._young:
            self._old = self._young
            self._young = {}
        self._young[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self._young = {}
        self._old = {}


class Remembered:
    """Ids this collector knows without asking the database. Used by the event loop only."""

    def __init__(self, evidence: int = _EVIDENCE, names: int = _NAMES) -> None:
        self.evidence: Recent[bytes, tuple[int, str]] = Recent(evidence)
        """Id and kind, by a digest of the bytes in which an agent wrote the fact."""
        self.subjects: Recent[str, int] = Recent(names)
        self.assets: Recent[str, int] = Recent(names)

    def clear(self) -> None:
        """Forget everything: ids may stand for something else, or nothing, now."""
        self.evidence.clear()
        self.subjects.clear()
        self.assets.clear()
