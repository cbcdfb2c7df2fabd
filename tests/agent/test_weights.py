from __future__ import annotations

import struct

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from aimscope_agent.weights import Header, gguf, onnx, safetensors


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def key(name: str, value: str) -> bytes:
    return text(name) + struct.pack("<I", 8) + text(value)


def model(*keys: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(keys)) + b"".join(keys)


TOKENS = text("tokenizer.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
NUMBERS = text("x.numbers") + struct.pack("<IIQ", 9, 4, 3) + bytes(12)
COUNT = text("llama.block_count") + struct.pack("<II", 4, 32)


def test_a_gguf_header_names_the_model_behind_other_keys() -> None:
    head = model(
        key("general.architecture", "llama"), TOKENS, NUMBERS, COUNT, key("general.name", "Tiny"),
        key("general.organization", "Us"),
    )  # fmt: skip
    assert gguf(head) == Header("Tiny", "llama", "Us")


def test_a_torn_gguf_header_says_what_it_still_says() -> None:
    head = model(key("general.architecture", "llama"), key("general.name", "Tiny"))
    assert gguf(head[:-2]) == Header(architecture="llama")


def test_look_alikes_of_gguf_are_none() -> None:
    assert gguf(b"GGML" + bytes(40)) is None
    assert gguf(b"GGUF") is None
    assert gguf(b"GGUF" + bytes(40)) is None


def test_a_safetensors_header_may_name_the_architecture() -> None:
    header = b'{"__metadata__": {"modelspec.architecture": "flux-1-dev", "modelspec.author": "BFL"}}'
    data = struct.pack("<Q", len(header)) + header + bytes(8)
    assert safetensors(data) == Header(architecture="flux-1-dev", publisher="BFL")
    assert safetensors(data[:30]) == Header()


def test_look_alikes_of_safetensors_are_none() -> None:
    assert safetensors(b'{"a": 1}' * 4) is None
    assert safetensors(struct.pack("<Q", 5) + b"{nope") is None
    assert safetensors(struct.pack("<Q", 1 << 40) + b"{}") is None


def test_onnx_starts_with_its_version_and_a_known_field() -> None:
    assert onnx(b"\x08\x08\x12\x07pytorch") == Header()
    assert onnx(b"\x08\x08\xff") is None
    assert onnx(b"ONNX file") is None


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda tail: b"GGUF\x03\0\0\0" + tail)))
def test_no_bytes_can_crash_a_reader(data: bytes) -> None:
    for reader in (gguf, safetensors, onnx):
        found = reader(data)
        assert found is None or msgspec.json.encode(found)


@given(st.dictionaries(st.sampled_from(["general.name", "general.architecture", "x"]), st.text(max_size=40)))
def test_what_was_written_is_read(keys: dict[str, str]) -> None:
    found = gguf(model(*(key(name, value) for name, value in keys.items())))
    assert found is not None
    assert (found.name, found.architecture) == (keys.get("general.name", ""), keys.get("general.architecture", ""))
