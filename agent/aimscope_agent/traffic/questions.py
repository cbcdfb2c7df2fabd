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
_NEVER: Final = (float("-inf"), False)
_ADDRESSES: Final = frozenset({"A", "AAAA"})
_NEIGHBOURS: Final[dict[int, NameKind]] = {MDNS: "mdns_qname", LLMNR: "llmnr_qname"}

_Key = tuple[str, int, int, str, str]
"""Client, its port, number of the message, name and type."""


class Questions:
    """Takes messages of both directions. An answer without its question stands for both."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._asked: OrderedDict[_Key, tuple[float, bool]] = OrderedDict()
        """When, and whether it was answered."""

    def message(
        self, message: Message, source: str, target: str, source_port: int, target_port: int, at: float
    ) -> None:
        """A message from ``source`` to ``target``; one of the ports says which protocol it is."""
        if message.opcode != _QUERY:
            return
        if target_port in _NEIGHBOURS or source_port in _NEIGHBOURS:
            if not message.response:
                kind = _NEIGHBOURS.get(target_port) or _NEIGHBOURS[source_port]
                for question in message.questions:
                    if question.name:
                        self._names.question(kind, question.name, source, target, at, question.type)
            return
        if message.response:
            client, port, server = target, target_port, source
        else:
            client, port, server = source, source_port, target
        response = message.response
        for number, question in enumerate(message.questions):
            name = question.name
            if name:
                key = (client, port, message.id, name, question.type)
                asked, answered = self._asked.get(key, _NEVER)
                known = at - asked <= PATIENCE
                if not known:
                    self._names.question("dns_qname", name, client, server, at, question.type)
                if not known or (response and not answered):
                    self._remember(key, at, response)
                    if response and message.answers and not number:
                        self._led(message, client, server, at)

    def _remember(self, key: _Key, at: float, answered: bool) -> None:
        self._asked[key] = at, answered
        if len(self._asked) > MOST_OPEN:
            self._asked.popitem(last=False)

    def _led(self, message: Message, client: str, server: str, at: float) -> None:
        """The aliases in an answer, and the addresses it leads to."""
        asked, answers = message.questions[0], message.answers
        names: tuple[str, ...] = (asked.name,)
        if len(answers) > 1 or answers[0].type not in _ADDRESSES:
            chain = alias_chain(message)
            for name in chain:
                self._names.alias(name, asked.name, client, server, at, asked.type)
            names += chain
        found = [answer for answer in answers if answer.type in _ADDRESSES and answer.value and answer.name in names]
        if found:
            host, wanted = self._names.worth(names)
            ttl = min([answer.ttl for answer in answers])
            for answer in found:
                self._names.resolved.learn(client, answer.value, host, at, ttl, wanted=wanted)
