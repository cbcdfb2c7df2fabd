"""Listening sockets, what AI servers among them answer, and connections to servers elsewhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from aimscope_agent.host.facts import Answer, Process, Socket
from aimscope_agent.launch import program
from aimscope_agent.readers.http_answers import fields
from aimscope_agent.readers.running import running
from aimscope_agent.sensor import Look, Sensor
from aimscope_agent.sensors._listeners_questions import (
    MOST_QUESTIONS,
    Owner,
    Question,
    last_question,
    next_question,
    questions,
)
from aimscope_signatures.model import Observation, Status, Value

_MOST_PORTS = 128
_MOST_SILENT = 3
"""Ports of unknown purpose that may keep us waiting in vain before the others of their sort are left alone."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NOBODY = Owner()
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(net)
    for net in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
    )
)


def _observe(look: Look) -> Iterator[Observation]:
    sockets = look.sockets()
    if not sockets:
        return
    holders = {socket.pid for socket in sockets}
    processes = {process.pid: process for process in look.processes() if process.pid in holders}
    owners = {pid: _owner(process) for pid, process in processes.items()}
    listening = sorted(
        (socket for socket in sockets if not socket.remote_address),
        key=lambda each: (each.port, _preference(each.address), each.address, each.pid),
    )
    yield from _listeners(look, listening, processes, owners)
    yield from _responses(look, listening, processes, owners)
    ports = {socket.port for socket in listening}
    outward = [socket for socket in sockets if socket.remote_address and socket.port not in ports]
    yield from _connections(look, outward, processes, owners)


def _owner(process: Process) -> Owner:
    launch = running(process)
    return Owner(launch.process, launch.package, program(process.exe), launch.script.rpartition("/")[2])


def _user(processes: Mapping[int, Process], pid: int) -> str:
    return processes[pid].user if pid in processes else ""


def _listeners(
    look: Look, listening: Sequence[Socket], processes: Mapping[int, Process], owners: Mapping[int, Owner]
) -> Iterator[Observation]:
    seen: set[tuple[str, str, int, str]] = set()
    for socket in listening:
        owner = owners.get(socket.pid, _NOBODY)
        key = (owner.process, owner.package, socket.port, socket.address)
        if key not in seen:
            seen.add(key)
            yield look.see(
                "listener",
                "sockets",
                subject=_user(processes, socket.pid),
                address=socket.address,
                port=socket.port,
                process=owner.process,
                package=owner.package,
            )


# probes


def _responses(
    look: Look, listening: Sequence[Socket], processes: Mapping[int, Process], owners: Mapping[int, Owner]
) -> Iterator[Observation]:
    ports: dict[int, list[Socket]] = {}
    for socket in listening:
        ports.setdefault(socket.port, []).append(socket)
    asked = silent = left_alone = 0
    for port, sockets in ports.items():
        target = _target(look, sockets, owners)
        if target is None:
            continue
        address, socket = target
        owner = owners.get(socket.pid, _NOBODY)
        possible = questions(look.interests.probes, port, owner)
        curious = bool(possible) and not possible[0].services
        if not possible:
            look.count("ports not asked")
            continue
        if curious and silent >= _MOST_SILENT:
            left_alone += 1
            continue
        if asked >= _MOST_PORTS:
            look.gap("probes", Status.PARTIAL, f"more than {_MOST_PORTS} ports to ask")
            return
        asked += 1
        answered = False
        for question, fields_of_answer in _ask(look, port, address, possible, owner):
            answered = True
            yield look.see(
                "http.response",
                f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
                subject=_user(processes, socket.pid),
                port=port,
                path=question.path,
                process=owner.process,
                **fields_of_answer,
            )
        silent += curious and not answered
    look.count("ports asked", asked)
    if left_alone:
        look.count("ports left alone", left_alone)
        look.gap("probes", Status.PARTIAL, f"{silent} ports kept us waiting: others of unknown purpose are not asked")


def _target(look: Look, sockets: Sequence[Socket], owners: Mapping[int, Owner]) -> tuple[str, Socket] | None:
    """The address to ask of a port, and the socket behind it; ``None`` if it is none of those that may be asked."""
    reachable = [(address, socket) for socket in sockets if (address := _address_to_ask(look, socket.address))]
    if not reachable:
        look.count("ports beyond loopback")
        return None
    return next((each for each in reachable if each[1].pid in owners), reachable[0])


def _address_to_ask(look: Look, address: str) -> str:
    parsed = _parsed(address)
    if parsed is None:
        return ""
    if parsed.is_unspecified:
        return "127.0.0.1" if parsed.version == 4 else "::1"
    lan = look.options.probe_lan and parsed.is_private and not parsed.is_link_local
    return str(parsed) if parsed.is_loopback or lan else ""


def _ask(
    look: Look, port: int, address: str, possible: Sequence[Question], owner: Owner
) -> Iterator[tuple[Question, Mapping[str, Value]]]:
    left = list(possible)
    answers: dict[str, Answer | None] = {}
    question: Question | None = left.pop(0)
    while question is not None:
        answer = look.probe(port, question.path, question.accept, address)
        answers[question.path] = answer
        if answer is not None:
            yield question, fields(answer)
        following = next_question(question, answer, left) if len(answers) < MOST_QUESTIONS else None
        question = following or last_question(owner, answers)
        if question in left:
            left.remove(question)


# connections


def _connections(
    look: Look, outward: Sequence[Socket], processes: Mapping[int, Process], owners: Mapping[int, Owner]
) -> Iterator[Observation]:
    public = sorted(
        (socket for socket in outward if _is_public(socket.remote_address)),
        key=lambda each: (each.pid, each.remote_address, each.remote_port),
    )
    answers = look.dns_answers() if public else {}
    seen: set[tuple[str, str, str, int]] = set()
    for socket in public:
        owner = owners.get(socket.pid, _NOBODY)
        host = answers.get(socket.remote_address, "").rstrip(".").lower()
        if not host:
            look.count("connections without a name")
        key = (owner.process, owner.package, host or socket.remote_address, socket.remote_port)
        if key not in seen:
            seen.add(key)
            yield look.see(
                "connection",
                "sockets",
                subject=_user(processes, socket.pid),
                host=host,
                ip="" if host else socket.remote_address,
                port=socket.remote_port,
                process=owner.process,
                package=owner.package,
            )


# addresses


def _parsed(address: str) -> _Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, ipaddress.IPv6Address) else parsed


def _is_public(address: str) -> bool:
    """Whether it is a server's out there. Ranges for documentation count as such."""
    parsed = _parsed(address)
    return parsed is not None and not any(parsed in net for net in _NOT_PUBLIC if net.version == parsed.version)


def _preference(address: str) -> int:
    """IPv4 first: what listens on both is asked there."""
    parsed = _parsed(address)
    if parsed is None:
        return 4
    return (0 if parsed.version == 4 else 1) + (0 if parsed.is_loopback or parsed.is_unspecified else 2)


SENSOR = Sensor(
    name="listeners",
    doc="Listening sockets, answers of local AI servers to read-only requests, connections to servers elsewhere.",
    emits=("listener", "http.response", "connection"),
    observe=_observe,
)
