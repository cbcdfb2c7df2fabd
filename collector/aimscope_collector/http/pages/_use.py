"""One entry of the inventory as the fields of a form, and back. The fields follow from the inventory's own schema."""

from __future__ import annotations

import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import inspect

from aimscope_collector.http.frame.forms import Sent
from aimscope_collector.http.frame.texts import text, word
from aimscope_collector.http.problems import Failed
from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.inventory.write import describe_fields

Shape = Literal["line", "lines", "area", "day", "choice"]
GROUPS: Final = {
    "what": ("name", "status", "purpose", "owner", "approver", "vendor", "kind", "services"),
    "whom": ("units", "hosts", "environments", "allowed_device_groups", "departments", "intended_users"),
    "how": ("conditions", "allowed_accounts", "allowed_domains", "allowed_processes", "data_categories", "controls"),
    "when": ("start", "expiry", "next_review"),
}
"""Parts of the form, in order; whatever is in none comes in a last one. ``scope`` is two fields of its own."""
MORE: Final = "more"
_LONG: Final = ("purpose", "notes")
_ROOMS: Final = {"status": "use"}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field: ``value`` is what it holds as text, a line for each of several."""

    name: str
    label: str
    hint: str
    shape: Shape
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False


def groups(entered: dict[str, str]) -> dict[str, list[Field]]:
    """The form's fields by part, filled with what was entered."""
    found: dict[str, list[Field]] = {name: [] for name in (*GROUPS, MORE)}
    hints = dict(describe_fields(AuthorisedUse))
    parts = {name: part for part, names in GROUPS.items() for name in names}
    info = inspect.type_info(AuthorisedUse)
    for each in info.fields if isinstance(info, inspect.StructType) else ():
        name = each.encode_name
        if name == "scope":
            continue
        shape, values = _shape(name, each.type)
        room = _ROOMS.get(name, name)
        found[parts.get(name, MORE)].append(
            Field(
                name=name,
                label=text(f"inventory.field.{name}"),
                hint=hints[name],
                shape=shape,
                value=entered.get(name, ""),
                choices=tuple((value, word(room, value)) for value in values),
                required=each.required,
            )
        )
    for part, names in GROUPS.items():
        found[part].sort(key=lambda field, names=names: names.index(field.name))  # type: ignore[misc]
    return found


def _shape(name: str, type_: inspect.Type) -> tuple[Shape, tuple[str, ...]]:
    while isinstance(type_, inspect.Metadata):
        type_ = type_.type
    if isinstance(type_, inspect.UnionType):
        type_ = next(one for one in type_.types if not isinstance(one, inspect.NoneType))
    if isinstance(type_, inspect.LiteralType):
        return "choice", tuple(map(str, type_.values))
    if isinstance(type_, inspect.DateType):
        return "day", ()
    if isinstance(type_, inspect.VarTupleType):
        return "lines", ()
    return ("area" if name in _LONG else "line"), ()


def entered_of(use: AuthorisedUse) -> dict[str, str]:
    """An entry as the texts of its form."""
    plain: dict[str, Any] = msgspec.to_builtins(use, builtin_types=(datetime.date,))
    scope = plain.pop("scope", {})
    said = {name: "\n".join(value) if isinstance(value, (list, tuple)) else str(value) for name, value in plain.items()}
    inside = scope.get("in_aims")
    return said | {
        "scope_in": "" if inside is None else "yes" if inside else "no",
        "scope_why": scope.get("justification", ""),
    }


def entered(sent: Sent) -> dict[str, str]:
    """What somebody entered, as it is."""
    names = [field.name for part in groups({}).values() for field in part]
    return {name: sent.text(name) for name in (*names, "scope_in", "scope_why") if sent.text(name)}


def use_of(sent: Sent) -> AuthorisedUse:
    """The entry that a form describes. Raises ``Failed``."""
    values: dict[str, Any] = {}
    for part in groups({}).values():
        for field in part:
            if sent.text(field.name):
                values[field.name] = sent.lines(field.name) if field.shape == "lines" else sent.text(field.name)
    scope = {"in_aims": {"yes": True, "no": False}.get(sent.text("scope_in")), "justification": sent.text("scope_why")}
    if scope != {"in_aims": None, "justification": ""}:  # one that says nothing would be another file with one meaning
        values["scope"] = scope
    try:
        return msgspec.convert(values, AuthorisedUse, strict=False)
    except msgspec.ValidationError as error:
        raise Failed(400, "malformed", f"The form is not filled in right: {error}.") from None
