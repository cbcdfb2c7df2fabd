"""The answers do not depend on how lines are chosen: those of every line, read one by one, are the measure."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aimscope_agent.formats import __path__ as FOLDER
from aimscope_agent.formats._format import Format
from aimscope_agent.logs import prefilter
from aimscope_agent.logs.pairing import WINDOW
from aimscope_agent.logs.parser import Parser
from aimscope_agent.logs.reading import lines_of
from aimscope_agent.logs.registry import built_in, load_file
from aimscope_agent.logs.scanning import Part, Scan, Workshop
from aimscope_agent.recognise import Recogniser
from aimscope_signatures import bundle
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.matcher import Matcher
from aimscope_signatures.model import Observation, Sighting

DATA = Path(__file__).parents[2] / "_data" / "formats"
NAMES = sorted(path.stem for path in Path(FOLDER[0]).glob("*.yaml") if list((DATA / path.stem).glob("sample*")))
NOW = 1_795_521_600


@functools.cache
def catalogue() -> Catalogue:
    return bundle.shipped()


@functools.cache
def matcher() -> Matcher:
    return Matcher(catalogue())


@functools.cache
def map_of(name: str) -> Format:
    return load_file(Path(FOLDER[0]) / f"{name}.yaml")


@functools.cache
def shop(search: bool) -> Workshop:
    return Workshop({name: map_of(name) for name in NAMES}, catalogue(), None, search=search, small=0)


def scanned(name: str, text: bytes, *, search: bool) -> Part:
    scan = Scan(map_of(name), shop(search), zone="utc", now=NOW)
    scan.block(text)
    return scan.result()


def one_by_one(name: str, text: bytes) -> tuple[Sighting, ...]:
    recogniser = Recogniser(matcher())
    recogniser.take_all(joined(name, text))
    return tuple(plain(sighting) for sighting in recogniser.sightings())


def joined(name: str, text: bytes) -> list[Observation]:
    """Observations of every line; those that tell of one question as one."""
    form = map_of(name)
    parser = Parser(form, zone="utc", now=NOW)
    found: list[tuple[set[int], Observation]] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        fields = parser.fields(line, number)
        if not fields:
            continue
        at = parser.at(fields)
        for record, reading in enumerate(form.readings):
            if not reading.when(fields):
                continue
            who = reading.who(fields)
            for row in reading.row(fields, 0, len(reading.columns)):
                one = reading.observation(row, who, at, f":{number}")
                if one is not None and not (reading.record.paired and merged(found, record, one)):
                    found.append(({record} if reading.record.paired else set(), one))
    return [one for _, one in found]


def merged(found: list[tuple[set[int], Observation]], record: int, one: Observation) -> bool:
    for place in reversed(range(len(found))):
        told, known = found[place]
        alike = all(
            known.fields.get(name) == one.fields.get(name) or name not in known.fields or name not in one.fields
            for name in ("name", "server_name", "type", "client")
        )
        if told and record not in told and alike and known.kind == one.kind and abs(known.at - one.at) <= WINDOW:
            blocked = {"blocked": True} if "blocked" in known.fields or "blocked" in one.fields else {}
            fields = {**known.fields, **blocked}
            asset = known.asset or one.asset
            found[place] = (told | {record}, msgspec.structs.replace(known, fields=fields, asset=asset))
            return True
    return False


def plain(sighting: Sighting) -> Sighting:
    places = tuple(place.lstrip(":") for place in sighting.sources)
    return msgspec.structs.replace(sighting, sources=places)


def same(name: str, text: bytes) -> Part:
    expected = one_by_one(name, text)
    every = scanned(name, text, search=False)
    assert every.sightings == expected
    found = scanned(name, text, search=True)
    assert found.sightings == expected
    assert found.lines == every.lines == text.count(b"\n") + (not text.endswith(b"\n") and bool(text))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str) -> None:
    for sample in sorted((DATA / name).glob("sample*")):
        text = lines_of(sample.read_bytes(), built_in().values())
        same(name, text)


@pytest.mark.parametrize("name", NAMES)
def test_samples_with_other_names_between(name: str) -> None:
    for sample in sorted((DATA / name).glob("sample*")):
        lines = lines_of(sample.read_bytes(), built_in().values()).splitlines(keepends=True)
        known = (b"openai.com", b"chatgpt.com", b"claude.ai", b"anthropic.com", b"gemini.google.com")
        dull = [
            functools.reduce(lambda line, host: line.replace(host, b"x" * len(host)), known, each) for each in lines
        ]
        same(name, b"".join([*dull, *lines, *dull]))


ZEEK = {"ts": 1_790_000_000.5, "id.orig_h": "192.0.2.7", "id.resp_h": "198.51.100.3", "trans_depth": 1, "uid": "C1"}
HOSTS = ["api.openai.com", "notopenai.com", "openai.com.example.net", "OPENAI.COM.", "chat.com", "snapchat.com", "x.ai"]


def request(**fields: object) -> dict[str, object]:
    return {**ZEEK, "host": "www.example.com", "uri": "/", **fields}


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(request(host="api.openai.com")),
        json.dumps(request(host="api.openai.com")).replace("openai", "\\u006fpen\\u0061i"),
        json.dumps(request(host="api.openai.com")).replace("openai.com", "openai\\u002ecom"),
        json.dumps(request(host="API.OpenAI.com:443")),
        json.dumps(request(host="bedrock-runtime.eu-central-1.amazonaws.com")),
        json.dumps(request(host="q.us-east-1.amazonaws.com.")),
        json.dumps(request(host="europe-west4-aiplatform.googleapis.com")),
        json.dumps(request(host="github.com", uri="/copilot/c/1?q=2")),
        json.dumps(request(host="github.com", uri="/copilot/c/1")).replace("/", "\\/"),
        json.dumps(request(host="x.com", uri="https://x.com/i/grok")),
        json.dumps(request(host="llm.corp.example", uri="/v1/chat/completions")),
        json.dumps(request(host="llm.corp.example", uri="/v1/chat/completions")).replace("/", "\\/"),
        json.dumps(request(host="llm.corp.example", user_agent="OpenAI/Python 1.2")),
        json.dumps(request(host="llm.corp.example", user_agent="OpenAI/Python 1.2")).replace("OpenAI/", "OpenAI\\/"),
        json.dumps(request(host="www.example.com", user_agent="w&b 1.0")).replace("&", "\\u0026"),
        json.dumps(request(host="www.example.com", user_agent="client/6.0 ai-sdk/groq/2.0")),
        json.dumps(request(host="llm.corp.example", uri="/v1/messages", method="POST", user_agent="curl/8")),
        json.dumps(request(host="llm.corp.example", uri="/v1beta/models/m:generateContent")).replace(
            ":gen", "\\u003agen"
        ),
        json.dumps(request(host="llm.corp.example", uri="/api/generate?stream=1", method="post")).replace("/", "\\/"),
        json.dumps({**ZEEK, "conn_state": "SF", "id.resp_h": "160.79.104.10", "id.resp_p": 443}),
        json.dumps({**ZEEK, "conn_state": "SF", "id.resp_h": "::ffff:a04f:680a", "id.resp_p": 443}),
        json.dumps({**ZEEK, "conn_state": "SF", "id.resp_h": "2607:6BC0:0::1", "id.resp_p": 443}),
        "<13>Nov 23 10:00:00 gw zeek: " + json.dumps(request(host="claude.ai")),
    ],
)
def test_names_in_disguise(line: str) -> None:
    dull = json.dumps(request())
    found = same("zeek-json", f"{dull}\n{dull}\n{line}\n{dull}\n".encode())
    assert len(found.sightings) >= 1
    assert found.sightings[0].sources == ("3",)


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(request(host="notopenai.com")),
        json.dumps(request(host="openai.com.example.net")),
        json.dumps(request(referrer="https://openai.com/")),
        json.dumps(request(host="ｏｐｅｎａｉ.com"), ensure_ascii=False),
        json.dumps(request(host="openai[.]com")),
        json.dumps(request(host="github.com", uri="/?u=/copilot/")),
        json.dumps(request(uri="/?u=/v1/chat/completions")),
        json.dumps(request(uri="/v1/chat/completions", method="GET")),
        json.dumps(request(uri="/v1/messages", method="POST", user_agent="Mozilla/5.0 (X11)")),
        json.dumps(request(uri="/api/v1/messages", method="POST")),
        json.dumps(request(user_agent="Mozilla/5.0 (compatible; GPTBot/1.0)")),
        json.dumps({**ZEEK, "conn_state": "SF", "id.resp_h": "160.79.99.10", "id.resp_p": 443}),
    ],
)
def test_near_misses(line: str) -> None:
    assert same("zeek-json", f"{line}\n".encode()).sightings == ()


def noise() -> st.SearchStrategy[str]:
    made = st.builds(
        lambda host, uri, agent, method: json.dumps(request(host=host, uri=uri, user_agent=agent, method=method)),
        st.sampled_from(HOSTS) | st.text("aiopenchtx.-", max_size=16),
        st.sampled_from(["/", "/copilot/", "/v1/chat/completions", "/api/chat", "/a?b=openai.com"]),
        st.sampled_from(["-", "curl/8", "OpenAI/JS 4.0", "Groq/JS 1", "Mozilla/5.0", "claude-cli/1.0"]),
        st.sampled_from(["POST", "GET", "", "post"]),
    )
    torn = st.builds(lambda line, cut: line[: cut % len(line)], made, st.integers(0, 400))
    return made | torn | st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.lists(noise(), max_size=12))
def test_any_lines(lines: list[str]) -> None:
    same("zeek-json", "".join(line + "\n" for line in lines).encode())


def test_every_torn_line_of_json_is_found() -> None:
    line = json.dumps(request())
    text = "\n".join([line, line[:50], line, line[30:60], line, line]).encode() + b"\n"
    found = scanned("zeek-json", text, search=True)
    assert (found.unreadable, found.quarantine) == (2, (2, 4))
    assert found.lines == 6
    if prefilter.available():
        assert found.read < 6


def test_without_the_library_every_line_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefilter, "hyperscan", None)
    workshop = Workshop({"zeek-json": map_of("zeek-json")}, catalogue(), None, small=0)
    assert workshop.prefilter(map_of("zeek-json")) is None
    scan = Scan(map_of("zeek-json"), workshop, zone="utc", now=NOW)
    text = "\n".join(json.dumps(request(host=host)) for host in HOSTS).encode() + b"\n"
    scan.block(text)
    found = scan.result()
    assert found.read == found.lines == len(HOSTS)
    assert found.sightings == one_by_one("zeek-json", text)
