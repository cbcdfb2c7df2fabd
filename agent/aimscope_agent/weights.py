"""Headers of model files: bytes → what they say of the model. Pure; never raises on hostile bytes.

GGUF: ggml's specification (docs/gguf.md in ggml-org/ggml). safetensors: the format section of huggingface/safetensors,
with the `modelspec` keys of Stability's model metadata standard. ONNX: onnx.proto, message ModelProto.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

_MOST_KEYS = 4_096
_LONGEST_TEXT = 65_536
_MOST_NESTED = 4
_LARGEST_HEADER = 100_000_000  # what the safetensors library itself accepts


class Header(msgspec.Struct, frozen=True):
    """What a header says; empty where it does not."""

    name: str = ""
    architecture: str = ""
    publisher: str = ""


_WIDTHS: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_WANTED: Final = {"general.name": "name", "general.architecture": "architecture", "general.organization": "publisher"}


class _EndError(Exception):
    """The head ends here, or goes on as no GGUF file does."""


def gguf(head: bytes) -> Header | None:
    """The general keys of a GGUF file, as far as ``head`` reaches; ``None`` if it is none."""
    if head[:4] != b"GGUF" or len(head) < 24:
        return None
    version, _tensors, keys = struct.unpack_from("<IQQ", head, 4)
    if not 1 <= version <= 99:  # a big-endian file has the version in the other bytes: a model all the same
        return Header() if head[4:7] == b"\0\0\0" and head[7] else None
    found: dict[str, str] = {}
    position = 24
    try:
        for _ in range(min(keys, _MOST_KEYS)):
            key, position = _text(head, position)
            (kind,) = _unpack("<I", head, position)
            position += 4
            field = _WANTED.get(key)
            if kind == _STRING and field:
                found[field], position = _text(head, position)
            else:
                position = _skip(head, position, kind, 0)
            if len(found) == len(_WANTED):
                break
    except _EndError:
        pass
    return Header(**found)


def _unpack(form: str, data: bytes, position: int) -> tuple[int, ...]:
    if position + struct.calcsize(form) > len(data):
        raise _EndError
    return struct.unpack_from(form, data, position)


def _text(data: bytes, position: int) -> tuple[str, int]:
    (length,) = _unpack("<Q", data, position)
    end = position + 8 + length
    if length > _LONGEST_TEXT or end > len(data):
        raise _EndError
    return data[position + 8 : end].decode("utf-8", "replace"), end


def _skip(data: bytes, position: int, kind: int, nested: int) -> int:
    if kind in _WIDTHS:
        return position + _WIDTHS[kind]
    if kind == _STRING:
        (length,) = _unpack("<Q", data, position)
        return _within(data, position + 8 + length)
    if kind != _ARRAY or nested > _MOST_NESTED:
        raise _EndError
    of, count = _unpack("<IQ", data, position)
    position += 12
    if of in _WIDTHS:
        return _within(data, position + _WIDTHS[of] * count)
    for _ in range(count):  # ends at the latest with the head: every element moves on by eight bytes
        position = _skip(data, position, of, nested + 1)
    return position


def _within(data: bytes, position: int) -> int:
    if position > len(data):
        raise _EndError
    return position


def safetensors(head: bytes) -> Header | None:
    """What the metadata of a safetensors file says, if its header fits in ``head``; ``None`` if it is none."""
    if len(head) < 10 or head[8:9] != b"{":
        return None
    (length,) = struct.unpack_from("<Q", head)
    if not 2 <= length <= _LARGEST_HEADER:
        return None
    if 8 + length > len(head):
        return Header()
    try:
        content = msgspec.json.decode(head[8 : 8 + length])
    except (msgspec.DecodeError, RecursionError):
        return None
    metadata = content.get("__metadata__") if isinstance(content, dict) else None
    if not isinstance(metadata, dict):
        return Header()
    return Header(
        architecture=_value(metadata, "modelspec.architecture"), publisher=_value(metadata, "modelspec.author")
    )


def _value(metadata: dict[str, object], key: str) -> str:
    value = metadata.get(key)
    return value[:200] if isinstance(value, str) else ""


_ONNX_FIELDS: Final = frozenset({0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72, 0xA2, 0xCA})
"""Tags of ModelProto that may follow its version: producer, its version, domain, model version, doc, graph, …"""


def onnx(head: bytes) -> Header | None:
    """Whether ``head`` starts an ONNX model: its version, then another field. The file names neither kind nor maker."""
    if len(head) < 3 or head[0] != 0x08 or not 1 <= head[1] <= 64:
        return None
    return Header() if head[2] in _ONNX_FIELDS else None
