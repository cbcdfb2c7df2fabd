"""Every text of the pages is in one place, and nothing there is left over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aimscope_collector.http
from aimscope_collector.http.frame.texts import text, texts, word

BASE = Path(aimscope_collector.http.__file__).parent
_SAID = re.compile(r"""\b(?:text|say)\(\s*["']([\w.]+)["']""")
_BEGUN = re.compile(r"""\bf["']([a-z_]+\.[\w.]*?)\{""")
_SHOWN = re.compile(r"""\bt\(\s*'([\w.]+)'\s*[,)]""")
_PUT_TOGETHER = re.compile(r"""\bt\(\s*'([\w.]+)'\s*~""")
_ROOM = re.compile(r"""\b(?:word|badge)\(\s*["']([a-z_]+)["']""")
_ANY = re.compile(r"""["']([a-z_]+(?:\.[a-z_0-9]+)+)["']""")


def _asked() -> tuple[set[str], set[str]]:
    """Names that templates and pages ask for, and beginnings of names that are put together."""
    templates = "".join(path.read_text() for path in BASE.glob("templates/**/*.html"))
    several = [*BASE.glob("pages/*.py"), *BASE.glob("frame/*.py"), BASE.parent / "telling.py"]
    code = "".join(path.read_text() for path in several)
    exact = {name for name in _SAID.findall(code) if "." in name} | set(_SHOWN.findall(templates))
    exact |= {name for name in _ANY.findall(templates + code) if name in texts()}
    rooms = {f"{room}." for room in _ROOM.findall(templates + code)}
    return exact, set(_BEGUN.findall(code)) | set(_PUT_TOGETHER.findall(templates)) | rooms


def test_every_text_that_is_asked_for_is_there() -> None:
    exact, begun = _asked()
    assert exact - set(texts()) == set()
    assert {start for start in begun if not any(name.startswith(start) for name in texts())} == set()


def test_no_text_is_left_over() -> None:
    exact, begun = _asked()
    left = {name for name in texts() if name not in exact and not name.startswith((*begun, "done."))}
    assert left == set()


def test_a_text_with_a_number_has_a_form_for_one_and_for_others() -> None:
    assert text("frame.days", n=1) == "1 day"
    assert text("frame.days", n=1_200) == "1,200 days"
    with pytest.raises(KeyError):
        text("frame.no_such_text")


def test_a_value_without_a_word_is_shown_as_it_is() -> None:
    assert word("verdict", "unregistered") == "Unregistered"
    assert word("verdict", "<b>new</b>") == "<b>new</b>"
