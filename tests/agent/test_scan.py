from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aimscope_agent import registry, scan, sensors
from aimscope_agent.host.commands import COMMANDS
from aimscope_agent.host.offline import OfflineHost
from aimscope_agent.sensor import Look, Options, Sensor
from aimscope_signatures.interests import Interests
from aimscope_signatures.model import Observation, Status

NOW = 1_790_000_000


@pytest.fixture
def host(tmp_path: Path) -> OfflineHost:
    root = tmp_path / "root"
    (root / "home/ann/.tool").mkdir(parents=True)
    (root / "home/ann/.tool/config.json").write_text("{}")
    (root / "home/ann/x.gguf").write_text("x")
    machine = tmp_path / "machine.json"
    machine.write_text(json.dumps({"platform": "linux", "processes": []}))
    return OfflineHost(root, machine)


def files(look: Look) -> Iterator[Observation]:
    for found in look.found("~/.tool/*.json"):
        look.count("files")
        yield look.see("config_file", found, path=found.path)


FILES = Sensor("files", "Files.", ("config_file",), files, wants=("~/.tool/*.json",))


def run(host: OfflineHost, *sensors: Sensor, options: Options | None = None) -> scan.ScanResult:
    return scan.scan(host, sensors, Interests(), options or Options(), now=NOW)


def broken(look: Look) -> Iterator[Observation]:
    yield look.see("config_file", path="~/before")
    raise RuntimeError("sk-EXAMPLE was here")


def test_every_sensor_is_in_the_result(host: OfflineHost) -> None:
    result = run(host, FILES)
    assert result.observations == {
        "files": (Observation("config_file", {"path": "~/.tool/config.json"}, "~/.tool/config.json", "ann", NOW),)
    }
    (coverage,) = result.coverage
    assert (coverage.sensor, coverage.status, coverage.gaps, coverage.counts) == (
        "files",
        Status.COMPLETE,
        (),
        {"observed": 1, "files": 1},
    )


def test_a_sensor_that_fails_costs_only_its_own_rest(host: OfflineHost) -> None:
    result = run(host, Sensor("broken", "", ("config_file",), broken), FILES)
    assert [len(observations) for observations in result.observations.values()] == [1, 1]
    failed, complete = result.coverage
    assert (failed.status, [gap.reason for gap in failed.gaps]) == (Status.FAILED, ["sensor failed: RuntimeError"])
    assert complete.status is Status.COMPLETE
    assert "EXAMPLE" not in repr(result)


def test_where_a_sensor_failed_is_told_for_debugging_without_what_it_read(host: OfflineHost) -> None:
    told: list[str] = []
    sensor = Sensor("broken", "", ("config_file",), broken)
    scan.scan(host, [sensor], Interests(), Options(), now=NOW, debug=told.append)
    assert "broken" in told[0]
    assert "RuntimeError" in told[0]
    assert "was here\n" not in told[0].replace('raise RuntimeError("sk-EXAMPLE was here")', "")


def emits(kind: str, **fields: object) -> Sensor:
    def observe(look: Look) -> Iterator[Observation]:
        yield Observation(kind, fields)  # type: ignore[arg-type]

    return Sensor("bad", "", ("config_file", "credential", "service"), observe)


@pytest.mark.parametrize(
    ("sensor", "words"),
    [
        (emits("process", name="x"), "undeclared kind process"),
        (emits("nonsense", name="x"), "undeclared kind nonsense"),
        (emits("config_file", value="sk-1"), "unknown field value"),
        (emits("config_file", path=3), "path as int"),
        (emits("service", enabled=1), "enabled as int"),
        (emits("config_file", path=("a",)), "path as tuple"),
    ],
)
def test_what_no_kind_allows_is_not_let_through(host: OfflineHost, sensor: Sensor, words: str) -> None:
    result = run(host, sensor)
    assert result.observations == {"bad": ()}
    assert result.coverage[0].status is Status.FAILED
    assert words in result.coverage[0].gaps[0].reason


