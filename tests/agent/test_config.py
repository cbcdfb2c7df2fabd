from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent import config as configuration
from aimscope_agent.config import Config, ConfigError, load, overridden, unknown_variables, variables
from aimscope_agent.service.policy import Policy, PolicyError, applied, read

OFTEN = '{"schema": 1, "endpoint": {"every": "1s"}}'
KEEPS = st.sampled_from(["keep", "pseudonym", "drop"])


def loaded(tmp_path: Path, text: str, **environ: str) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load(path, environ)


def policy(text: str) -> Policy:
    return read(text.encode())


def test_an_empty_file_is_every_default(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == Config()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("endpoint: {every: 3x}", r"3x.*\$\.endpoint"),
        ("endpoint: {every: 30s}", "too often"),
        ("endpoint: {cron: '61 * * * *'}", r"61.*\$\.endpoint"),
        ("network: {quiet_hours: ['25:00-26:00']}", r"\$\.network"),
        ("limits: {memory_mb: 0}", r"\$\.limits\.memory_mb"),
        ("limits: {cpu_percent: 101}", "cpu_percent"),
        ("collector: {adress: x}", "adress"),
        ("endpoint: {on_battery: sometimes}", r"\$\.endpoint\.on_battery"),
        ("- a list", "object"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_field(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        loaded(tmp_path, text)


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        "collector: {url: 'https://a.example'}\nlimits: {memory_mb: 100}",
        AIMSCOPE_COLLECTOR_URL="https://b.example",
        AIMSCOPE_ENDPOINT_ON_BATTERY="true",
        AIMSCOPE_LIMITS_CPU_PERCENT="20",
    )
    assert config.collector.url == "https://b.example"
    assert config.endpoint.on_battery
    assert (config.limits.memory_mb, config.limits.cpu_percent) == (100, 20)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AIMSCOPE_LIMITS_MEMORY_MB", "many"),
        ("AIMSCOPE_LIMITS_CPU_PERCENT", "1000"),
        ("AIMSCOPE_ENDPOINT_ENABLED", "maybe"),
        ("AIMSCOPE_ENDPOINT_EVERY", "now"),
        ("AIMSCOPE_PRIVACY_USERS", "sell"),
    ],
)
def test_a_wrong_variable_is_said_by_its_name(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name):
        overridden(Config(), {name: text})


def test_every_single_value_can_be_set_in_the_environment() -> None:
    names = variables()
    for section in msgspec.structs.fields(Config):
        for field in msgspec.structs.fields(section.type):
            variable = f"AIMSCOPE_{section.name}_{field.name}".upper()
            assert (variable in names) == (not isinstance(field.default, tuple))


def test_a_variable_that_means_nothing_is_found() -> None:
    environ = {"AIMSCOPE_LIMITS_MEMORY": "1", "AIMSCOPE_LIMITS_MEMORY_MB": "1", "AIMSCOPE_STATE": "x", "HOME": "x"}
    assert unknown_variables(environ) == ("AIMSCOPE_LIMITS_MEMORY",)


def test_every_entry_is_described() -> None:
    for section in msgspec.structs.fields(Config):
        for name, entry in msgspec.json.schema(section.type)["$defs"][section.type.__name__]["properties"].items():
            assert entry.get("description"), (section.name, name)


# the collector's policy


def test_the_policy_to_begin_with_changes_nothing() -> None:
    assert applied(Config(), policy('{"schema": 1}')) == Config()


def test_a_policy_narrows() -> None:
    config = Config(
        logs=configuration.Logs(paths=("/var/log/x",), syslog=("udp://127.0.0.1:5514",)),
        gateway=configuration.Gateway(interfaces=("eth0",)),
        network=configuration.Network(ranges=("10.0.0.0/24",), exclude=("10.0.0.1",)),
    )
    narrow = applied(
        config,
        policy(
            '{"schema": 1, "endpoint": {"off": ["models"]}, "logs": {"enabled": false}, "gateway": {"enabled": false},'
            ' "network": {"exclude": ["10.0.0.2"]}, "privacy": {"users": "drop"}}'
        ),
    )
    assert narrow.endpoint.off == ("models",)
    assert (narrow.logs.paths, narrow.logs.syslog, narrow.gateway.interfaces) == ((), (), ())
    assert narrow.network.exclude == ("10.0.0.1", "10.0.0.2")
    assert narrow.privacy.users == "drop"


def test_a_policy_widens_only_what_the_owner_lets_it() -> None:
    widens = policy('{"schema": 1, "endpoint": {"opt_in": ["shell_history", "browser_history"], "every": "1h"}}')
    assert applied(Config(), widens).endpoint.opt_in == ()
    let = Config(endpoint=configuration.Endpoint(may_opt_in=("shell_history",), may_schedule=False))
    assert applied(let, widens).endpoint.opt_in == ("shell_history",)
    assert applied(let, widens).endpoint.every == "6h"
    assert applied(Config(), widens).endpoint.every == "1h"
    off = Config(endpoint=configuration.Endpoint(enabled=False))
    assert not applied(off, policy('{"schema": 1, "endpoint": {"enabled": true}}')).endpoint.enabled


@given(KEEPS, KEEPS, KEEPS, KEEPS)
def test_local_privacy_wins(users: str, devices: str, said_users: str, said_devices: str) -> None:
    order = ("keep", "pseudonym", "drop")
    local = msgspec.convert({"privacy": {"users": users, "devices": devices}}, Config)
    said = msgspec.json.encode({"schema": 1, "privacy": {"users": said_users, "devices": said_devices}})
    kept = applied(local, read(said)).privacy
    assert order.index(kept.users) == max(order.index(users), order.index(said_users))
    assert order.index(kept.devices) == max(order.index(devices), order.index(said_devices))


def test_a_later_policy_is_understood_as_far_as_it_may_be() -> None:
    assert policy('{"schema": 1, "phones": {}, "endpoint": {"moons": 3}}') == policy('{"schema": 1}')
    with pytest.raises(PolicyError, match="schema 2"):
        policy('{"schema": 2}')


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": 1, "endpoint": {"every": "x"}}', '{"schema": 1, "privacy": 3}', OFTEN]
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        policy(text)
