"""Every map proves itself on its own sample: recognised as itself and nothing else, and says what is expected."""

from __future__ import annotations

import contextlib
import functools
import re
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from aimscope_agent.formats import __path__ as FOLDER
from aimscope_agent.formats._expressions import address
from aimscope_agent.formats._format import Format
from aimscope_agent.formats._map import GIVEN_BY_LOGS, MapError
from aimscope_agent.logs.parser import Parser
from aimscope_agent.logs.reading import lines_of
from aimscope_agent.logs.recognition import recognise
from aimscope_agent.logs.registry import load_file
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.model import Observation

DATA = Path(__file__).parents[2] / "_data" / "formats"
NAMES = sorted(path.stem for path in Path(FOLDER[0]).glob("*.yaml"))
SAMPLES = [(name, sample) for name in NAMES for sample in sorted((DATA / name).glob("sample*"))]
NOW = 1_795_521_600  # 2026-11-24T12:00:00Z: samples that write no year are of the time before it


def every() -> list[Format]:
    """The well-formed maps: a malformed one fails its own tests, not those of the others."""
    found = []
    for name in NAMES:
        with contextlib.suppress(MapError):
            found.append(load_file(Path(FOLDER[0]) / f"{name}.yaml"))
    return found


FORMATS = every()


@functools.cache
def map_of(name: str) -> Format:
    return load_file(Path(FOLDER[0]) / f"{name}.yaml")


def said(name: str, text: bytes) -> list[dict[str, object]]:
    parser = Parser(map_of(name), zone="utc", now=NOW)
    return [row(each) for each in parser.feed(text, 1, "sample")]


def row(each: Observation) -> dict[str, object]:
    found: dict[str, object] = {"line": int(each.source.rpartition(":")[2]), "kind": each.kind, "fields": each.fields}
    return found | {"subject": each.subject, "asset": each.asset, "at": each.at}


@pytest.mark.parametrize("name", NAMES)
def test_a_format_has_a_sample(name: str) -> None:
    assert map_of(name).name == name
    assert list((DATA / name).glob("sample*")), f"tests/_data/formats/{name}/sample.log is missing"
    assert (DATA / name / "expected.json").is_file()


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[f"{name}-{path.name}" for name, path in SAMPLES])
def test_a_sample_is_recognised_as_its_format_and_no_other(name: str, sample: Path) -> None:
    found = recognise(lines_of(sample.read_bytes(), FORMATS), FORMATS)
    assert found.format is not None, found.reason()
    assert found.format.name == name


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[f"{name}-{path.name}" for name, path in SAMPLES])
def test_a_sample_says_what_is_expected(name: str, sample: Path) -> None:
    own = sample.with_name(sample.name.replace("sample", "expected", 1)).with_suffix(".json")
    expected = msgspec.json.decode((own if own.is_file() else sample.with_name("expected.json")).read_bytes())
    assert said(name, lines_of(sample.read_bytes(), FORMATS)) == expected


@functools.cache
def lines_of_all() -> list[tuple[str, bytes]]:
    """Every line of every sample, and whose it is."""
    return [
        (name, line)
        for name, sample in SAMPLES
        for line in lines_of(sample.read_bytes(), FORMATS).splitlines()
        if line.strip()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_lines_of_other_formats_are_not_claimed(name: str) -> None:
    form = map_of(name)
    claimed = []
    for other, line in lines_of_all():
        parser = Parser(form, zone="utc", now=NOW)
        list(parser.line(line, 1, ""))
        if parser.counts.read and other != name:
            claimed.append((other, line))
    assert form.map.fallback or not claimed


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[f"{name}-{path.name}" for name, path in SAMPLES])
def test_a_line_cut_anywhere_names_nobody_new(name: str, sample: Path) -> None:
    """What a log ends with may be half a line, and half a name is another name."""
    parser = Parser(map_of(name), zone="utc", now=NOW)
    for line in lines_of(sample.read_bytes(), FORMATS).splitlines()[:40]:
        state = parser.state
        list(parser.line(line, 1, ""))
        for cut in range(1, len(line), max(1, len(line) // 100)):
            half = Parser(map_of(name), zone="utc", now=NOW, state=state)
            for seen in half.feed(line[:cut], 1, ""):
                for field in NAMING & seen.fields.keys():
                    assert stands_in(str(seen.fields[field]), line), (line[:cut], seen)


NAMING = {"name", "asked", "server_name", "host", "ip", "model"}


def stands_in(name: str, line: bytes) -> bool:
    """Whether a name is in a line from its beginning to its end, in any of the ways in which lines write one."""
    text = unquote(re.sub(r"\(\d+\)", ".", line.decode("utf-8", "replace"))).lower()
    text = re.sub(r"\\u00([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), text).replace("\\/", "/")
    if name in CONSTANTS or (":" in name and name in shortened(text)):
        return True
    return re.search(rf"(?<![a-z0-9_]){re.escape(name.lower())}(?![a-z0-9_-]|\.[a-z0-9])", text) is not None


CONSTANTS = {
    str(stated)[1:]
    for name in NAMES
    for record in map_of(name).map.records
    for stated in record.fields.values()
    if isinstance(stated, str) and stated.startswith("=")
}


def shortened(text: str) -> set[str]:
    """The IPv6 addresses of a text as we write them."""
    return {address(found) for found in re.findall(r"[0-9a-f:.]{3,45}", text)}


@pytest.mark.parametrize("name", NAMES)
def test_a_map_says_where_its_names_are_from(name: str) -> None:
    form = map_of(name).map
    assert form.references or form.verified == "memory"
    assert form.title
    assert form.vendor
    assert set(map_of(name).kinds) <= set(GIVEN_BY_LOGS)
    for record in form.records:
        assert set(record.fields) <= set(KINDS[record.kind].fields)


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[f"{name}-{path.name}" for name, path in SAMPLES])
def test_torn_lines_raise_nothing_and_name_nobody_new(name: str, sample: Path) -> None:
    text = lines_of(sample.read_bytes(), FORMATS)
    names = {value for each in said(name, text) for value in each["fields"].values()}  # type: ignore[attr-defined]
    assert names
    for line in text.splitlines(keepends=True)[:20]:
        for cut in range(0, len(line), max(1, len(line) // 40)):
            said(name, line[:cut] + b"\n")
            said(name, line[cut:])
