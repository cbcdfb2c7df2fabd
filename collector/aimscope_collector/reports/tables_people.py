"""Items 8 and 12: who supplies the AI in use, and what each unit uses, for training and awareness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from aimscope_collector.inventory.model import AuthorisedUse
from aimscope_collector.privacy import broken_down
from aimscope_collector.reports.cells import Value
from aimscope_collector.reports.tables import Reading, Table, columns

ACKNOWLEDGEMENTS: Final = (
    "Who was told of the policy, and who acknowledged it, is not recorded in aimscope: attach the record of whoever "
    "keeps it, such as the training system."
)


def _suppliers(reading: Reading) -> Iterator[Sequence[Value]]:
    seen: dict[str, set[str]] = defaultdict(set)
    units: dict[str, set[str]] = defaultdict(set)
    for row in reading.findings:
        if row.vendor and row.verdict != "dormant":
            seen[row.vendor].add(row.name)
            units[row.vendor].add(row.unit or "(no unit)")
    registered: dict[str, list[AuthorisedUse]] = defaultdict(list)
    for use, rows in zip(reading.inventory.systems if reading.inventory else (), reading.rules.systems, strict=True):
        vendors = {reading.rules.known[service].vendor for service in rows} - {""}
        for vendor in vendors or ({use.vendor} if use.vendor else set()):
            registered[vendor].append(use)
    for vendor in sorted(seen.keys() | registered.keys(), key=lambda name: (name.casefold(), name)):
        several = registered[vendor]
        yield (
            *(vendor, vendor, ", ".join(sorted(seen[vendor])) or None, len(units[vendor])),
            *(_joined(use.label for use in several), _joined(use.contract_ref for use in several)),
            *(_joined(use.dpa_ref for use in several), _joined(use.data_residency for use in several)),
            _joined(use.training_on_data for use in several),
        )


def _joined(texts: Iterator[str]) -> str | None:
    return "; ".join(sorted({text for text in texts if text})) or None


def _awareness(reading: Reading) -> Iterator[Sequence[Value]]:
    people: dict[str, dict[str, int]] = defaultdict(dict)
    machines: dict[str, dict[str, int]] = defaultdict(dict)
    for row in reading.findings:
        if row.service and row.verdict != "dormant" and row.present:
            for counts, number in ((people, row.subjects), (machines, row.assets)):
                counts[row.unit][row.service] = max(counts[row.unit].get(row.service, 0), number)
    least = reading.view.least
    for unit in sorted(machines):
        shown = broken_down({service: max(1, number) for service, number in machines[unit].items()}, least)
        for service in sorted(shown.shown):
            yield (
                *(f"{unit or '-'}/{service}", unit or "(no unit)", reading.name_of(service)),
                *(machines[unit][service], reading.view.count(people[unit].get(service, 0))),
            )
        if shown.others:
            yield f"{unit or '-'}/others", unit or "(no unit)", "others, too few to be told apart", shown.others, None


def _units_note(reading: Reading) -> str:
    least = reading.view.least
    small = f" Groups of fewer than {least} are put together." if least else ""
    return ACKNOWLEDGEMENTS + small


TABLES: Final = (
    Table(
        name="suppliers",
        title="Suppliers of AI",
        says="Who makes the services that were seen or are registered, and what the register says of contracts.",
        item=8,
        controls=("42001:A.10.3", "42001:A.10.2", "27001:A.5.19", "nist:GOVERN-6.1", "nist:MAP-4.1"),
        columns=columns(
            ("id", "Row"),
            ("vendor", "Supplier"),
            ("services", "Services seen", "none seen in the period"),
            ("units", "In units"),
            ("rows", "Registered as", "not registered"),
            ("contract", "Contract"),
            ("dpa", "Data processing agreement"),
            ("residency", "Where data stays"),
            ("training", "Trains on input"),
            off_paper="id",
        ),
        rows=_suppliers,
        empty="No supplier is known.",
    ),
    Table(
        name="awareness",
        title="What each unit uses",
        says="Counts of devices and people by service, to plan training by; names are not in it.",
        item=12,
        controls=("42001:7.3", "42001:5.2", "42001:A.2.2", "42001:A.9.3", "27001:A.6.3", "aiact:4"),
        columns=columns(
            ("id", "Row"),
            ("unit", "Unit"),
            ("service", "Service"),
            ("devices", "Devices"),
            ("people", "People", "not told apart"),
            off_paper="id",
        ),
        rows=_awareness,
        note=_units_note,
        empty="Nothing is in use.",
    ),
)
