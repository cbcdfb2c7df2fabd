r"""What a line must contain to be of interest: derived from the catalogue and from the map of the format.

A needle is a regular expression over raw bytes, in any case, that is there whenever the line could give a detection:
a domain of the catalogue, the literal part of a user agent or path, a value that a record's ``when`` demands. Raw text
does not always show a name as it is: letters written ``\u0061`` in JSON or ``%61`` in URLs, labels of Windows DNS.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, ip_network
from typing import Final

import msgspec

from aimscope_agent.formats._format import Format
from aimscope_agent.formats._map import Record
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.kinds import KINDS
from aimscope_signatures.sections import SECTIONS
from aimscope_signatures.signature import Clause
from aimscope_signatures.unknown import COMMON_PATHS, INFERENCE_AGENTS, INFERENCE_PATHS

SHORTEST: Final = 3
"""Characters; a shorter literal is in every line."""
_PATH_ENOUGH: Final = 7
"""A path of this length tells more than the host it belongs to, which may be as common as github.com."""
_ESCAPED: Final = r"\\u00(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a])"
_PERCENT: Final = r"%(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a])"
_PLAIN: Final = re.compile(r"[a-z0-9._-]+\Z")
_WILD: Final = re.compile(r"\{[^}]*\}|[*?]+")
_TRANSFORM: Final = r"lower|url_host|url_path|host|leaf|ip|number|plus|unquote|labels|names|(?:only|part)\([^()]*\)"
_SIMPLE: Final = re.compile(rf"[^|+=]+(?:\|(?:{_TRANSFORM}))*\Z")


class Needle(msgspec.Struct, frozen=True, order=True):
    """``pattern`` is a regular expression; ``length`` that of a plain host name, whose edges are checked; else 0.

    A name that goes on (``bedrock-runtime.``) is ``open``: only its left edge is checked.
    """

    pattern: str
    length: int = 0
    open: bool = False


def needles(form: Format, catalogue: Catalogue) -> tuple[Needle, ...] | None:
    """The needles of a format; ``None`` where no text tells which lines are of interest: all must be read."""
    found: set[Needle] = set()
    for record in form.map.records:
        needed = _demanded(record) if record.kind == "cloud.call" else _of_record(record, catalogue)
        if needed is None:
            needed = _demanded(record)
        if needed is None:
            return None
        found |= needed
    if form.map.engine == "json_lines":
        found.add(Needle(_ESCAPED))
    names = form.map.recognise.fields
    if form.map.engine == "delimited" and names:  # the header line, wherever it stands
        found.add(Needle(re.escape(max(names, key=len).lower())))
    return tuple(sorted(found))


def _demanded(record: Record) -> set[Needle] | None:
    """Text that a ``when`` demands."""
    for field, globs in record.when.items():
        texts = [_longest(glob.lower()) for glob in globs]
        if "|" in field or any(glob[:1] == "!" or "[" in glob for glob in globs):
            continue
        if texts and all(len(text) > SHORTEST for text in texts):
            return {Needle(_loosely(text)) for text in texts}
    return None


def _of_record(record: Record, catalogue: Catalogue) -> set[Needle] | None:
    kind = KINDS[record.kind]
    given = {name for name in record.fields if not kind.fields[name].context} | {"blocked"}
    found: set[Needle] = set()
    for name in given & record.fields.keys():
        stated = record.fields[name]
        expressions = (stated,) if isinstance(stated, str) else stated
        if not all(_SIMPLE.match(each) and "++" not in each for each in expressions):
            return None
        if any("unquote" in each for each in expressions):
            found.add(Needle(_PERCENT))
        if any("labels" in each for each in expressions):
            found |= {Needle(_in_labels(host)) for host in _hosts(catalogue)}
    clauses = _clauses(catalogue)
    for section in SECTIONS.values():
        if any(target == record.kind and field in given for target, field in section.targets):
            some = clauses.of_section(section.name)
            if some is None:
                return None
            found |= some
    for clause in clauses.of_kind.get(record.kind, ()):
        some = _of_clause(clause, record.kind, given)
        if some is None:
            return None
        found |= some
    if record.kind == "http.request":
        if "path" in given:
            found |= {Needle(_loosely(path)) for path in (*INFERENCE_PATHS, *COMMON_PATHS)}
        if "user_agent" in given:
            found |= {Needle(_loosely(agent)) for agent in INFERENCE_AGENTS}
    return found


class _Clauses:
    """The clauses of a catalogue by what they look at: each record of a map asks for the same ones."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.of_kind: dict[str, list[Clause]] = {}
        self._sections: dict[str, list[Clause]] = {}
        self._needles: dict[str, set[Needle] | None] = {}
        for entry in catalogue:
            for clause in entry.clauses:
                if clause.section:
                    self._sections.setdefault(clause.section, []).append(clause)
                else:
                    self.of_kind.setdefault(clause.kind, []).append(clause)

    def of_section(self, section: str) -> set[Needle] | None:
        """Needles of all clauses of a section; ``None`` where one has none."""
        if section not in self._needles:
            self._needles[section] = self._made(section)
        return self._needles[section]

    def _made(self, section: str) -> set[Needle] | None:
        found: set[Needle] = set()
        for clause in self._sections.get(section, ()):
            test = clause.tests[0]
            some = _of_values(SECTIONS[section].type, test.operator, test.values)
            if some is None:
                return None
            found |= some
        return found


