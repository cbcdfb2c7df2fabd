"""Accounts, their roles and API keys; and the way in: a first password changed, a key made with name and password."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromQuery, JSONBody, PathParameter

from aimscope_collector import accounts
from aimscope_collector.accounts import SCOPES
from aimscope_collector.http.access import KNOWN, NOTHING, address_of
from aimscope_collector.http.given import Given, Here, Who
from aimscope_collector.http.logging_in import code_given, logged_in
from aimscope_collector.http.problems import Failed, not_found
from aimscope_collector.store import accounts as known
from aimscope_collector.store import credentials
from aimscope_collector.store.accounts import Account
from aimscope_collector.store.credentials import ApiKey
from aimscope_collector.store.database import writing

Id = Annotated[int, PathParameter(ge=1, le=1 << 53)]
Word = Annotated[str, msgspec.Meta(max_length=64)]
Line = Annotated[str, msgspec.Meta(max_length=256)]
_DAY: Final = 86_400


class Accounts(msgspec.Struct, frozen=True):
    """Every account, by name."""

    items: list[Account]


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account; ``units`` limits what it sees and decides, none is no limit."""

    name: Line
    roles: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=16)]
    units: Annotated[tuple[Line, ...], msgspec.Meta(max_length=1_000)] = ()


class FirstPassword(msgspec.Struct, frozen=True):
    """Shown this once; its owner has to change it."""

    account: Account
    password: str


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other roles and limits."""

    roles: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=16)]
    units: Annotated[tuple[Line, ...], msgspec.Meta(max_length=1_000)] = ()


class ChangePassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The present password and the one that is to be; and a code, where the account has a second factor."""

    name: Line
    password: Line
    new: Line
    code: Word = ""


class Done(msgspec.Struct, frozen=True):
    """It was done."""

    done: bool = True


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key of one's own: no more than one may oneself, for at most a year."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    scopes: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=64)]
    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 90


class MadeKey(msgspec.Struct, frozen=True):
    """Shown this once."""

    key: ApiKey
    secret: str


class Keys(msgspec.Struct, frozen=True):
    """Keys, the oldest first."""

    items: list[ApiKey]


class Me(msgspec.Struct, frozen=True):
    """Who asks, and what they may."""

    name: str
    roles: tuple[str, ...]
    units: tuple[str, ...]
    permissions: dict[str, str]


@get("/me", opt={"needs": KNOWN}, sync_to_thread=False, tags=["accounts"])
def show_me(who: Who) -> Me:
    """Who asks, and what they may."""
    return Me(who.name, who.roles, who.units, {word: said for word, said in SCOPES.items() if who.may(word)})


@post("/password", opt={"needs": NOTHING}, sync_to_thread=True, tags=["accounts"], status_code=200)
def change_password(request: Request[Any, Any, Any], given: Here, data: JSONBody[ChangePassword]) -> Done:
    """Change one's own password, as is needed before anything else with a first one. Ends all sessions."""
    password_changed(given, data, address_of(request))
    return Done()


def password_changed(given: Given, data: ChangePassword, address: str) -> Account:
    """The same, for pages too: the account, whose password is another one now."""
    accounts.check_password(data.new, data.name)
    if data.new == data.password:
        raise accounts.NotAllowed("This is the password there is: choose another.")
    account = logged_in(given, data.name, data.password, address)
    if account.second_factor:
        account = code_given(given, account.id, data.code, address)
    hashed = accounts.hash_password(data.new)
    with writing(given.engine) as connection:
        known.set_password(connection, account=account.id, hashed=hashed, by=account.name, at=given.now())
    return account


@get("/accounts", opt={"needs": "accounts:read"}, sync_to_thread=True, tags=["accounts"])
def list_accounts(given: Here) -> Accounts:
    """Every account."""
    with given.engine.connect() as connection:
        return Accounts(known.all_accounts(connection))


@post("/accounts", opt={"needs": "accounts:write"}, sync_to_thread=True, tags=["accounts"])
def create_account(given: Here, who: Who, data: JSONBody[NewAccount]) -> FirstPassword:
    """Make an account with a password for one use."""
    password = accounts.first_password(given.randomness)
    hashed = accounts.hash_password(password)
    with writing(given.engine) as connection:
        made = known.create(
            connection,
            name=data.name,
            roles=data.roles,
            hashed=hashed,
            by=who.name,
            at=given.now(),
            units=data.units,
        )
    return FirstPassword(made, password)


