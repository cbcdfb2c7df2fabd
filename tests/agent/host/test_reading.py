from __future__ import annotations

import contextlib
import json
import plistlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.host import reading
from aimscope_agent.host.reading import UnreadableError

Reader = Callable[[bytes], object]
READERS: list[Reader] = [reading.read_json, reading.read_yaml, reading.read_toml, reading.read_plist]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert reading.read_json(json.dumps(value).encode()) == value


def test_json_as_editors_write_it() -> None:
    data = b'\xef\xbb\xbf{\n // note\n "a": [1, 2,], /* more */ "u": "https://x//y",\n}'
    assert reading.read_json(data) == {"a": [1, 2], "u": "https://x//y"}
    assert reading.read_json('{"a": 1,}'.encode("utf-16")) == {"a": 1}


@pytest.mark.parametrize("read", READERS)
@given(data=st.binary(max_size=200) | st.text(alphabet="{}[]\"',:\n -=&*!<>a1.#", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(read: Reader, data: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        read(data)


@pytest.mark.parametrize("depth", [65, 20_000])
@pytest.mark.parametrize(
    ("read", "before", "after"),
    [
        (reading.read_json, b"[", b"]"),
        (reading.read_json, b'{"a":', b"}"),
        (reading.read_json, b"/**/[", b",]"),
        (reading.read_yaml, b"[", b"]"),
        (reading.read_yaml, b"{a: ", b"}"),
        (reading.read_toml, b"[", b"]"),
        (reading.read_plist, b"<array>", b"</array>"),
    ],
)
def test_what_is_nested_too_deep_is_refused(read: Reader, before: bytes, after: bytes, depth: int) -> None:
    data = before * depth + b"1" + after * depth
    if read is reading.read_toml:
        data = b"a = " + data
    if read is reading.read_plist:
        data = b"<plist>" + data.replace(b"1", b"<true/>") + b"</plist>"
    with pytest.raises(UnreadableError, match=r"deep|not valid"):
        read(data)


def test_what_is_nested_just_deep_enough_is_read() -> None:
    depth = 60
    assert reading.read_json(b"[" * depth + b"]" * depth)
    assert reading.read_yaml(b"[" * depth + b"]" * depth)
    assert reading.read_toml(b"a = " + b"[" * depth + b"]" * depth)


def test_yaml_that_multiplies_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(UnreadableError, match="anchors"):
        reading.read_yaml("\n".join(lines).encode())


def test_yaml_with_tags_and_several_documents() -> None:
    assert reading.read_yaml(b"a: !include b.yaml\nc: !x [1]\nd: !y {e: 2}\n---\nf: 1") == {
        "a": "b.yaml",
        "c": [1],
        "d": {"e": 2},
    }
    assert reading.read_yaml(b"") is None
    with pytest.raises(UnreadableError):
        reading.read_yaml(b"!!python/object/apply:os.system ['true']")


@pytest.mark.parametrize("text", [b"d: 2024-13-45", b"n: 1_" + b"9" * 5000, b"- [", b"\x00", b"? {a: 1}\n: 2"])
def test_yaml_that_only_looks_right_is_refused_or_read(text: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        reading.read_yaml(text)


def test_toml_with_endless_keys_is_refused_at_once() -> None:
    for data in (b"a." * 400_000 + b"a = 1", b"[" + b"a." * 400_000 + b"a]", b'"=".' + b"a." * 400_000 + b"a = 1"):
        with pytest.raises(UnreadableError):
            reading.read_toml(data)
    assert reading.read_toml(b'a.b.c = "x.y"\n') == {"a": {"b": {"c": "x.y"}}}


def test_property_lists_of_both_forms() -> None:
    value = {"CFBundleIdentifier": "com.example", "n": [1, True]}
    assert reading.read_plist(plistlib.dumps(value)) == value
    assert reading.read_plist(plistlib.dumps(value, fmt=plistlib.FMT_BINARY)) == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_property_lists_that_declare_entities_are_refused(encoding: str) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE plist [<!ENTITY e0 "x">{entities}]>'
    with pytest.raises(UnreadableError, match="entities"):
        reading.read_plist((text + "<plist><string>&e9;</string></plist>").encode(encoding))


def test_binary_lists_that_share_or_contain_themselves_are_refused() -> None:
    shared: list[object] = []
    for _ in range(40):
        shared = [shared, shared]
    with pytest.raises(UnreadableError):
        reading.read_plist(plistlib.dumps(shared, fmt=plistlib.FMT_BINARY))
    head = b"bplist00\xa1\x00" + b"\x08"  # one array whose only item is itself
    trailer = bytes(6) + bytes([1, 1]) + (1).to_bytes(8, "big") + bytes(8) + (10).to_bytes(8, "big")
    with pytest.raises(UnreadableError):
        reading.read_plist(head + trailer)


def test_text_of_other_encodings() -> None:
    assert reading.read_text("é".encode()) == "é"
    assert reading.read_text(b"\xef\xbb\xbfx") == "x"
    assert reading.read_text("é".encode("utf-16")) == "é"
    assert reading.read_text(b"a\xffb") == "a\N{REPLACEMENT CHARACTER}b"
