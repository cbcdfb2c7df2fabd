"""Host names: the index that is asked most, one name at a time or a column at once."""

from __future__ import annotations

from collections.abc import Iterable

from aimscope_signatures.conditions import host_pattern
from aimscope_signatures.patterns import Hit, most_specific

_REMEMBERED = 1_000_000


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
        self._verdicts = _Verdicts(self)

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
        self._verdicts.clear()

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

    def services(self, names: Iterable[str]) -> list[str | None]:
        """The service of each name, in order: the bulk form for columns of logs. Remembers what it has seen."""
        verdicts = self._verdicts
        if len(verdicts) > _REMEMBERED:
            verdicts.clear()
        return list(map(verdicts.__getitem__, names))


class _Verdicts(dict[str, str | None]):
    """Name, as it was written → service: names repeat, so most answers are one dictionary look-up."""

    def __init__(self, index: HostIndex) -> None:
        super().__init__()
        self._index = index

    def __missing__(self, name: str) -> str | None:
        index = self._index
        plain = name.lower()
        if plain[-1:] == ".":
            plain = plain[:-1]
        # the search of `find` begins here, so that a foreign name costs no further call
        last = plain.rfind(".")
        service = None
        if plain[plain.rfind(".", 0, last) + 1 :] in index._tails:
            hits = index.find(plain)
            service = hits[0].service if hits else None
        if len(self) < _REMEMBERED:
            self[name] = service
        return service