@post("/accounts/{account:int}/roles", opt={"needs": "accounts:write"}, sync_to_thread=True, tags=["accounts"])
def change_roles(given: Here, who: Who, account: Id, data: JSONBody[Roles]) -> Account:
    """Give an account other roles and limits."""
    with writing(given.engine) as connection:
        return known.change_roles(
            connection, account=account, roles=data.roles, units=data.units, by=who.name, at=given.now()
        )


@post("/accounts/{account:int}/reset", opt={"needs": "accounts:write"}, sync_to_thread=True, tags=["accounts"])
def reset_password(given: Here, who: Who, account: Id) -> FirstPassword:
    """Another password for one use; ends all sessions."""
    password = accounts.first_password(given.randomness)
    hashed = accounts.hash_password(password)
    with writing(given.engine) as connection:
        known.set_password(connection, account=account, hashed=hashed, by=who.name, at=given.now(), first=True)
        found = known.get(connection, account)
    if found is None:
        raise not_found("account")
    return FirstPassword(found, password)


@post("/accounts/{account:int}/disable", opt={"needs": "accounts:write"}, sync_to_thread=True, tags=["accounts"])
def disable_account(given: Here, who: Who, account: Id) -> Done:
    """Nobody gets in with it any more, nor with its keys."""
    with writing(given.engine) as connection:
        known.disable(connection, account=account, by=who.name, at=given.now())
    return Done()


@post("/accounts/{account:int}/enable", opt={"needs": "accounts:write"}, sync_to_thread=True, tags=["accounts"])
def enable_account(given: Here, who: Who, account: Id) -> Done:
    """Undo that, and unlock."""
    with writing(given.engine) as connection:
        known.enable(connection, account=account, by=who.name, at=given.now())
    return Done()


@get("/keys", opt={"needs": "keys:write"}, sync_to_thread=True, tags=["accounts"])
def list_keys(given: Here, who: Who, everybody: FromQuery[bool] = False) -> Keys:
    """One's own API keys, or with ``everybody`` all, for those who see accounts."""
    if everybody and not who.may("accounts:read"):
        raise Failed(403, "forbidden", "This needs the permission accounts:read.")
    with given.engine.connect() as connection:
        return Keys(credentials.keys(connection, account=None if everybody else who.account))


@post("/keys", opt={"needs": "keys:write"}, sync_to_thread=True, tags=["accounts"])
def create_key(given: Here, who: Who, data: JSONBody[NewKey]) -> MadeKey:
    """Make a key of one's own. With a key, only keys of no more than its scopes can be made."""
    if who.scopes is not None and not who.scopes.issuperset(data.scopes):
        raise Failed(403, "forbidden", "A key makes no key that may do more than itself.")
    secret = accounts.new_key(given.randomness)
    now = given.now()
    with writing(given.engine) as connection:
        made = credentials.create_key(
            connection,
            account=who.account,
            name=data.name,
            scopes=data.scopes,
            secret=secret,
            at=now,
            expires_at=now + data.days * _DAY,
            by=who.name,
        )
    return MadeKey(made, secret)


@delete("/keys/{key:int}", opt={"needs": "keys:write"}, sync_to_thread=True, tags=["accounts"], status_code=200)
def revoke_key(given: Here, who: Who, key: Id) -> Done:
    """The key opens nothing any more: one's own, or anybody's for those who change accounts."""
    with writing(given.engine) as connection:
        mine = {one.id for one in credentials.keys(connection, account=who.account)}
        if key not in mine and not who.may("accounts:write"):
            raise not_found("key")
        credentials.revoke_key(connection, key=key, by=who.name, at=given.now())
    return Done()


ROUTES: Final = (
    show_me,
    change_password,
    list_accounts,
    create_account,
    change_roles,
    reset_password,
    disable_account,
    enable_account,
    list_keys,
    create_key,
    revoke_key,
)
