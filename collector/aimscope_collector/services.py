"""What the collector needs to know of a service of the catalogue."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Final

import msgspec

ATTRIBUTES: Final = (
    *("trains_on_input", "retention", "data_residency", "account_types", "enterprise_sso", "mfa", "audit_log"),
    *("dpa", "iso_27001", "iso_42001", "soc_2", "gdpr", "hipaa", "ai_act_role", "hq_country", "licence"),
)
"""What a reviewer wants to know of any service, in the order in which they ask; the catalogue may know more."""


class Known(msgspec.Struct, frozen=True):
    """One attribute of a service that somebody looked up: what, where it says so, and when that was read."""

    name: str
    value: str
    source: str
    checked: datetime.date


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One service, as far as inventory, findings and risk are concerned.

    ``domains`` are matched by label: itself and everything below; a ``*`` stands for one label or part of it.
    ``kinds`` are the kinds of lasting evidence (installed, configured) by which a look at a machine would show the
    service: ``None`` means unknown, so only a look of every sensor proves its absence; empty means that a machine
    cannot prove it (a web site).
    """

    id: str
    name: str
    vendor: str = ""
    category: str = ""
    domains: tuple[str, ...] = ()
    own_domains: tuple[str, ...] = ()
    """Of ``domains``, those that are the service's own with all below: no single hosts of domains that others share."""
    part_of: str = ""
    """Id of the service it is a part of."""
    aliases: tuple[str, ...] = ()
    surface: tuple[str, ...] = ()
    trains_on_input: str = ""
    summary: str = ""
    homepage: str = ""
    known: tuple[Known, ...] = ()
    kinds: frozenset[str] | None = None


def words(text: str) -> tuple[str, ...]:
    """The words of a name, compared without case and punctuation."""
    return tuple(re.findall(r"[^\W_]+", text.casefold()))


_LEGAL_FORMS: Final = frozenset(
    words(
        "inc incorporated corp corporation co company ltd limited llc llp plc gmbh ag se sa sas sarl srl bv nv ab as "
        "oy oyj aps pty pte pbc kg kk spa"
    )
)


def same_name(text: str) -> str:
    """Two names with the same result are one name: ``Chat-GPT`` and ``chatgpt``."""
    return "".join(words(text))


def same_vendor(text: str) -> str:
    """As ``same_name``, without the legal form: ``OpenAI, Inc.`` and ``OpenAI``."""
    parts = list(words(text))
    while len(parts) > 1 and parts[-1] in _LEGAL_FORMS:
        parts.pop()
    return "".join(parts)


def below(name: str, domain: str) -> bool:
    """Whether a host name is the domain or lies below it, by label."""
    return name == domain or name.endswith("." + domain)


def below_any(name: str, domains: Iterable[str]) -> bool:
    """Whether a host name is one of the domains or lies below one."""
    return any(below(name, domain) for domain in domains)
