"""Run the sensors over a host: one walk for all of them, each of them on its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from aimscope_agent.host import glob as globs
from aimscope_agent.host.commands import COMMANDS
from aimscope_agent.host.look import HostLook
from aimscope_agent.host.machine import Host
from aimscope_agent.host.walk import Walk
from aimscope_agent.sensor import Options, Sensor
from aimscope_signatures.interests import Interests
from aimscope_signatures.kinds import KINDS, FieldType
from aimscope_signatures.model import Coverage, Gap, Observation, Status

MOST_OBSERVATIONS = 200_000
"""Of one sensor; what is beyond is a gap."""

_SECONDS = {"host": 60.0, "code": 1_800.0}
"""Most time for one sensor, by its target."""

Progress = Callable[[str, int, int], None]
"""Told what starts now, how many parts are done, and of how many."""

_TYPES: dict[FieldType, type] = {"integer": int, "flag": bool, "texts": tuple}


class ScanResult(msgspec.Struct, frozen=True):
    """What each sensor observed, and how well it could look. Both name every sensor that was given."""

    observations: dict[str, tuple[Observation, ...]]
    coverage: tuple[Coverage, ...]


class Planned(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one sensor would look at: globs, and what it would ask of the running machine."""

    sensor: str
    doc: str
    status: Status
    """``complete`` if it would run, else ``off`` or ``unsupported``."""
    globs: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    privacy: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What a scan would look at."""

    homes: tuple[str, ...]
    walked: tuple[str, ...]
    """Folders whose names would be walked through, because some glob starts with ``**/``."""
    sensors: tuple[Planned, ...]


class BrokenSensorError(Exception):
    """A sensor emitted what it had not declared, or what no kind allows."""


def scan(
    host: Host,
    sensors: Sequence[Sensor],
    interests: Interests,
    options: Options,
    *,
    now: int,
    digest_key: bytes = b"",
    clock: Callable[[], float] | None = None,
    progress: Progress | None = None,
    debug: Callable[[str], None] | None = None,
) -> ScanResult:
    """Look at a host with every sensor.

    ``now`` is seconds since 1970 UTC. Digests of credentials are keyed with ``digest_key`` (at most 64 bytes)
    and left out without one. ``clock`` tells seconds that never run back: without one no sensor is stopped for taking
    too long. A sensor that fails costs only its own observations; ``debug`` is told where.
    """
    tell = progress or _silent
    steps = len(sensors) + 1
    chosen = {sensor.name: status_of(sensor, host, options) for sensor in sensors}
    wants: dict[str, tuple[str, ...]] = {}
    failed: dict[str, Coverage] = {}
    for sensor in sensors:
        if chosen[sensor.name] is Status.COMPLETE:
            try:
                wants[sensor.name] = wanted(sensor, interests)
            except Exception as error:  # noqa: BLE001 - a broken unit must not take the others with it
                failed[sensor.name] = _failed(sensor.name, error, debug)
    tell("walk", 0, steps)
    walk = Walk(host.tree, host.mounts)
    walked = walk.everywhere(glob for globs_of_one in wants.values() for glob in globs_of_one)
    observations: dict[str, tuple[Observation, ...]] = {}
    coverage: list[Coverage] = []
    for number, sensor in enumerate(sensors, 1):
        tell(sensor.name, number, steps)
        observations[sensor.name] = ()
        if sensor.name in failed:
            coverage.append(failed[sensor.name])
            continue
        if chosen[sensor.name] is not Status.COMPLETE:
            coverage.append(Coverage(sensor.name, chosen[sensor.name]))
            continue
        look = HostLook(
            host,
            wanted=wants[sensor.name],
            walk=walk,
            walked=walked,
            interests=interests,
            options=options,
            now=now,
            digest_key=digest_key,
            clock=clock,
            seconds=_SECONDS[sensor.target],
        )
        observations[sensor.name] = _run(sensor, look, debug)
        coverage.append(look.coverage(sensor.name, len(observations[sensor.name])))
    tell("", steps, steps)
    return ScanResult(observations, tuple(coverage))


def _silent(name: str, done: int, total: int) -> None:
    del name, done, total


def status_of(sensor: Sensor, host: Host, options: Options) -> Status:
    """Whether a sensor would run here (``complete``), and if not, why."""
    if host.platform not in sensor.platforms:
        return Status.UNSUPPORTED
    if sensor.opt_in and sensor.name not in options.opt_in:
        return Status.OFF
    return Status.COMPLETE


def wanted(sensor: Sensor, interests: Interests) -> tuple[str, ...]:
    """The globs of a sensor, its own and those the catalogue asks for. ``ValueError`` names one that is none."""
    result = dict.fromkeys(sensor.wants)
    if sensor.wants_of is not None:
        result |= dict.fromkeys(sensor.wants_of(interests))
    for glob in result:
        globs.parse(glob)
    return tuple(result)


def _run(sensor: Sensor, look: HostLook, debug: Callable[[str], None] | None) -> tuple[Observation, ...]:
    result: list[Observation] = []
    try:
        for observation in sensor.observe(look):
            if len(result) >= MOST_OBSERVATIONS:
                look.gap(sensor.name, Status.PARTIAL, f"more than {MOST_OBSERVATIONS:,} observations")
                break
            check(sensor, observation)
            result.append(observation)
    except Exception as error:  # noqa: BLE001 - a broken unit must not take the others with it
        for gap in _failed(sensor.name, error, debug).gaps:
            look.gap(gap.source, gap.status, gap.reason)
    return tuple(result)


def check(sensor: Sensor, observation: Observation) -> None:
    """Raise ``BrokenSensorError`` unless the sensor declared the kind and its fields hold values of their types."""
    kind = KINDS.get(observation.kind)
    if kind is None or observation.kind not in sensor.emits:
        raise BrokenSensorError(f"emits undeclared kind {observation.kind}")
    for name, value in observation.fields.items():
        field = kind.fields.get(name)
        if field is None:
            raise BrokenSensorError(f"emits {observation.kind} with unknown field {name}")
        if type(value) is not _TYPES.get(field.type, str):
            raise BrokenSensorError(f"emits {kind.name} with {name} as {type(value).__name__}, not {field.type}")


def _failed(name: str, error: Exception, debug: Callable[[str], None] | None) -> Coverage:
    """Only the type is told: the text of an exception may hold what the sensor was reading."""
    reason = str(error) if isinstance(error, BrokenSensorError) else f"sensor failed: {type(error).__name__}"
    if debug is not None:
        debug("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
    return Coverage(name, Status.FAILED, (Gap(name, Status.FAILED, reason),))


_ASKS: dict[str, tuple[str, ...]] = {
    "process": ("processes",),
    "listener": ("processes", "sockets"),
    "connection": ("processes", "sockets", "answers of the local resolver"),
    "container": ("sockets of local container engines",),
    "credential": ("environments of processes: names, and whether a value has the form of a key",),
}
"""What sensors of a kind ask of the running machine."""

_ASKS_OF_WINDOWS: dict[str, tuple[str, ...]] = dict.fromkeys(("application", "credential", "service"), ("registry",))

_COMMANDS = {"application": "rpm", "container": "ctr-", "connection": "dns-"}
"""How the names of the commands start that sensors of a kind may run."""


def plan(host: Host, sensors: Iterable[Sensor], interests: Interests, options: Options) -> Plan:
    """What ``scan`` would look at. Nothing is read but the names of the folders to walk."""
    planned: list[Planned] = []
    for sensor in sensors:
        status = status_of(sensor, host, options)
        asks = tuple(dict.fromkeys(ask for kind in sensor.emits for ask in _asks(kind, host, options)))
        planned.append(Planned(sensor.name, sensor.doc, status, wanted(sensor, interests), asks, sensor.privacy))
    walks = any(glob.startswith("**/") for each in planned if each.status is Status.COMPLETE for glob in each.globs)
    walked = tuple(path for path, _ in Walk(host.tree, host.mounts).places()) if walks else ()
    return Plan(tuple(user.home for user in host.tree.users), walked, tuple(planned))


def _asks(kind: str, host: Host, options: Options) -> Iterator[str]:
    """What sensors of a kind may ask of the running machine."""
    yield from _ASKS.get(kind, ())
    if host.platform == "windows":
        yield from _ASKS_OF_WINDOWS.get(kind, ())
    if kind == "http.response":
        lan = " and on this machine's addresses of the local network" if options.probe_lan else ""
        yield f"read-only HTTP requests to servers on loopback{lan}, at most three to a port"
    for name, command in COMMANDS.items():
        if name.startswith(_COMMANDS.get(kind, " ")) and host.platform in command.platforms:
            yield f"output of the command: {' '.join(command.argv)}"
