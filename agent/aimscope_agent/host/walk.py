"""One walk over a host for the ``**/`` globs of all sensors, and direct expansion of all other globs.

The first part of a ``**/`` glob is looked for among all names; what follows it is expanded below each
hit. So ``**/*.gguf`` costs a look into a dictionary for each name, and ``**/site-packages/*.dist-info/``
lists each such folder once, also where the walk itself does not go.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from aimscope_agent.host import glob as globs
from aimscope_agent.host import places, projects
from aimscope_agent.host.facts import Found
from aimscope_agent.host.gaps import Gaps
from aimscope_agent.host.glob import Glob
from aimscope_agent.host.tree import Tree, within
from aimscope_signatures.model import Gap, Status

Note = Callable[[Gap], None]
Kind = Literal["file", "folder", "link"]
"""``link``: whatever has to be looked at again, sockets and devices among them."""

_PREFIX = 3
_IN_SHALLOW = -1
_LINK_TAGS = (0xA000_0003, 0xA000_000C)  # Windows: junction, symbolic link


class Names:
    """Finds the wanted patterns that a name fits, without trying each."""

    def __init__(self, fold: bool) -> None:
        self._fold = fold
        self.exact: dict[str, list[int]] = {}
        self.suffix: dict[str, list[tuple[re.Pattern[str], int]]] = {}
        self.prefix: dict[str, list[tuple[re.Pattern[str], int]]] = {}
        self.other: list[tuple[re.Pattern[str], int]] = []

    def add(self, part: str, number: int) -> None:
        """Want a part of a glob, under a number."""
        part = part.lower() if self._fold else part
        if globs.literal(part):
            self.exact.setdefault(part, []).append(number)
            return
        entry = (globs.name_pattern(part, self._fold), number)
        start, end = part.partition("*")[0], part.rpartition("*")[2]
        if "." in end:
            self.suffix.setdefault(end[end.rindex(".") :], []).append(entry)
        elif len(start) >= _PREFIX:
            self.prefix.setdefault(start[:_PREFIX], []).append(entry)
        else:
            self.other.append(entry)

    def fit(self, name: str) -> list[int]:
        """Numbers of the patterns that fit a name."""
        if self._fold:
            name = name.lower()
        found = self.exact.get(name)
        result = list(found) if found else []
        dot = name.rfind(".")
        if dot >= 0 and (by_suffix := self.suffix.get(name[dot:])):
            result += [number for pattern, number in by_suffix if pattern.match(name)]
        if by_prefix := self.prefix.get(name[:_PREFIX]):
            result += [number for pattern, number in by_prefix if pattern.match(name)]
        if self.other:
            result += [number for pattern, number in self.other if pattern.match(name)]
        return result

    def __bool__(self) -> bool:
        return bool(self.exact or self.suffix or self.prefix or self.other)


class Walked(msgspec.Struct, frozen=True):
    """What the walk found for each glob, and what it could not look at: anywhere, or for one glob."""

    found: dict[str, tuple[Found, ...]]
    gaps: tuple[Gap, ...]
    glob_gaps: dict[str, tuple[Gap, ...]]
    entries: int


class Walk:
    """Expands globs over a tree. ``mounts`` maps real mount points to the type of their file system."""

    def __init__(self, tree: Tree, mounts: Mapping[str, str] | None = None) -> None:
        self._tree = tree
        self._fold = tree.platform == "windows"
        self._mounts = mounts or {}
        self._gaps = Gaps()
        self._entries = 0

    # the one walk

    def places(self) -> list[tuple[str, int]]:
        """Host folders that are walked for ``**/`` globs, with the depth to which each is."""
        result = [(user.home.rstrip("/"), places.HOME_DEPTH) for user in self._tree.users]
        for place in places.WALKED[self._tree.platform]:
            folders = self.expand(place + "/", (), _ignore)
            result += [(found.host_path, places.PLACE_DEPTH) for found in folders]
        return result

    def everywhere(self, wanted: Iterable[str]) -> Walked:
        """Everything that the ``**/`` globs among ``wanted`` match."""
        rules: list[tuple[str, Glob]] = []
        files, folders = Names(self._fold), Names(self._fold)
        for text in dict.fromkeys(wanted):
            for glob in globs.parse(text):
                if glob.anchor == "walk":
                    names = files if len(glob.parts) == 1 and not glob.folder else folders
                    names.add(glob.parts[0], len(rules))
                    rules.append((text, glob))
        hits: dict[str, dict[str, Found]] = {text: {} for text, _ in rules}
        gaps: dict[str, Gaps] = {text: Gaps() for text, _ in rules}
        starts: dict[str, tuple[str, int]] = {}
        for host_path, depth in self.places() if rules else ():
            if (real := self._enter(host_path)) is not None:
                starts.setdefault(real, (host_path, depth))
        for start, (host_path, depth) in starts.items():
            for number, folder, name, kind in self._below(start, depth, files, folders, starts.keys()):
                text, glob = rules[number]
                where = host_path + folder[len(start) :].replace(os.sep, "/") + "/" + name
                for found in self._rest(where, glob, kind, gaps[text].note):
                    hits[text].setdefault(found.host_path, found)
        return Walked(
            {text: tuple(sorted(found.values(), key=_by_path)) for text, found in hits.items()},
            self._gaps.told(),
            {text: noted.told() for text, noted in gaps.items()},
            self._entries,
        )

    def _enter(self, host_path: str) -> str | None:
        """The real folder to walk from, if it may be walked."""
        try:
            real = self._tree.resolve(host_path)
            if not stat.S_ISDIR(os.lstat(real).st_mode):
                return None
        except OSError as error:
            self._note(host_path, error)
            return None
        mount = max((point for point in self._mounts if within(real, point.rstrip(os.sep))), key=len, default="")
        if self._mounts.get(mount) in places.NETWORK_FILE_SYSTEMS:
            self._not_entered(real, self._mounts[mount])
            return None
        return real

    def _below(
        self, start: str, most: int, files: Names, folders: Names, others: Container[str]
    ) -> Iterator[tuple[int, str, str, Kind]]:
        """Number of the pattern, real folder, name and kind: for each hit below ``start``."""
        tree, shallow = self._tree, places.SHALLOW
        denied = {tree.real(path) for path in tree.denied}
        fit_file, fit_folder = files.fit, folders.fit
        stack = [(start, 1)]
        while stack:
            folder, depth = stack.pop()
            if folder in denied:
                self._note(tree.host(folder), PermissionError())
                continue
            base = folder.rstrip(os.sep) + os.sep
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        self._entries += 1
                        name = entry.name
                        if not entry.is_dir(follow_symlinks=False):
                            for number in fit_file(name):
                                yield number, folder, name, "file" if entry.is_file(follow_symlinks=False) else "link"
                            if folders and entry.is_symlink():
                                for number in fit_folder(name):
                                    yield number, folder, name, "link"
                            continue
                        for number in fit_folder(name):
                            yield number, folder, name, "folder"
                        path = base + name
                        if self._closed(entry, folder, path) or path in others:
                            continue
                        if depth == _IN_SHALLOW:
                            if name.startswith("@"):
                                stack.append((path, _IN_SHALLOW))
                        elif name in shallow:
                            stack.append((path, _IN_SHALLOW))
                        elif depth < most:
                            stack.append((path, depth + 1))
                        else:
                            self._gaps.note(self._too_deep(tree.host(path), most))
            except OSError as error:
                self._note(tree.host(folder), error)
            if self._entries > places.MOST_ENTRIES:
                reason = f"walk ended after {places.MOST_ENTRIES:,} names"
                self._gaps.note(Gap(tree.report(tree.host(start))[0], Status.PARTIAL, reason))
                return

    def _closed(self, entry: os.DirEntry[str], folder: str, path: str) -> bool:
        """Whether a folder is none the walk enters: pruned, a junction, or another file system."""
        if _pruned(entry.name, folder.rpartition(os.sep)[2]):
            return True
        if path in self._mounts and (kind := self._mounts[path]) not in places.LOCAL_FILE_SYSTEMS:
            if kind in places.NETWORK_FILE_SYSTEMS:
                self._not_entered(path, kind)
            return True
        return self._fold and _is_link(entry)

    def _rest(self, where: str, glob: Glob, kind: Kind, note: Note) -> Iterator[Found]:
        """What the remaining parts of a glob find below the hit of its first part."""
        if len(glob.parts) > 1:
            yield from self._parts(where, glob.parts[1:], glob.folder, note)
        elif kind == "link":
            yield from self._is(where, glob.folder, note)
        elif (kind == "folder") == glob.folder:
            yield self._tree.found(where, glob.folder)

    # other globs

    def expand(self, text: str, projects: Iterable[str], note: Note) -> tuple[Found, ...]:
        """Everything that a glob matches that is not a ``**/`` glob, sorted by path."""
        result: dict[str, Found] = {}
        for glob in globs.parse(text):
            match glob.anchor:
                case "home":
                    starts = [user.home.rstrip("/") for user in self._tree.users]
                case "project":
                    starts = [self._tree.absolute(project).rstrip("/") for project in projects]
                case _:
                    starts = ["C:" if self._fold else ""]
            through_project = glob.anchor == "project" and glob.parts[:1] == (globs.ANYWHERE,)
            for start in starts:
                if through_project:
                    matches = self._project(start, glob.parts[1:], glob.folder, note)
                else:
                    matches = self._parts(start, glob.parts, glob.folder, note)
                for found in matches:
                    result.setdefault(found.host_path, found)
        return tuple(sorted(result.values(), key=_by_path))

    def _parts(self, start: str, parts: tuple[str, ...], folder: bool, note: Note) -> Iterator[Found]:
        stack = [(start, parts)]
        while stack:
            here, left = stack.pop()
            plain = 0
            while plain < len(left) and globs.literal(left[plain]):
                plain += 1
            here = "/".join((here, *left[:plain]))
            left = left[plain:]
            if not left:
                yield from self._is(here, folder, note)
            elif left[0] == globs.ANYWHERE:
                yield from self._any_depth(here, left[1:], folder, note)
            else:
                pattern = globs.name_pattern(left[0], self._fold)
                for name, is_folder in self._list(here, note):
                    if not pattern.match(name):
                        continue
                    if len(left) > 1:
                        if is_folder:
                            stack.append((f"{here}/{name}", left[1:]))
                    elif is_folder == folder:
                        yield self._tree.found(f"{here}/{name}", folder)

    def _any_depth(self, start: str, left: tuple[str, ...], folder: bool, note: Note) -> Iterator[Found]:
        """``**`` within a glob: this folder and those below, links not followed, bounded like the walk."""
        stack, seen = [(start, 1)], 0
        while stack:
            here, depth = stack.pop()
            if left:
                yield from self._parts(here, left, folder, note)
            for name, is_folder in self._list(here, note, follow=False):
                seen += 1
                if not left and is_folder == folder:
                    yield self._tree.found(f"{here}/{name}", folder)
                if is_folder and not _pruned(name, here.rpartition("/")[2]):
                    if depth < places.HOME_DEPTH:
                        stack.append((f"{here}/{name}", depth + 1))
                    else:
                        note(self._too_deep(f"{here}/{name}", places.HOME_DEPTH))
            if seen > places.MOST_ENTRIES // 10:
                reason = f"looked at {places.MOST_ENTRIES // 10:,} names only"
                note(Gap(self._tree.report(start)[0], Status.PARTIAL, reason))
                return

    def _project(self, start: str, left: tuple[str, ...], folder: bool, note: Note) -> Iterator[Found]:
        """``./**``: a project and what people wrote below it, links not followed."""
        stack, seen = [(start, 1)], 0
        while stack:
            here, depth = stack.pop()
            names = dict(self._list(here, note, follow=False, told=not left and not folder))
            if depth > 1 and projects.is_environment(names):
                continue
            if left:
                yield from self._parts(here, left, folder, note)
            for name, is_folder in names.items():
                if not left and is_folder == folder:
                    yield self._tree.found(f"{here}/{name}", folder)
                if is_folder and name not in projects.CLOSED:
                    if depth < projects.DEPTH:
                        stack.append((f"{here}/{name}", depth + 1))
                    else:
                        note(self._too_deep(f"{here}/{name}", projects.DEPTH))
            seen += len(names)
            if seen > projects.MOST_ENTRIES:
                reason = f"looked at {projects.MOST_ENTRIES:,} names only"
                note(Gap(self._tree.report(start)[0], Status.PARTIAL, reason))
                return

    def _list(self, host_path: str, note: Note, *, follow: bool = True, told: bool = False) -> list[tuple[str, bool]]:
        """Names in a folder and whether each is a folder, links followed or left out.

        Whether sockets, pipes and devices are ``told``: as gaps.
        """
        result: list[tuple[str, bool]] = []
        try:
            with os.scandir(self._tree.folder(_folder(host_path))) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        result.append((entry.name, True))
                    elif entry.is_file(follow_symlinks=False):
                        result.append((entry.name, False))
                    elif follow and entry.is_symlink():
                        try:
                            kind = self._tree.kind(f"{host_path}/{entry.name}")
                        except OSError:
                            continue
                        if kind != "other":
                            result.append((entry.name, kind == "folder"))
                    elif told and not entry.is_symlink():
                        note(self._no_file(f"{host_path}/{entry.name}"))
        except OSError as error:
            if gap := self._tree.gap(host_path, error):
                note(gap)
        return result

    def _is(self, host_path: str, folder: bool, note: Note) -> Iterator[Found]:
        """The path itself, if it is of the wanted kind."""
        try:
            kind = self._tree.kind(_folder(host_path))
        except OSError as error:
            if gap := self._tree.gap(host_path, error):
                note(gap)
            return
        if kind == ("folder" if folder else "file"):
            yield self._tree.found(host_path, folder)
        elif kind == "other" and not folder:
            note(self._no_file(host_path))

    # gaps

    def _note(self, host_path: str, error: OSError) -> None:
        if gap := self._tree.gap(host_path, error):
            self._gaps.note(gap)

    def _no_file(self, host_path: str) -> Gap:
        return Gap(self._tree.report(host_path)[0], Status.PARTIAL, "not a regular file")

    def _too_deep(self, host_path: str, depth: int) -> Gap:
        return Gap(self._tree.report(host_path)[0], Status.PARTIAL, f"deeper than {depth} folders")

    def _not_entered(self, real: str, kind: str) -> None:
        source = self._tree.report(self._tree.host(real))[0]
        self._gaps.note(Gap(source, Status.PARTIAL, f"another file system ({kind})"))


def _ignore(gap: Gap) -> None:
    """A place that cannot be listed is noted when it is walked."""
    del gap


def _by_path(found: Found) -> str:
    return found.host_path


def _folder(host_path: str) -> str:
    """A host path to list: the root and a drive are nothing without their slash."""
    return host_path if "/" in host_path else host_path + "/"


def _pruned(name: str, above: str) -> bool:
    """Whether the walk stays out of a folder of this name below one of that name."""
    below = places.PRUNED.get(name)
    return below is not None and (not below or above in below)


def _is_link(entry: os.DirEntry[str]) -> bool:
    """Junctions count as folders for Python; listing a folder on Windows tells them apart at no cost."""
    tag: int = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0)
    return tag in _LINK_TAGS
