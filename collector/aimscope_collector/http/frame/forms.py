"""What a form sent, as the API's own structs: a field that does not fit is named."""

from __future__ import annotations

import datetime
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import FormMultiDict, UploadFile
from litestar.di import NamedDependency

from aimscope_collector.http.problems import Failed

_S = TypeVar("_S")
_LARGEST: Final = 4 << 20


class Sent:
    """The fields of a form. Empty fields count as not filled in."""

    def __init__(self, fields: FormMultiDict) -> None:
        self._fields = fields

    def text(self, name: str, default: str = "") -> str:
        """A text without spaces around it."""
        found = self._fields.get(name)
        said = found.strip() if isinstance(found, str) else ""
        return said or default

    def exact(self, name: str) -> str:
        """A text with every space of it, as a password is."""
        found = self._fields.get(name)
        return found if isinstance(found, str) else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that is there several times, as boxes that were ticked."""
        return tuple(one.strip() for one in self._fields.getall(name, []) if isinstance(one, str) and one.strip())

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of a text, without empty ones."""
        return tuple(line.strip() for line in self.text(name).splitlines() if line.strip())

    def ticked(self, name: str) -> bool:
        """Whether a box was ticked."""
        return bool(self.text(name))

    def day(self, name: str) -> datetime.date | None:
        """A day. Raises ``Failed``."""
        said = self.text(name)
        try:
            return datetime.date.fromisoformat(said) if said else None
        except ValueError:
            raise Failed(400, "malformed", f"{name}: {said[:40]} is no day; write it as 2026-12-31.") from None

    def number(self, name: str) -> int | None:
        """A whole number. Raises ``Failed``."""
        said = self.text(name)
        try:
            return int(said) if said else None
        except ValueError:
            raise Failed(400, "malformed", f"{name}: {said[:40]} is no whole number.") from None

    async def file(self, name: str) -> tuple[str, bytes] | None:
        """A file that was sent: what it is called there, and its bytes. Raises ``Failed`` for one too large."""
        found = self._fields.get(name)
        if not isinstance(found, UploadFile):
            return None
        content = await found.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise Failed(413, "too-large", f"The file is larger than {_LARGEST >> 20} MB.")
        return (found.filename or "")[:256], content

    def into(self, type_: type[_S], *names: str, **fixed: object) -> _S:
        """A struct of the API from the fields ``names``, and values that the page gives. Raises ``Failed``."""
        values: dict[str, Any] = {name: self.text(name) for name in names if self.text(name)}
        try:
            return msgspec.convert(values | fixed, type_, strict=False)
        except msgspec.ValidationError as error:
            raise Failed(400, "malformed", f"The form is not filled in right: {error}.") from None


async def sent_of(request: Request[Any, Any, Any]) -> Sent:
    """The form of a request; empty for one without."""
    return Sent(await request.form())


Form: TypeAlias = NamedDependency[Sent]
"""A handler's parameter ``form``."""