_clauses = functools.lru_cache(maxsize=2)(_Clauses)


def _of_clause(clause: Clause, kind: str, given: set[str]) -> set[Needle] | None:
    """The needles of the test that tells most; nothing where the format cannot give a field that is asked for."""
    fields = KINDS[kind].fields
    if any(test.field not in given and not fields[test.field].context for test in clause.tests):
        return set()
    best: tuple[int, set[Needle]] | None = None
    for test in clause.tests:
        if test.field not in given:
            continue
        some = _of_values(fields[test.field].type, test.operator, test.values)
        if some is None:
            continue
        shortest = min((len(needle.pattern) for needle in some), default=0)
        weight = shortest + (100 if test.field == "path" and shortest >= _PATH_ENOUGH else 0)
        if best is None or weight > best[0]:
            best = (weight, some)
    return best[1] if best else None


def _of_values(field_type: str, operator: str, values: Sequence[str]) -> set[Needle] | None:
    match field_type, operator:
        case "hostname", _:
            return {_of_host(value) for value in values}
        case "ip", "cidr":
            return {Needle(pattern) for value in values for pattern in _of_network(value)}
        case _, "equals" | "prefix" | "glob" | "basename" | "regex" | "host" | "domain":
            texts = [_longest(value) if operator != "regex" else "" for value in values]
            return {Needle(_loosely(text)) for text in texts} if all(len(t) >= SHORTEST for t in texts) else None
        case _:
            return None


def _hosts(catalogue: Catalogue) -> Iterator[str]:
    for entry in catalogue:
        for clause in entry.clauses:
            if clause.section and SECTIONS[clause.section].type == "hostname":
                yield from clause.tests[0].values
            for test in clause.tests:
                if clause.kind and KINDS[clause.kind].fields[test.field].type == "hostname":
                    yield from test.values


def _of_host(value: str) -> Needle:
    if _PLAIN.match(value):
        return Needle(re.escape(value), len(value))
    first, *rest = value.split("*")
    if len(first) > SHORTEST and "." in first:  # `bedrock-runtime.*`: what follows the star is everybody's
        return Needle(re.escape(first), len(first), open=True)
    longest = max(rest, key=len)
    if len(longest) > 24 or longest.count(".") < 2:
        return Needle(re.escape(longest))
    return Needle("[a-z0-9_-]{1,63}".join(re.escape(part) for part in (first, *rest)))


def _in_labels(value: str) -> str:
    labels = value.split(".")
    return "".join(
        rf"\({len(label)}\){re.escape(label)}" if "*" not in label else r"\([0-9]+\)[^(]+" for label in labels
    )


def _of_network(value: str) -> Iterator[str]:
    """What every way to write an address of a network begins with."""
    network = ip_network(value)
    if isinstance(network, IPv4Network):
        whole = 24 if network.prefixlen > 16 else 16
        blocks = network.subnets(new_prefix=whole) if network.prefixlen < whole else iter((network,))
        for number, block in enumerate(blocks):
            if number >= 256:
                break
            octets = str(block.network_address).split(".")[: whole // 8]
            yield re.escape(".".join(octets) + ".")
        high, low = network.network_address.packed[:2]
        yield f"ffff:0*{high * 256 + low:x}:"  # as IPv6 writes it
    else:
        groups = network.network_address.exploded.split(":")[: max(1, network.prefixlen // 16)]
        yield ":".join("0*" + (group.lstrip("0") or "0") for group in groups[:3])


def _longest(glob: str) -> str:
    """The longest literal part of a glob."""
    return max(_WILD.split(glob), key=len)


def _loosely(text: str) -> str:
    r"""A literal as formats may write it: `/` as `\\/`, signs as escapes, a space as `+`."""
    return "".join(map(_sign, text.lower()))


def _sign(char: str) -> str:
    if _PLAIN.match(char):
        return re.escape(char)
    if char == "/":
        return r"(?:\\?/|\\u002f|%2f)"
    if char == " ":
        return r"(?:[ +]|%20|\\u0020)"
    return rf"(?:\\?{re.escape(char)}|\\u00{ord(char):02x}|%{ord(char):02x})" if ord(char) < 128 else ".{1,12}"
