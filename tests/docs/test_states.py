from scripts import draw_states
from scripts.steps import ROOT


def test_the_diagrams_are_those_of_the_tables() -> None:
    stale = [str(path.relative_to(ROOT)) for path in draw_states.find_stale()]
    assert stale == [], "run `python -m scripts.draw_states` and commit docs/states"


def test_every_table_is_drawn_and_closed() -> None:
    modules = draw_states.find_modules()
    assert sorted(modules) == sorted(draw_states.TITLES)
    for module in modules:
        page = draw_states.draw_page(module, "title")
        assert "stateDiagram-v2" in page
        assert "[*] -->" in page
        assert "--> [*]" in page


def test_a_changed_table_makes_another_page() -> None:
    before = draw_states.draw_diagram({None: ("a",), "a": ()})
    assert before == "```mermaid\nstateDiagram-v2\n    [*] --> a\n    a --> [*]\n```"
    assert draw_states.draw_diagram({None: ("a",), "a": ("b",), "b": ()}) != before
