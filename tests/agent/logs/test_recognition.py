from __future__ import annotations

import msgspec
import pytest

from aimscope_agent.formats._format import Format
from aimscope_agent.formats._map import Map, MapError, Options, Recognise, Record, read_map
from aimscope_agent.logs.recognition import recognise
from aimscope_agent.logs.registry import built_in, formats, ready

MAP = Map(
    name="made",
    title="Made up",
    vendor="Nobody",
    engine="json_lines",
    recognise=Recognise(fields=("host",)),
    records=(Record("http.request", {"host": "host"}),),
    verified="memory",
)


def made(name: str, **more: object) -> Format:
    return ready(msgspec.structs.replace(MAP, name=name, **more))


LINES = b'{"host":"a","kind":"x"}\n' * 9 + b'{"other":1}\n'


def test_the_one_that_fits() -> None:
    found = recognise(LINES, [made("one"), made("two", recognise=Recognise(fields=("client",)))])
    assert found.format is not None
    assert found.format.name == "one"
    assert (found.fits[0].fitting, found.fits[0].lines) == (9, 10)


def test_a_tie_names_the_candidates() -> None:
    found = recognise(LINES, [made("one"), made("two", recognise=Recognise(values={"kind": ("x",)}))])
    assert found.format is None
    assert found.reason() == "several formats fit: one (9 of 10 lines), two (9 of 10 lines)"


def test_too_few_lines_fit() -> None:
    found = recognise(b'{"host":"a"}\n{"b":1}\n{"b":1}\n', [made("one")])
    assert found.format is None
    assert found.reason() == "no format fits well enough: one (1 of 3 lines)"
    assert recognise(b"text\n", [made("one")]).reason() == "its lines fit no known format"
    assert recognise(b"\n\n", [made("one")]).reason() == "it has no lines"


def test_a_fallback_gives_way() -> None:
    general = made("general", fallback=True)
    found = recognise(LINES, [made("one"), general])
    assert found.format is not None
    assert found.format.name == "one"
    alone = recognise(LINES, [general])
    assert alone.format is general


def test_lines_known_to_say_nothing_fit() -> None:
    form = made("one", recognise=Recognise(values={"kind": ("x",)}), skip=({"kind": ("heartbeat",)},))
    assert recognise(b'{"kind":"x"}\n{"kind":"heartbeat"}\n', [form]).format is form


def test_a_header_alone_is_enough() -> None:
    form = made("one", engine="w3c", recognise=Recognise(fields=("cs-host", "c-ip")))
    assert recognise(b"#Version: 1.0\n#Fields: date c-ip cs-host\n", [form]).format is form
    assert recognise(b"#Version: 1.0\n#Fields: date c-ip\n", [form]).format is None


def test_own_maps_replace_ours(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("formats")
    name = next(iter(built_in()))
    text = msgspec.yaml.encode(msgspec.structs.replace(MAP, name=name))
    (folder / f"{name}.yaml").write_bytes(text)
    assert formats(folder)[name].map.title == "Made up"
    assert formats(folder / "none") == built_in()
    (folder / f"{name}.yaml").rename(folder / "other.yaml")
    with pytest.raises(MapError, match="is not the file's name"):
        formats(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": "red"}, "unknown field `colour`"),
        ({"engine": "xml"}, "engine"),
        ({"records": []}, "records"),
        ({"records": [{"kind": "process", "fields": {"name": "a"}}]}, r"records\[0\].kind"),
        ({"records": [{"kind": "dns.query", "fields": {"host": "a"}}]}, "takes no 'host'"),
        ({"records": [{"kind": "dns.query", "fields": {"name": "a|up"}}]}, "unknown transform"),
        ({"recognise": {}}, "says nothing"),
        ({"time_format": "sometime"}, "time_format"),
        ({"options": {"pair": ":"}}, "options.pair"),
    ],
)
def test_malformed_maps_are_errors_that_name_file_and_field(change: dict[str, object], says: str) -> None:
    fields = msgspec.to_builtins(MAP) | change
    with pytest.raises(MapError, match=says) as caught:
        ready(read_map(msgspec.yaml.encode(fields), "made.yaml"))
    assert "made" in str(caught.value)


def test_any_map_without_options_is_fine() -> None:
    assert ready(read_map(msgspec.yaml.encode(MAP), "made.yaml")).map.options == Options()
