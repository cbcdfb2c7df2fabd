"""Expenses and card statements: CSV with a date, a vendor or description, and an amount that is not read.

verified: memory. There is no common format; the headings below are those that banks and expense tools use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aimscope_agent.sources import _descriptors as descriptors
from aimscope_agent.sources._export import Export
from aimscope_agent.sources._source import Shape, Source
from aimscope_signatures.model import Observation

_VENDORS: Final = (
    *("merchant", "merchantname", "vendor", "vendorname", "supplier", "suppliername", "payee", "payeename"),
    *("description", "transactiondescription", "merchantdescription", "statementdescriptor", "descriptor", "details"),
    *("narrative", "händler", "empfänger", "zahlungsempfänger", "beschreibung", "verwendungszweck", "buchungstext"),
    *("libellé", "fournisseur", "marchand", "proveedor", "comercio", "descripción", "omschrijving"),
)
_DATES: Final = (
    *("date", "transactiondate", "posteddate", "postingdate", "postdate", "bookingdate", "expensedate", "datetime"),
    *("completeddate", "starteddate", "datum", "buchungstag", "buchungsdatum", "belegdatum", "fecha"),
)
_PEOPLE: Final = ("employee", "employeename", "employeeemail", "cardholder", "cardholdername", "useremail", "user")
_AMOUNTS: Final = (
    *("amount", "transactionamount", "amountusd", "amounteur", "billingamount", "debit", "credit", "total", "betrag"),
    *("umsatz", "montant", "importe", "bedrag", "amountlocalcurrency", "totalamount", "price", "cost"),
)
_TOLD: Final = 2
"""Columns of a row that name the vendor: a merchant, and a description."""


def read(export: Export) -> Iterator[Observation]:
    """Each payment. Of a row the vendor, the day and the person are read; the other columns are forgotten unread."""
    for row in export.rows(only=(*_VENDORS, *_DATES, *_PEOPLE)):
        lines = [text for name in _VENDORS if (text := row.text(name))][:_TOLD]
        if not lines:
            export.unreadable(row.number, "rows without a vendor")
            continue
        phrases = tuple(dict.fromkeys(phrase for line in lines for phrase in descriptors.phrases(line)))
        yield export.see(
            "expense",
            row.number,
            subject=row.text(*_PEOPLE),
            at=row.text(*_DATES),
            vendor=descriptors.vendor(lines[0]),
            phrases=phrases,
        )


SOURCE = Source(
    name="expenses",
    title="Expenses and card statements",
    doc="CSV of an expense tool, a bank or a card, with a date, a vendor or description, and an amount.",
    emits=("expense",),
    proves="a payment to somebody of that name: a hint to be reviewed, never a finding by itself",
    cannot="what was bought, and whether it is used; what is free, or paid privately",
    shapes=(Shape("table", ("|".join(_DATES), "|".join(_VENDORS), "|".join(_AMOUNTS))),),
    read=read,
    verified="memory",
)
