from __future__ import annotations

import pytest

from aimscope_agent.host.gaps import Gaps
from aimscope_agent.sensor import Look, Options
from aimscope_signatures.model import Gap, Observation, Status

from .conftest import NOW, LookOver, Plant


def test_reading_notes_what_could_not_be_read(plant: Plant, look_over: LookOver) -> None:
    root = plant(
        {
            "home/ann/a.json": '{"a": 1,}',
            "home/ann/b.json": "{",
            "home/ann/c.yaml": "a: &x 1\nb: *x",
            "home/ann/d.toml": "[a]\nb = 1",
            "home/ann/e.txt": b"\xff" * 20,
            "home/ann/f.plist": "<plist><dict/></plist>",
            "home/ann/g.sqlite": "no",
        }
    )
    look: Look = look_over(root)
    home = "/home/ann/"
    assert look.json(home + "a.json") == {"a": 1}
    assert look.json(home + "b.json") is None
    assert look.yaml(home + "c.yaml") is None
    assert look.toml(home + "d.toml") == {"a": {"b": 1}}
    assert look.plist(home + "f.plist") == {}
    assert look.text(home + "e.txt", limit=10) is None
    assert look.text(home + "e.txt") == "\N{REPLACEMENT CHARACTER}" * 20
    assert look.rows(home + "g.sqlite", "select 1 from t") is None
    assert look.json(home + "none.json") is None
    assert (look.size(home + "e.txt"), look.size(home), look.size(home + "none")) == (20, None, None)
    assert (look.exists(home + "a.json"), look.exists(home), look.exists(home + "none")) == (True, True, False)
    assert look_gaps(look) == {
        ("~/b.json", "failed", "not valid JSON"),
        ("~/c.yaml", "failed", "YAML with anchors or aliases"),
        ("~/e.txt", "partial", "larger than 10 bytes"),
        ("~/g.sqlite", "failed", "not a sound SQLite database"),
    }


def look_gaps(look: Look) -> set[tuple[str, str, str]]:
    coverage = look.coverage("x")  # type: ignore[attr-defined]
    return {(gap.source, gap.status.value, gap.reason) for gap in coverage.gaps}


def test_a_closed_home_is_one_gap_for_all_that_was_asked_of_it(plant: Plant, look_over: LookOver) -> None:
    globs = ("~/.a/x.json", "~/.b/*.json", "~/.c/**", "**/*.gguf")
    root = plant({"home/ann/.a/x.json": "{}", "home/bob/.a/x.json": "{}", "home/bob/m.gguf": ""})
    look = look_over(root, *globs, denied=["/home/bob"])
    assert [found.path for glob in globs for found in look.found(glob)] == ["~/.a/x.json"]
    coverage = look.coverage("x")
    assert coverage.gaps == (Gap("/home/bob", Status.DENIED, "may not be read", remedy="run as root"),)
    assert coverage.status is Status.PARTIAL  # the rest of the machine could be looked at


def test_observations_carry_source_subject_and_time(plant: Plant, look_over: LookOver) -> None:
    look = look_over(plant({"home/ann/x": ""}))
    found = look.at("/home/ann/x")
    assert look.see("config_file", found, path=found.path) == Observation(
        "config_file", {"path": "~/x"}, "~/x", "ann", NOW
    )
    kept = look.see("service", "here", subject="bob", name="n", enabled=False, package="", manager=None, secrets=())
    assert kept == Observation("service", {"name": "n", "enabled": False}, "here", "bob", NOW)


def test_long_and_broken_text_is_made_fit_to_report(plant: Plant, look_over: LookOver) -> None:
    look = look_over(plant({"home/ann/": ""}))
    fields = look.see("service", name="x" * 10_000, command="a\ud800").fields
    assert isinstance(fields["name"], str)
    assert len(fields["name"]) == 4_096
    assert str(fields["command"]).encode() == "a\N{REPLACEMENT CHARACTER}".encode()


def test_digests_tell_secrets_apart_under_one_key_only(plant: Plant, look_over: LookOver) -> None:
    look = look_over(plant({"home/ann/": ""}))
    assert look.digest("sk-1") == look.digest("sk-1") != look.digest("sk-2")
    assert "sk-1" not in look.digest("sk-1")
    look._digest_key = b"other"
    other = look.digest("sk-1")
    look._digest_key = b""
    assert other
    assert look.digest("sk-1") == ""


@pytest.mark.parametrize("address", ["192.168.1.5", "9.9.9.9", "nonsense", "0.0.0.0"])
def test_only_loopback_is_asked_unless_the_user_said_so(plant: Plant, look_over: LookOver, address: str) -> None:
    root = plant({"home/ann/": ""})
    probes = {"probes": {"80 /": {"status": 200}}}
    assert look_over(root, **probes).probe(80, "/") is not None
    assert look_over(root, **probes).probe(80, "/", address="::1") is not None
    assert look_over(root, **probes).probe(80, "/", address=address) is None
    lan = look_over(root, options=Options(probe_lan=True), **probes)
    assert (lan.probe(80, "/", address=address) is not None) is (address in ("192.168.1.5", "0.0.0.0"))


def test_counts_add_up(plant: Plant, look_over: LookOver) -> None:
    look = look_over(plant({"home/ann/": ""}))
    look.count("files")
    look.count("files", 4)
    assert look.coverage("x").counts == {"files": 5}


def test_many_failures_for_one_reason_are_named_and_counted() -> None:
    gaps = Gaps()
    for number in range(100):
        gaps.note(Gap(f"~/{number:03}", Status.FAILED, "not valid JSON"))
        gaps.note(Gap("~/000", Status.FAILED, "not valid JSON"))
    gaps.note(Gap("/home/bob", Status.DENIED, "may not be read"))
    told = gaps.told()
    assert [gap.source for gap in told[:8]] == [f"~/{number:03}" for number in range(8)]
    assert (told[8].source, told[8].count) == ("…", 92)
    assert told[9].status is Status.DENIED
    assert gaps.worst() is Status.FAILED
    assert Gaps().worst() is Status.COMPLETE