def test_the_number_of_observations_is_bounded(host: OfflineHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MOST_OBSERVATIONS", 10)

    def endless(look: Look) -> Iterator[Observation]:
        while True:
            yield look.see("config_file", path="~/x")

    result = run(host, Sensor("endless", "", ("config_file",), endless))
    assert len(result.observations["endless"]) == 10
    assert result.coverage[0].status is Status.PARTIAL


def test_sensors_that_do_not_run_say_so(host: OfflineHost) -> None:
    private = Sensor("private", "", ("config_file",), files, FILES.wants, opt_in=True, privacy="Reads files.")
    windows = Sensor("windows", "", ("config_file",), files, FILES.wants, platforms=("windows",))
    result = run(host, private, windows)
    assert [(each.sensor, each.status) for each in result.coverage] == [
        ("private", Status.OFF),
        ("windows", Status.UNSUPPORTED),
    ]
    chosen = run(host, private, options=Options(opt_in=frozenset({"private"})))
    assert chosen.coverage[0].status is Status.COMPLETE
    assert len(chosen.observations["private"]) == 1


def test_the_catalogue_may_ask_for_more(host: OfflineHost) -> None:
    def observe(look: Look) -> Iterator[Observation]:
        for glob in look.interests.config:
            for found in look.found(glob):
                yield look.see("config_file", found, path=found.path)

    sensor = Sensor("more", "", ("config_file",), observe, wants_of=lambda interests: interests.config)
    result = scan.scan(host, [sensor], Interests(config={"**/*.gguf": "x"}), Options(), now=NOW)
    assert [each.fields for each in result.observations["more"]] == [{"path": "~/x.gguf"}]
    wrong = scan.scan(host, [sensor, FILES], Interests(config={"nonsense": "x"}), Options(), now=NOW)
    assert [each.status for each in wrong.coverage] == [Status.FAILED, Status.COMPLETE]


def test_progress_names_each_part_and_ends(host: OfflineHost) -> None:
    told: list[tuple[str, int, int]] = []
    scan.scan(host, [FILES], Interests(), Options(), now=NOW, progress=lambda *step: told.append(step))
    assert told == [("walk", 0, 2), ("files", 1, 2), ("", 2, 2)]


def test_the_plan_tells_what_would_be_read_before_anything_is(host: OfflineHost) -> None:
    given = [
        FILES,
        Sensor("walker", "Walks.", ("model",), files, ("**/*.gguf",)),
        Sensor("live", "Asks.", ("process", "listener"), files),
        Sensor("private", "", ("config_file",), files, opt_in=True, privacy="Reads the history."),
    ]
    planned = scan.plan(host, given, Interests(), Options())
    assert planned.homes == ("/home/ann",)
    assert planned.walked == ("/home/ann",)
    assert [(each.sensor, each.status, each.globs, each.asks) for each in planned.sensors] == [
        ("files", Status.COMPLETE, ("~/.tool/*.json",), ()),
        ("walker", Status.COMPLETE, ("**/*.gguf",), ()),
        ("live", Status.COMPLETE, (), ("processes", "sockets")),
        ("private", Status.OFF, (), ()),
    ]
    assert planned.sensors[3].privacy == "Reads the history."
    assert scan.plan(host, [FILES], Interests(), Options()).walked == ()


@pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
def test_the_plan_names_every_command_and_request_of_a_platform(tmp_path: Path, platform: str) -> None:
    (tmp_path / "machine.json").write_text(f'{{"platform": "{platform}"}}')
    (tmp_path / "root").mkdir()
    host = OfflineHost(tmp_path / "root", tmp_path / "machine.json")

    def asks(options: Options) -> str:
        planned = scan.plan(host, registry.sensors(), Interests(), options)
        return "\n".join(ask for sensor in planned.sensors for ask in sensor.asks)

    for command in COMMANDS.values():
        assert (" ".join(command.argv) in asks(Options())) == (platform in command.platforms)
    assert "local network" not in asks(Options())
    assert "local network" in asks(Options(probe_lan=True))


def test_the_plan_names_the_package_database() -> None:
    (applications,) = (sensor for sensor in registry.sensors() if sensor.name == "applications")
    assert "/var/lib/dpkg/status" in applications.wants


def test_sensors_are_found_by_walking_their_folder() -> None:
    found = registry.sensors()
    folder = Path(sensors.__path__[0])
    units = {path.stem for path in (*folder.glob("*.py"), *(p.parent for p in folder.glob("*/__init__.py")))}
    assert [sensor.name for sensor in found] == sorted(unit for unit in units if not unit.startswith("_"))


def test_a_sensor_that_takes_too_long_is_stopped_and_says_so(host: OfflineHost) -> None:
    for number in range(200):
        Path(host.tree.root, f"home/ann/.tool/{number:03}.json").write_text("{}")
    moments = iter(range(10_000))
    result = scan.scan(host, [FILES], Interests(), Options(), now=NOW, clock=lambda: float(next(moments)))
    (coverage,) = result.coverage
    assert 0 < len(result.observations["files"]) < 100
    assert (coverage.status, [gap.reason for gap in coverage.gaps]) == (Status.PARTIAL, ["looked for 60 s only"])


def torn(look: Look) -> Iterator[Observation]:
    for found in look.found("~/.tool/*.json"):
        look.json(found)
    yield look.see("config_file", path="~/x")


def test_files_that_are_torn_make_a_sensor_partial_not_failed(host: OfflineHost) -> None:
    for number in range(30):
        Path(host.tree.root, f"home/ann/.tool/{number}.json").write_text("{")
    (coverage,) = run(host, Sensor("torn", "T.", ("config_file",), torn, wants=("~/.tool/*.json",))).coverage
    assert coverage.status is Status.PARTIAL
    assert {gap.status for gap in coverage.gaps} == {Status.FAILED}
