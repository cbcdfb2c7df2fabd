"""The local configuration: what the owner of this machine allows aimscope to do and to keep.

One YAML file; an unknown key is an error with its field. Everything has a safe default, so no file is needed. Entries
that are no lists can be set in the environment, too: ``AIMSCOPE_``, section and entry, as ``AIMSCOPE_PRIVACY_USERS``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from aimscope_agent import schedule
from aimscope_agent.schedule import Schedule, ScheduleError

Keep = Literal["keep", "pseudonym", "drop"]
KEEPS: Final[tuple[Keep, ...]] = ("keep", "pseudonym", "drop")
"""From what keeps most to what keeps least."""
PREFIX: Final = "AIMSCOPE_"
_LARGEST = 1_048_576
_OF_OTHERS: Final = frozenset({"AIMSCOPE_COLLECTOR_FOLDER"})
"""Variables of the collector's own commands."""


class ConfigError(Exception):
    """The configuration cannot be used; the text names file and field."""


def _about(description: str) -> msgspec.Meta:
    """What an entry means: for the reference page."""
    return msgspec.Meta(description=description)


_RATE = msgspec.Meta(ge=1, le=100_000)
_WORDS = msgspec.Meta(max_length=256)


class Collector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where this agent reports to. Without an address it keeps what it finds, and reports to nobody."""

    url: Annotated[str, _about("Address of the collector, `https://…`.")] = ""
    ca: Annotated[str, _about("File of the certificates that may vouch for it, in place of the machine's own.")] = ""
    certificate: Annotated[str, _about("File of this agent's certificate, where the collector asks for one.")] = ""
    key: Annotated[str, _about("File of that certificate's key.")] = ""
    pins: Annotated[
        tuple[str, ...],
        _about("SHA-256 of public keys (SPKI, hex) of which the collector's certificate must have one."),
        _WORDS,
    ] = ()
    proxy: Annotated[str, _about("`http://…` of the proxy; empty: as the environment says; `none`.")] = ""
    token_file: Annotated[
        str, _about("File with the token to enrol with: `aimscope agent run` enrols by itself where it has not yet.")
    ] = ""
    root: Annotated[str, _about("Fingerprint of the only root of trust to begin with; empty: the one offered.")] = ""


class Scheduled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When something is done."""

    enabled: Annotated[bool, _about("Whether it is done at all.")] = True
    every: Annotated[str, _about("How often: `90s`, `15m`, `6h`, `1d`.")] = "6h"
    cron: Annotated[
        str, _about("In place of that, times of the clock: minute, hour, day, month, weekday, such as `30 3 * * 1-5`.")
    ] = ""
    jitter: Annotated[str, _about("By how much later it may be, by chance.")] = "10m"
    quiet_hours: Annotated[
        tuple[str, ...], _about("Spans of the day in which nothing is done: `22:00-06:00`."), _WORDS
    ] = ()
    on_battery: Annotated[bool, _about("Also on battery; else it waits for mains, a day at most.")] = False

    @property
    def schedule(self) -> Schedule:
        """When. Raises ``ScheduleError``."""
        every = 0 if self.cron else schedule.duration(self.every)
        if not self.cron and every < schedule.MINUTE:
            raise ScheduleError("every: less than a minute is too often")
        return Schedule(
            every,
            schedule.cron(self.cron) if self.cron else None,
            schedule.duration(self.jitter),
            schedule.quiet(self.quiet_hours),
            self.on_battery,
        )


class Endpoint(Scheduled, frozen=True, forbid_unknown_fields=True):
    """Scans of this machine by `aimscope agent run`."""

    off: Annotated[tuple[str, ...], _about("Sensors that never run."), _WORDS] = ()
    opt_in: Annotated[
        tuple[str, ...], _about("Sensors to run that are off by themselves, such as `shell_history`."), _WORDS
    ] = ()
    may_opt_in: Annotated[
        tuple[str, ...], _about("Such sensors that the collector's policy may switch on, and no others."), _WORDS
    ] = ()
    may_schedule: Annotated[bool, _about("The collector's policy may say how often scans are made.")] = True
    root: Annotated[
        str, _about("Look at the tree here in place of this machine: a host's file system in a container, `/host`.")
    ] = ""
    probe_lan: Annotated[bool, _about("Ask servers of this machine on its addresses of the local network, too.")] = (
        False
    )


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Traffic: what may be looked at."""

    names_on_live_traffic: Annotated[
        bool, _about("Allow `aimscope watch -i … --names`, which shows what people browse; every use is logged.")
    ] = False
    interfaces: Annotated[
        tuple[str, ...], _about("Interfaces whose traffic `aimscope agent run` looks at; `any` is all."), _WORDS
    ] = ()
    filter: Annotated[str, _about("Only packets that this BPF expression lets pass, e.g. `net 10.1.0.0/16`.")] = ""
    promiscuous: Annotated[bool, _about("Also packets meant for others.")] = True


class Logs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Logs that `aimscope agent run` follows, and syslog it listens for."""

    paths: Annotated[tuple[str, ...], _about("Logs, or folders of logs, however they are rotated."), _WORDS] = ()
    syslog: Annotated[tuple[str, ...], _about("`udp://`, `tcp://` or `tls://ADDRESS:PORT`."), _WORDS] = ()
    format: Annotated[str, _about("Their format, where all have one; else they are recognised.")] = ""
    zone: Annotated[str, _about("Time zone of times that name none: `local`, `utc`, `+02:00`.")] = ""
    from_end: Annotated[bool, _about("Leave out what logs hold already when they are first followed.")] = False
    certificate: Annotated[str, _about("Certificate for `tls://`, with its chain (PEM).")] = ""
    key: Annotated[str, _about("Its key (PEM).")] = ""
    client_ca: Annotated[str, _about("Only senders with a certificate of this authority.")] = ""
    allow_plain: Annotated[bool, _about("Listen unencrypted on addresses others can reach.")] = False


