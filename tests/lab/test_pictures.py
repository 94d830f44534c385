"""The lab's page: nothing from elsewhere, every message an arrow, every bound a line."""

import re
from html.parser import HTMLParser

import pytest

from interrex.elections.catalogue import ALGORITHMS, Algorithm
from interrex.elections.teaching.bounds import floodmax_messages, ring_diameter
from interrex.lab.faults import FAULTS
from interrex.lab.plots import HEIGHT, WIDTH, Axes, plot
from interrex.lab.report import html_report
from interrex.lab.sequence import MOST_MAILS, diagram
from interrex.lab.sweep import Curve, faults_of, point, sizes_to
from interrex.lab.trial import Trial, run
from tests.lab.test_trial import BY_NAME, by_name

COMMAND = "interrex lab --fault halves"


class Tags(HTMLParser):
    """Counts what a page is made of, and refuses what is fetched or executed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        assert tag not in ("script", "link", "img", "iframe")
        assert not {name for name, _ in attrs} & {"src", "href", "onclick", "onload"}


def a_trial(name: str, fault: str = "leader-killed", nodes: int = 5) -> Trial:
    return run(BY_NAME[name], FAULTS[fault], nodes, 1)


def classes(picture: str, style: str) -> int:
    return len(re.findall(f"class='{style}'", picture))


def test_the_page_holds_all_of_it_and_fetches_nothing() -> None:
    trials = [
        run(algorithm, FAULTS[fault], 3, 1)
        for fault in ("leader-killed", "halves")
        for algorithm in ALGORITHMS
    ]
    curves = [
        Curve(one, fault, tuple(point(one, fault, size) for size in (3, 5)))
        for one in ALGORITHMS
        for fault in faults_of(one)
    ]
    page = html_report(trials, trials, curves, COMMAND)
    tags = Tags(page)
    assert tags.counts["svg"] == len(trials) + len(ALGORITHMS) + 1
    assert tags.counts["table"] == 3
    assert "http" not in page
    assert "url(" not in page
    for algorithm in ALGORITHMS:
        assert page.count(algorithm.title) > 4
    assert COMMAND in page


def test_the_page_counts_how_often_two_lead_as_the_table_does() -> None:
    trial = a_trial("bully", "halves")
    assert trial.windows == 1
    page = html_report([trial], [], (), COMMAND)
    assert "<th class=n>two leaders<" in page
    assert re.search(r"<td class=n>1 x, 2,\d\d\d ms<", page)
    assert "<td class=n>–<" in html_report([a_trial("raft")], [], (), COMMAND)


def test_without_plots_there_is_no_word_of_them() -> None:
    trial = a_trial("raft")
    page = html_report([trial], [trial], [], COMMAND)
    assert "Messages over" not in page
    assert "One election under the same fault" in page


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=by_name)
def test_every_message_that_counts_is_an_arrow_with_its_name(algorithm: Algorithm) -> None:
    trial = run(algorithm, FAULTS["leader-killed"], 4, 1)
    drawn = diagram(trial)
    arrived = classes(drawn, "mail") + classes(drawn, "lost")
    assert arrived == trial.messages <= MOST_MAILS
    assert classes(drawn, "incident") == 1
    for name in trial.circle:
        assert f">{name}</text>" in drawn


def test_a_coordination_service_has_a_line_of_its_own() -> None:
    assert ">service</text>" in diagram(a_trial("etcd"))
    assert ">service</text>" not in diagram(a_trial("raft"))


def test_a_message_that_is_lost_has_a_cross() -> None:
    trial = a_trial("floodmax", "loss", nodes=9)
    lost = sum(mail.arrived is None for mail in trial.mails[:MOST_MAILS])
    assert lost > 0
    assert classes(diagram(trial), "cross") == lost


def test_a_ring_is_drawn_in_its_own_order_and_says_whose_number_goes_round() -> None:
    trial = a_trial("chang-roberts", "none")
    drawn = diagram(trial)
    assert re.findall(r"class='name'[^>]*>(w\d)<", drawn) == list(trial.circle)
    assert ">Candidate 5<" in drawn
    assert ">I lead<" in drawn


def test_what_a_ring_cannot_finish_ends_with_a_word() -> None:
    assert "nothing more is said" in diagram(a_trial("chang-roberts"))
    assert "nothing more is said" not in diagram(a_trial("raft"))


def test_of_very_many_messages_the_rest_is_counted() -> None:
    trial = a_trial("floodmax", "none", nodes=16)
    assert trial.messages == 256
    assert f"and {256 - MOST_MAILS} more messages, not drawn" in diagram(trial)


def test_a_silence_is_told() -> None:
    assert " ms pass<" in diagram(a_trial("raft", "leader-stopped"))


def test_a_point_is_the_mean_over_its_seeds() -> None:
    exact = point(BY_NAME["floodmax"], "none", 8)
    expected = floodmax_messages(ring_diameter(8), 16)
    assert (exact.mean, exact.least, exact.most) == (expected, expected, expected)
    drawn = point(BY_NAME["chang-roberts"], "none", 8)
    assert drawn.least < drawn.mean < drawn.most


def test_a_plot_has_its_bounds_and_lies_inside_its_frame() -> None:
    algorithm = BY_NAME["chang-roberts"]
    points = tuple(point(algorithm, "none", size) for size in (3, 8, 13))
    picture = plot([Curve(algorithm, "none", points)])
    assert classes(picture, r"bound b\d") == 3
    assert classes(picture, "point k0") == 3
    pairs = re.findall(r"(-?[\d.]+),(-?[\d.]+)", picture)
    assert pairs
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in pairs)


def test_a_silent_leader_costs_more_messages_than_a_proved_death() -> None:
    for algorithm in ALGORITHMS:
        if not algorithm.lesson:
            proved, silent = (point(algorithm, fault, 5) for fault in faults_of(algorithm))
            assert proved.mean < silent.mean


def test_both_axes_are_logarithmic() -> None:
    axes = Axes((3, 101), (10, 1000))
    assert axes.y(10) - axes.y(100) == pytest.approx(axes.y(100) - axes.y(1000))
    assert axes.x(20) - axes.x(10) == pytest.approx(axes.x(40) - axes.x(20))
    assert axes.y(0) >= axes.y(10)  # no message at all lies at the bottom


def test_plots_go_as_far_as_is_asked() -> None:
    assert sizes_to(0) == ()
    assert sizes_to(8) == (3, 5, 8)
    assert sizes_to(101)[-1] == 101
