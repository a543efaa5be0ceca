"""Facts in one line stand in spans of their own, so that no line ends with a dot."""

from markupsafe import Markup

from liyu.web.dotted import dotted


def test_facts_are_parted_and_the_stylesheet_sets_the_dots() -> None:
    assert dotted("Luckin · 5 cities") == '<span class="dotted"><span>Luckin</span> <span>5 cities</span></span>'
    assert dotted(["22 Nov", "“Purchases”: 50 · × 1.2", ""]).count("<span>") == 3
    assert "·" not in dotted(["a · b", "c"])


def test_one_fact_stands_alone_and_words_are_escaped() -> None:
    assert dotted("Luckin") == "Luckin"
    assert dotted([]) == ""
    assert dotted("<b> · R&D") == '<span class="dotted"><span>&lt;b&gt;</span> <span>R&amp;D</span></span>'


def test_elements_are_never_cut() -> None:
    element = Markup("<b>one · two</b>")
    assert dotted(element) == element
    assert dotted([element, Markup("a · b")]) == (
        '<span class="dotted"><span><b>one · two</b></span> <span>a</span> <span>b</span></span>'
    )
