"""The packages that the catalogue knows, found by what imports and lock files call them."""

from __future__ import annotations

from collections.abc import Iterable

from aimscope_signatures.normalise import package


class Known:
    """Answers with the canonical package, or the empty string."""

    def __init__(self, packages: Iterable[str]) -> None:
        self._packages = frozenset(packages)
        self._crates = {
            name.removeprefix("cargo:").replace("-", "_"): name for name in self._packages if name.startswith("cargo:")
        }

    def package(self, name: str) -> str:
        """A package as a manifest or lock file names it."""
        form = package(name)
        if form in self._packages:
            return form
        return self.go(form.removeprefix("go:")) if form.startswith("go:") else ""

    def module(self, name: str) -> str:
        """A Python module: the longest part of ``a.b.c`` that is known."""
        return self._longest("pymod", name.lower(), ".")

    def npm(self, specifier: str) -> str:
        """What stands between the quotes of an import."""
        if specifier.startswith((".", "/", "node:")):
            return ""
        parts = specifier.removeprefix("npm:").lstrip("/").split("/")
        name = "/".join(parts[: 2 if parts[0].startswith("@") else 1])
        return self.package(f"npm:{name}")

    def go(self, path: str) -> str:
        """A Go package: the module that holds it."""
        return self._longest("go", path.lower(), "/")

    def crate(self, name: str) -> str:
        """A crate under the name that code uses for it."""
        return self._crates.get(name.lower(), "")

    def _longest(self, ecosystem: str, name: str, separator: str) -> str:
        while name:
            if (found := f"{ecosystem}:{name}") in self._packages:
                return found
            name = name.rpartition(separator)[0]
        return ""
