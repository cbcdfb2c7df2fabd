"""DNS seen on the way: each question once, and where its answer led whom."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from aimscope_agent.protocols.dns import Message, alias_chain
from aimscope_agent.traffic.names import Names
from aimscope_agent.traffic.seen import NameKind

DNS: Final = 53
MDNS: Final = 5353
LLMNR: Final = 5355
PORTS: Final = frozenset({DNS, MDNS, LLMNR})
MOST_OPEN: Final = 8_192
PATIENCE: Final = 30.0
"""Seconds within which the same question of the same client is a repetition, and its answer belongs to it."""
_QUERY: Final = 0
_NEIGHBOURS: Final[dict[int, NameKind]] = {MDNS: "mdns_qname", LLMNR: "llmnr_qname"}

_Open = tuple[str, int, int, str, str]
"""Client, its port, number of the message, name and type."""


class Questions:
    """Takes messages of both directions. An answer without its question stands for both."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._asked: OrderedDict[_Open, float] = OrderedDict()
        self._answered: OrderedDict[_Open, float] = OrderedDict()

    def message(
        self, message: Message, source: str, target: str, source_port: int, target_port: int, at: float
    ) -> None:
        """A message from ``source`` to ``target``; one of the ports says which protocol it is."""
        if message.opcode != _QUERY:
            return
        neighbours = target_port if target_port in _NEIGHBOURS else source_port
        if neighbours in _NEIGHBOURS:
            if not message.response:
                kind = _NEIGHBOURS[neighbours]
                for question in message.questions:
                    if question.name:
                        self._names.question(kind, question.name, source, target, at, question.type)
            return
        client, port, server = (target, target_port, source) if message.response else (source, source_port, target)
        for question in message.questions:
            if question.name:
                key = (client, port, message.id, question.name, question.type)
                if _fresh(self._asked, key, at):
                    self._names.question("dns_qname", question.name, client, server, at, question.type)
        if message.response and message.answers and message.questions and message.questions[0].name:
            question = message.questions[0]
            key = (client, port, message.id, question.name, question.type)
            if _fresh(self._answered, key, at):
                self._led(message, client, server, at)

    def _led(self, message: Message, client: str, server: str, at: float) -> None:
        asked = message.questions[0]
        chain = alias_chain(message)
        for name in chain:
            self._names.alias(name, asked.name, client, server, at, asked.type)
        names = (asked.name, *chain)
        ttl = min(answer.ttl for answer in message.answers)
        host = ""
        for answer in message.answers:
            if answer.type in {"A", "AAAA"} and answer.value and answer.name in names:
                host = host or self._names.worth(names)
                self._names.resolved.learn(client, answer.value, host, at, ttl)


def _fresh(known: OrderedDict[_Open, float], key: _Open, at: float) -> bool:
    """Whether it was not there a moment ago; it is now."""
    before = known.get(key)
    known[key] = at
    if before is not None:
        return at - before > PATIENCE
    if len(known) > MOST_OPEN:
        known.popitem(last=False)
    return True
