"""The declared tables of the formats, for the documentation: it cannot drift from what is rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, get_args

from aimscope_collector.formats import Carrier, Format, Proof, formats
from aimscope_collector.formats._facts import FIELDS

_CARRIERS: Final[tuple[Carrier, ...]] = get_args(Carrier)
_TESTED: Final[Mapping[Proof, str]] = {
    "server": "a real receiver",
    "parser": "a parser others wrote",
    "contract": "the documented contract",
}


def tables() -> str:
    """Markdown: formats by carriers, the field contract, and what each format makes of it."""
    return "\n".join([*_pairs(), *_contract(), *(line for one in formats().values() for line in _format(one))])


def _pairs() -> Iterator[str]:
    yield "## Formats and carriers\n"
    yield f"| format | `--format` | {' | '.join(_CARRIERS)} | tested against |"
    yield "|---|---|" + "---|" * (len(_CARRIERS) + 1)
    for one in formats().values():
        marks = " | ".join("yes" if carrier in one.carriers else "" for carrier in _CARRIERS)
        yield f"| [{one.title}]({one.reference}) | `{one.name}` | {marks} | {_TESTED[one.tested]} |"
    yield ""


def _contract() -> Iterator[str]:
    yield "## The field contract\n"
    yield "| field | type | meaning |\n|---|---|---|"
    for name, (kind, meaning) in FIELDS.items():
        yield f"| `{name}` | {kind} | {meaning} |"
    yield ""


def _format(one: Format) -> Iterator[str]:
    yield f"## `{one.name}`: {one.title}\n"
    yield f"{one.notes}\n"
    if one.options:
        said = (f"`{name}` ({f'`{value}`' if value else 'none'})" for name, value in one.options.items())
        yield f"Options, with their defaults: {', '.join(said)}.\n"
    sizes = f"A record has at most {one.record_bytes:,} bytes, a request {one.largest_body:,}."
    yield f"{sizes} Content type: `{one.content_type}`.\n"
    yield "| field | from |\n|---|---|"
    for field, source in one.mapping:
        named = ", ".join(f"`{part}`" for part in field.split(", "))
        yield f"| {named} | {source} |"
    yield ""
