"""What a catalogue says of an observation, and what may be kept of the people in it, asked many times over."""

from __future__ import annotations

import re
from typing import Final

from aimscope_agent.privacy import Curtain
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.conditions import regex_literal
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Detection, Observation
from aimscope_signatures.unknown import BROWSER, COMMON_PATHS, INFERENCE_AGENTS, INFERENCE_PATHS, candidate

_REMEMBERED: Final = 50_000
"""People, devices and programs that are kept at hand."""


class Judge:
    """What a catalogue says of rows of a format, and what may be kept of people."""

    def __init__(self, catalogue: Catalogue, curtain: Curtain | None) -> None:
        self._matcher = Matcher(catalogue)
        self._curtain = curtain
        self._beginnings = _path_beginnings(catalogue)
        self._agents: dict[str, str] = {}
        self._kept: dict[tuple[str, str], tuple[str, str]] = {}
        self.contextual = frozenset(
            clause.kind
            for entry in catalogue
            for clause in entry.clauses
            for test in clause.tests
            if clause.kind and (KINDS[clause.kind].fields[test.field].context or test.field == "blocked")
        )
        """Kinds of which names alone do not decide."""
        self._by_agent = any(
            clause.kind and test.field == "user_agent"
            for entry in catalogue
            for clause in entry.clauses
            for test in clause.tests
        )

    def path(self, text: str) -> str:
        """A path, where anything may depend on it; else nothing."""
        if self._beginnings is None or text.startswith(self._beginnings):
            return text
        bare = text.rstrip("/").lower()
        return text if bare.endswith(INFERENCE_PATHS) or bare in COMMON_PATHS else ""

    def agent(self, text: str) -> str:
        """A user agent, where anything may depend on it; else nothing."""
        found = self._agents.get(text)
        if found is None:
            if len(self._agents) >= _REMEMBERED:
                self._agents.clear()
            found = self._agents[text] = self._essential(text)
        return found

    def _essential(self, agent: str) -> str:
        if self._telling(agent):
            return agent
        return BROWSER if agent.strip().lower().startswith(BROWSER) else ""

    def _telling(self, agent: str) -> bool:
        if self._by_agent or agent.strip().lower().startswith(INFERENCE_AGENTS):
            return True
        return bool(self._matcher.find("user_agents", agent))

    def detections(self, observation: Observation) -> tuple[Detection, ...]:
        """What the observation speaks for, as ``Recogniser`` tells it."""
        found = self._matcher.match(observation)
        unknown = candidate(observation, found)
        return found if unknown is None else (*found, unknown)

    def kept(self, subject: str, asset: str) -> tuple[str, str]:
        """A person and a device as they may be kept."""
        if self._curtain is None:
            return subject, asset
        found = self._kept.get((subject, asset))
        if found is None:
            veiled = self._curtain.veiled(Observation("", {}, subject=subject, asset=asset))
            if len(self._kept) >= _REMEMBERED:
                self._kept.clear()
            self._kept[subject, asset] = found = (veiled.subject, veiled.asset)
        return found


def _path_beginnings(catalogue: Catalogue) -> tuple[str, ...] | None:
    """What the paths begin with that clauses ask for; ``None`` where one may begin in any way."""
    found: set[str] = set()
    for entry in catalogue:
        for clause in entry.clauses:
            for test in clause.tests if clause.kind == "http.request" else ():
                if test.field == "path":
                    for value in test.values:
                        literal = regex_literal(value) if test.operator == "regex" else re.split(r"[*?{]", value)[0]
                        if len(literal) < 2 or test.operator not in {"equals", "prefix", "glob", "regex"}:
                            return None
                        found.add(literal)
    return tuple(sorted(found))