class Network(Scheduled, frozen=True, forbid_unknown_fields=True):
    """Network scans: ranges that may be asked besides private ones, ranges never to be asked, how fast, and when."""

    every: Annotated[str, _about("How often: `90s`, `15m`, `6h`, `1d`.")] = "1d"
    ranges: Annotated[
        tuple[str, ...], _about("Addresses that `aimscope agent run` asks: `10.1.0.0/16`; none: no scans."), _WORDS
    ] = ()
    ports: Annotated[tuple[str, ...], _about("Ports to try: `80`, `8000-8100`; none: the usual ones."), _WORDS] = ()
    allow: Annotated[tuple[str, ...], _about("Public ranges that may be asked: they are yours.")] = ()
    exclude: Annotated[tuple[str, ...], _about("Ranges that are never asked.")] = ()
    per_second: Annotated[int, _about("Connections opened in a second, at most."), _RATE] = 4_000
    at_once: Annotated[int, _about("Connections open at once, at most."), _RATE] = 1_000


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of this machine the agent may use. What takes more is stopped, and said to be missing."""

    memory_mb: Annotated[int, _about("Memory of a scan or of what looks at traffic or logs."), _RATE] = 512
    cpu_percent: Annotated[
        int, _about("Of one core, for a scan; it is slowed down to that."), msgspec.Meta(ge=1, le=100)
    ] = 50
    seconds: Annotated[
        int, _about("Of work for one sensor of a scan; four times that for the walk."), msgspec.Meta(ge=1, le=86_400)
    ] = 120
    disk_mb: Annotated[int, _about("Held back for the day the disk is full."), msgspec.Meta(ge=0, le=1_024)] = 4


class Privacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of the people and devices that scans, logs and traffic name. A policy can only make it less."""

    users: Annotated[Keep, _about("Names of users: kept, replaced by a pseudonym, or dropped.")] = "keep"
    devices: Annotated[Keep, _about("Addresses and names of devices, likewise.")] = "keep"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The local configuration."""

    collector: Collector = Collector()
    endpoint: Endpoint = Endpoint()
    gateway: Gateway = Gateway()
    logs: Logs = Logs()
    network: Network = Network()
    limits: Limits = Limits()
    privacy: Privacy = Privacy()


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in a file, with what the environment says over it.

    Raises ``ConfigError`` naming file and field, or the variable.
    """
    from aimscope_agent.host.reading import UnreadableError, read_yaml  # noqa: PLC0415 - YAML, where there is a file

    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ConfigError(f"{path} is larger than {_LARGEST:,} bytes")
        config = msgspec.convert(read_yaml(data) or {}, Config)
        _check(config)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (UnreadableError, msgspec.ValidationError, ScheduleError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return overridden(config, environ)


def overridden(config: Config, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration with what the environment says over it. Raises ``ConfigError`` naming the variable."""
    for name, (section, field) in variables().items():
        if name not in environ:
            continue
        text = environ[name]
        before = getattr(config, section)
        values: dict[str, Any] = {**msgspec.structs.asdict(before), field: text}
        try:
            after = msgspec.convert(values, type(before), strict=False)
            changed = msgspec.structs.replace(config, **{section: after})
            _check(changed)
        except (msgspec.ValidationError, ScheduleError) as error:
            raise ConfigError(f"{name}: {error}") from None
        config = changed
    return config


def variables() -> dict[str, tuple[str, str]]:
    """Each variable of the environment that counts, with its section and entry: those of single values."""
    return {
        f"{PREFIX}{section.name}_{field.name}".upper(): (section.name, field.name)
        for section in msgspec.structs.fields(Config)
        for field in msgspec.structs.fields(section.type)
        if not isinstance(field.default, tuple)
    }


def unknown_variables(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Variables that look as if they were meant for the configuration, and mean nothing."""
    known = variables()
    starts = tuple(f"{PREFIX}{section.name}_".upper() for section in msgspec.structs.fields(Config))
    return tuple(sorted(name for name in environ if name.startswith(starts) and name not in known.keys() | _OF_OTHERS))


def _check(config: Config) -> None:
    """Raise ``ScheduleError`` for what no type can say."""
    for name in ("endpoint", "network"):
        try:
            _ = getattr(config, name).schedule
        except ScheduleError as error:
            raise ScheduleError(f"{error} - at `$.{name}`") from None
