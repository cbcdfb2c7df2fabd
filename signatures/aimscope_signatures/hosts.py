"""Host names: the index that is asked most, one name at a time or a column at once."""

from __future__ import annotations

from collections.abc import Sequence

from aimscope_signatures.conditions import host_pattern
from aimscope_signatures.patterns import Hit, most_specific

_REMEMBERED = 65_536
_CHUNK = 4_096


class HostIndex:
    """Exact hosts, hosts with ``*`` in a label, and domains with everything below them.

    The most specific wins: an exact host beats a pattern, a pattern beats a domain, a deeper domain a higher one.
    """

    def __init__(self) -> None:
        self._exact: dict[str, tuple[Hit, ...]] = {}
        self._below: dict[str, tuple[Hit, ...]] = {}
        self._patterns: dict[str, list[Hit]] = {}
        self._tails: set[str] = set()
        """Last two labels of everything known: most names of the world end the search here."""
        self._asked: set[str] = set()
        self._known: dict[str, str] = {}

    def add(self, hit: Hit, *, suffix: bool) -> None:
        """Index a host, a host pattern or (``suffix``) a domain."""
        labels = hit.value.split(".")
        if "*" in hit.value:
            fixed = len(labels) - next(n for n, label in enumerate(reversed(labels)) if "*" in label)
            tail = ".".join(labels[fixed:])
            self._patterns.setdefault(tail, []).append(hit)
        elif suffix:
            self._below[hit.value] = (*self._below.get(hit.value, ()), hit)
        else:
            self._exact[hit.value] = (*self._exact.get(hit.value, ()), hit)
        self._tails.add(".".join(labels[-2:]))
        self._asked.clear()
        self._known.clear()

    def find(self, name: str) -> tuple[Hit, ...]:
        """What a canonical host name is."""
        last = name.rfind(".")
        if name[name.rfind(".", 0, last) + 1 :] not in self._tails:
            return ()
        found = self._exact.get(name)
        if found:
            return found
        rest = name
        best: tuple[Hit, ...] = ()
        while True:
            patterns = self._patterns.get(rest)
            if patterns:
                fitting = tuple(hit for hit in patterns if host_pattern(hit.value).match(name))
                if fitting:
                    return most_specific(fitting)
            if not best:
                best = self._below.get(rest, ())
            cut = rest.find(".")
            if cut < 0:
                return best
            rest = rest[cut + 1 :]

    def services(self, names: Sequence[str]) -> list[str | None]:
        """The service of each name, in order: the bulk form for columns of logs.

        Names are plain host names, in any case, with or without a trailing dot. Foreign names cost one look at
        their last two labels; a name that was asked before costs one dictionary look-up.
        """
        found: list[str | None] = []
        for start in range(0, len(names), _CHUNK):  # small enough to stay in the processor's cache
            chunk = names[start : start + _CHUNK]
            if len(self._asked) > _REMEMBERED:
                self._asked.clear()
                self._known.clear()
            fresh = set(chunk)
            fresh -= self._asked
            if fresh:
                self._ask(fresh)
            found += map(self._known.get, chunk)
        return found

    def _ask(self, fresh: set[str]) -> None:
        self._asked |= fresh
        names = list(fresh)
        text = "\n".join(names).lower() + "\n"
        if ".\n" in text:
            text = text.replace(".\n", "\n")
        plain = text.split("\n")[:-1]
        if len(plain) != len(names):  # a line break within a name: no host name, but it must not shift the others
            plain = [name.lower().removesuffix(".") for name in names]
        tails = self._tails
        for name, form in zip(names, plain, strict=True):
            if form[form.rfind(".", 0, form.rfind(".")) + 1 :] in tails:
                hits = self.find(form)
                if hits:
                    self._known[name] = hits[0].service
