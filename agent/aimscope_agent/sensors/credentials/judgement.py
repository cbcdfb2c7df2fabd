"""Whether a value is a credential, and of what: by the name it stands under and by its form.

Values come in; what goes out is the name of a variable, the name of a pattern and a keyed digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from aimscope_signatures.conditions import glob_pattern
from aimscope_signatures.interests import Interests, KeyPattern

_SECRET = re.compile(r"(?:\A|_)(?:[A-Z0-9]*KEY|TOKEN|SECRET|PASSWORD|PAT)(?:_|\Z)")
_NO_SECRET = re.compile(r"_(?:PATH|FILE|DIR|URL|TTL|MS)\Z")
_SECRETS = re.compile(r"\b[A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PAT)[A-Z0-9_]*\b")
_LONGEST_VALUE = 8_192
_REMEMBERED = 50_000
_BEFORE, _AFTER = 256, 2_304
"""How far around its literal a key may reach, in characters."""
_MOST_PLACES = 200
"""Of one literal in one text."""

# All of these are compared with the value in lower case, "-" for "_".
_FILLER: Final = re.compile(r"x{6}|\*{3}|your-|change-?me|placeholder|redacted|dummy-|-here\Z")
"""What stands in a value that has the form of a key and is none."""
_PLACEHOLDER: Final = re.compile(
    r"<[^>]*>|x{4}|(?:\A|-)x{3,}\Z|\*{3}|\.{3}|…|your-|-here\Z|change-?(?:me|this)|placeholder|redacted|dummy|"
    r"replace-?(?:me|with|this)|insert-|\A(?:add|enter|put|paste|fill-in)-|"
    r"(?:\A|-)(?:example|sample|fake|mock|todo|fixme|tbd)(?:-|\Z)"
)
_NO_KEY: Final = re.compile(
    r"none|null|nil|undefined|empty|n/?a|true|false|yes|no|on|off|\d{1,12}|test|foo|bar|key|token|secret|password|"
    r"(?:my-?)?api-?key|my-?key|not-?needed|(?:sk-)?no-?key(?:-required)?|unused|ignored?|anything|ollama|lm-studio|-+"
)
"""Values that servers without keys are given in place of one."""
_REFERENCE: Final = re.compile(
    r"[$`(!@]|.*(?:\$[({]|\{\{)|%\w+%\Z|(?!https?:|wss?:|tcp:|grpc:)[a-z][a-z0-9+.-]*://|"
    r"(?:env|file|keyring|secret|vault|arn:aws|os\.environ|process\.env)[:./]|enc\["
)


class Finding(msgspec.Struct, frozen=True):
    """What is told of a credential."""

    env_name: str = ""
    key_pattern: str = ""
    digest: str = ""


class Judge:
    """Knows the catalogue's names and patterns. ``digest`` is keyed, and the only use that is made of a value."""

    def __init__(self, interests: Interests, digest: Callable[[str], str]) -> None:
        self._names = interests.env
        self._globs = [glob_pattern(glob) for glob in interests.env_patterns]
        self._known: dict[str, bool] = {}
        self._keys = interests.keys
        self._digest = digest

    def names(self, name: str) -> bool:
        """Whether a signature names the variable."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            known = name in self._names or any(glob.match(name) for glob in self._globs)
            self._known[name] = known
        return known

    def names_in(self, text: str) -> bool:
        """Whether a text mentions a variable that a signature names and that holds a secret."""
        return any(self.names(name) and _is_secret(name) for name in set(_SECRETS.findall(text)))

    def assigned(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Finding]:
        """What the values are that are assigned to variables."""
        pairs = [(name, value[:_LONGEST_VALUE]) for name, value in pairs]
        keys = self._possible("\n".join(value for _, value in pairs))
        for name, value in pairs:
            if finding := self._judged(name, value, keys):
                yield finding

    def configured(self, pairs: Iterable[tuple[str, str]], text: str) -> Iterator[Finding]:
        """What is in the text of a configuration, ``pairs`` of it: known variables of secrets, and any key."""
        keys = self._possible(text)
        told: list[str] = []
        for name, value in pairs:
            if _is_secret(name) and self.names(name) and (finding := self._judged(name, value[:_LONGEST_VALUE], keys)):
                told.append(value)
                yield finding
        for key, pattern in _keys_in(text, keys):
            if not any(key in value for value in told):
                yield Finding("", pattern, self._digest(key))

    def _judged(self, name: str, value: str, keys: Iterable[KeyPattern]) -> Finding | None:
        known = self.names(name)
        if keys:
            bare = value.replace(":-", "  ")  # before the default of a reference: ${NAME:-value}
            key, pattern = max(_keys_in(bare, keys), key=_length, default=("", ""))
            if pattern:
                return Finding(name if known else "", pattern, self._digest(key))
        if known and not _is_stand_in(value, _is_secret(name)):
            return Finding(name, "", self._digest(value) if _is_secret(name) else "")
        return None

    def _possible(self, text: str) -> list[KeyPattern]:
        """Patterns that may fit somewhere in a text: most texts hold no key at all."""
        return [key for key in self._keys if key.literal in text]


def _keys_in(text: str, patterns: Iterable[KeyPattern]) -> Iterator[tuple[str, str]]:
    """Keys in a text with the pattern each fits; of those that overlap, the longest."""
    end = 0
    spans = [(span, pattern) for pattern in patterns for span in _spans(text, pattern)]
    for (start, stop), pattern in sorted(spans, key=_longest_first):
        if start >= end and not _FILLER.search(_plain(text[start:stop])):
            end = stop
            yield text[start:stop], pattern.name


def _spans(text: str, pattern: KeyPattern) -> Iterator[tuple[int, int]]:
    """Where a pattern fits: looked for around its literal only, since configurations may be long."""
    at = text.find(pattern.literal)
    for _ in range(_MOST_PLACES):
        if at < 0:
            return
        first = max(0, at - _BEFORE)
        for start, stop in pattern.find(text[first : at + 2 * _AFTER]):
            yield first + start, first + stop
        at = text.find(pattern.literal, at + _AFTER)


def _length(found: tuple[str, str]) -> int:
    return len(found[0])


def _longest_first(found: tuple[tuple[int, int], KeyPattern]) -> tuple[int, int, int]:
    (start, stop), pattern = found
    return start, -stop, -len(pattern.literal)


def _is_secret(name: str) -> bool:
    """Whether the name of a variable says that it holds a secret."""
    upper = name.upper()
    return _SECRET.search(upper) is not None and _NO_SECRET.search(upper) is None


def _plain(value: str) -> str:
    return value.lower().replace("_", "-")


def _is_stand_in(value: str, secret: bool) -> bool:
    """Whether a value only holds the place of one, or says where it is kept."""
    plain = _plain(value.strip()[:_LONGEST_VALUE])
    if not plain or _PLACEHOLDER.search(plain) or _REFERENCE.match(value.strip().lower()):
        return True
    return secret and _NO_KEY.fullmatch(plain) is not None
