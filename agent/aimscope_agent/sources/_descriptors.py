"""Lines of card statements → phrases that may be the name of a product or vendor.

A line names a processor, a vendor, a product, a place and numbers, in any order and cut at 20 or 25 letters:
`PAYPAL *MIDJOURNEY 4029357733`, `OPENAI *CHATGPT SUBSCR`. Numbers are left out before anything else is looked at.
"""

from __future__ import annotations

import re
from typing import Final

from aimscope_signatures.normalise import product_name

_LONGEST: Final = 256
_NUMBERS: Final = re.compile(r"\S*@\S*|\S*\d{4,}\S*|[+(]?\d[\d().-]{5,}\S*")
"""Addresses, and words with numbers long enough to be a card's, a telephone's, a reference."""
_PARTS: Final = re.compile(r"\*|\s{2,}|\t|,|/|\||\s-\s")
_END: Final = frozenset(
    {
        *(
            "inc",
            "inc.",
            "llc",
            "ltd",
            "ltd.",
            "limited",
            "pbc",
            "corp",
            "corp.",
            "co",
            "co.",
            "gmbh",
            "ab",
            "bv",
            "b.v",
        ),
        *("sas", "oy", "pty", "plc", "opco", "labs.", "com", "www"),
        *("subscr", "subscri", "subscrip", "subscript", "subscripti", "subscription", "subscriptions", "sub", "abo"),
        *("plus", "pro", "team", "teams", "max", "premium", "business", "enterprise", "monthly", "annual", "yearly"),
        *("plan", "credit", "credits", "usage", "invoice", "payment", "bill", "billing", "recurring", "renewal"),
        *("us", "usa", "ca", "ny", "gb", "gbr", "uk", "ie", "irl", "de", "deu", "nl", "nld", "fr", "fra", "se", "swe"),
        *("san", "francisco", "dublin", "london", "amsterdam", "internet", "online", "int'l", "intl"),
    }
)
"""Words that may follow a name and are no part of it."""


def vendor(line: str) -> str:
    """The line without numbers and addresses: what is kept of it."""
    words = product_name(_NUMBERS.sub(" ", line[:_LONGEST])).split()
    return " ".join(word for word in words if not word.isdecimal())


def phrases(line: str) -> tuple[str, ...]:
    """Phrases that are names if they are known ones, with the product before the vendor.

    What stands before a star is who was paid (a processor, or the vendor of what stands behind it), and tells nothing
    where the rest says more.
    """
    parts = [part for part in (_bare(each) for each in _PARTS.split(_NUMBERS.sub("  ", line[:_LONGEST]))) if part]
    if "*" not in line or len(parts) < 2:
        found = [*parts[:1], " ".join(parts)]
    else:
        head, *rest = parts
        found = [*rest[:2], f"{head} {rest[0]}", " ".join(parts)]
    return tuple(dict.fromkeys(each for each in found if each))


def _bare(part: str) -> str:
    words = product_name(part).removeprefix("www.").split()
    while words and (words[-1] in _END or words[-1].isdecimal()):
        words.pop()
    return re.sub(r"\.com\Z", "", " ".join(words)) if words else ""
