"""Charts: geometry that adds up, whatever the numbers and the labels are; drawings without style or script."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, PackageLoader

from aimscope_collector.reports import charts
from aimscope_collector.reports.charts import Line, Part, Series, horizontal, matrix, scale, stacked
from aimscope_collector.risk import level

_VALUES = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


def _drawn(text: str, **values: object) -> str:
    environment = Environment(
        loader=PackageLoader("aimscope_collector", "reports/templates"), autoescape=True, trim_blocks=True
    )
    head = '{% from "charts.html" import stacked, horizontal, matrix %}'
    return environment.from_string(head + text).render(**values)


@given(st.integers(0, 10**12))
def test_an_axis_has_room_for_its_number_and_few_whole_steps(most: int) -> None:
    end, step = scale(most)
    assert end >= max(1, most)
    assert end % step == 0
    assert end // step <= 5
    assert str(step).strip("0") in ("1", "2", "5")


@given(
    st.lists(_VALUES, min_size=1, max_size=5).map(lambda several: [one[: min(map(len, several))] for one in several])
)
def test_boxes_stand_on_each_other_within_the_drawing(rows: list[list[int]]) -> None:
    labels = [f"w{at}" for at in range(len(rows[0]))]
    chart = stacked(
        id="c",
        title="t",
        labels=labels,
        series=[Series("prohibited", f"s{n}", tuple(row)) for n, row in enumerate(rows)],
    )
    for box in chart.boxes:
        assert 0 <= box.x <= box.x + box.width <= chart.width + 0.2
        assert -0.2 <= box.y <= box.y + box.height <= chart.base + 0.3
    for at, total in enumerate(chart.totals):
        bar = [box for box in chart.boxes if box.says.startswith(f"w{at}: ")]
        assert sum(box.height for box in bar) == pytest.approx(
            (chart.base - chart.ticks[-1].at) * total / scale(max(chart.totals))[0], abs=0.1 * len(rows) + 0.1
        )


def test_what_is_always_nothing_is_left_out_of_the_legend() -> None:
    chart = stacked(
        id="c",
        title="t",
        labels=["1", "2"],
        series=[Series("authorised", "authorised", (1, 2)), Series("dormant", "dormant", (0, 0))],
    )
    assert [entry.name for entry in chart.legend] == ["authorised"]
    assert "2 at 2" in chart.summary


def test_the_last_label_is_always_shown_and_labels_do_not_touch() -> None:
    labels = [f"2026-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]
    chart = stacked(id="c", title="t", labels=labels, series=[Series("authorised", "a", (1,) * len(labels))])
    assert chart.marks[-1].label == labels[-1]
    places = [mark.at for mark in chart.marks]
    assert min(b - a for a, b in itertools.pairwise(places)) > 10 * 6


def test_lengths_that_differ_and_too_many_bars_are_refused() -> None:
    with pytest.raises(ValueError, match="one value for each"):
        stacked(id="c", title="t", labels=["1"], series=[Series("authorised", "a", (1, 2))])
    with pytest.raises(ValueError, match="too many"):
        stacked(id="c", title="t", labels=[str(n) for n in range(charts.MOST_BARS + 1)], series=[])


def test_a_number_that_is_not_to_be_told_has_no_bar_either() -> None:
    chart = horizontal(
        id="h",
        title="t",
        of="Service",
        unit="People",
        lines=[
            Line(label="a", parts=(Part("plain", 40),)),
            Line(label="b", parts=(Part("plain", 3),), shown="fewer than 5"),
        ],
    )
    assert [(bar.shown, len(bar.boxes)) for bar in chart.bars] == [("40", 1), ("fewer than 5", 0)]
    assert chart.bars[0].boxes[0].width == 100


def test_the_matrix_has_its_highest_likelihood_on_top_and_every_level() -> None:
    rows = matrix({(5, 5): 3, (1, 1): 2}, level)
    assert (rows[0][4].likelihood, rows[0][4].impact, rows[0][4].count, rows[0][4].level) == (5, 5, 3, "critical")
    assert (rows[4][0].count, rows[4][0].level) == (2, "low")
    assert {cell.level for row in rows for cell in row} == {"low", "medium", "high", "critical"}


HOSTILE = "<script>alert(1)</script>\x00\u202e\"'&\n style=x {{ 7*7 }}"


def test_drawings_have_no_style_no_script_and_ids_of_their_own() -> None:
    one = stacked(
        id="over-time",
        title=HOSTILE,
        labels=[HOSTILE, "b"],
        series=[Series("prohibited", HOSTILE, (1, 2)), Series("unregistered", "not registered", (3, 4))],
    )
    two = horizontal(
        id="top",
        title="t",
        of=HOSTILE,
        unit="u",
        lines=[Line(label=HOSTILE, parts=(Part("unregistered", 2),), href="/x")],
    )
    text = _drawn(
        "{{ stacked(one) }}{{ horizontal(two) }}{{ matrix(rows, 'Risk') }}", one=one, two=two, rows=matrix({}, level)
    )
    assert "<script" not in text
    assert not re.search(r"<[^>]*\s(style|on\w+)\s*=", text)
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "{{ 7*7 }}" in text
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for used in re.findall(r"url\(#([^)]+)\)", text):
        assert used in ids
    assert 'role="img"' in text
    assert text.count('scope="row"') == 2 + 1 + 5


def test_nothing_to_show_is_said_in_words() -> None:
    chart = stacked(id="c", title="t", labels=["1"], series=[Series("authorised", "a", (0,))])
    text = _drawn("{{ stacked(chart) }}", chart=chart)
    assert "nothing to show" in text
    assert "<svg" not in text
