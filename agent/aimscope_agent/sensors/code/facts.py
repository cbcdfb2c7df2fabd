"""From the text of one file to what it says about AI: no file is read here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from aimscope_agent.host.reading import UnreadableError
from aimscope_agent.sensors.code import commands, images, manifests, notebooks
from aimscope_agent.sensors.code.files import Plan, has_commands
from aimscope_agent.sensors.code.imports import IMPORTERS, Modules, python
from aimscope_agent.sensors.code.known import Known
from aimscope_agent.sensors.code.locks import LOCKS
from aimscope_agent.sensors.code.mentions import Hosts, Models, Words, mentions
from aimscope_agent.sensors.code.text import Lines, Named, is_generated
from aimscope_signatures.interests import Interests
from aimscope_signatures.normalise import package

Note = Callable[[str], None]


class Fact(msgspec.Struct, frozen=True):
    """One thing a file says, at an offset: the fields of an observation of ``kind``, without its place."""

    kind: str
    fields: tuple[tuple[str, str], ...]
    offset: int


class Reader:
    """Reads files of one project on behalf of a catalogue."""

    def __init__(self, interests: Interests, modules: Modules) -> None:
        self._known = Known(interests.packages)
        self._words = Words(Hosts(interests.hosts, interests.urls), Models(interests.model_ids))
        self._modules = modules

    def read(self, path: str, plan: Plan, text: str, note: Note) -> Iterator[tuple[Fact, int]]:
        """Facts with their lines, each once, where it is first said. ``note`` is told why a part was not read."""
        lines = Lines(text)
        seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
        for fact in sorted(self._facts(path, plan, text, note), key=lambda fact: fact.offset):
            if (key := (fact.kind, fact.fields)) not in seen:
                seen.add(key)
                yield fact, lines.at(fact.offset)

    def _facts(self, path: str, plan: Plan, text: str, note: Note) -> Iterator[Fact]:
        name = path.rpartition("/")[2].lower()
        if plan.role == "lock":
            entries = LOCKS[name](text)
            yield from _packages("lock", ((self._known.package(entry), at) for entry, at in entries))
            return
        if plan.role == "notebook":
            yield from self._notebook(text, note)
            return
        if manifest := manifests.reader(path):
            try:
                yield from _packages("manifest", [(package(entry), at) for entry, at in manifest(text)])
            except UnreadableError as error:
                note(str(error))
        if plan.role == "manifest" or is_generated(text):
            return
        if importer := IMPORTERS.get(name[name.rfind(".") :]):
            found = importer(text, self._known)
            yield from _packages("import", (hit for hit in found if not self._modules.hide(hit[0], path)))
        yield from self._mentions(text, settings=plan.role == "settings")
        if has_commands(path):
            yield from _packages("manifest", commands.known(text, self._known))
        if reader := images.reader(path, text):
            for image, at in reader(text):
                yield Fact("code.image", (("image", image),), at)

    def _mentions(self, text: str, *, settings: bool = False) -> Iterator[Fact]:
        for found in mentions(text, self._words, settings=settings):
            if found.model:
                yield Fact("code.model", (("model", found.model),), found.offset)
            else:
                fields = (("host", found.host), ("url_path", found.url_path))
                yield Fact("code.endpoint", fields, found.offset)

    def _notebook(self, text: str, note: Note) -> Iterator[Fact]:
        places = notebooks.Places(text)
        try:
            for cell in notebooks.cells(text):
                facts = [
                    *((fact, cell.code) for fact in _packages("import", python(cell.code, self._known))),
                    *((fact, cell.code) for fact in self._mentions(cell.code)),
                    *(
                        (fact, cell.commands)
                        for fact in _packages("manifest", commands.known(cell.commands, self._known))
                    ),
                ]
                for fact, code in sorted(facts, key=lambda one: one[0].offset):
                    line = code[code.rfind("\n", 0, fact.offset) + 1 :].partition("\n")[0]
                    yield msgspec.structs.replace(fact, offset=places.of(line))
        except UnreadableError as error:
            note(str(error))


def _packages(how: str, found: Iterable[Named]) -> Iterator[Fact]:
    for name, at in found:
        if name:
            yield Fact("code.package", (("package", name), ("how", how)), at)
