"""State diagrams of all `states.py` tables as Mermaid in `docs/states/`: `python -m scripts.draw_states [--check]`.

The same tables give the same files, byte for byte; a test fails while the files are stale.
"""

import argparse
import ast
import importlib
from itertools import pairwise
from pathlib import Path

from liyu.core.transitions import Transitions
from scripts.steps import ROOT, say

FOLDER = ROOT / "docs" / "states"

TITLES = {
    "liyu.members.states": ("member", "A membership 会员"),
    "liyu.members.imports.states": ("import", "An import of members 会员导入"),
    "liyu.partners.states": ("partner", "A partner 商户"),
    "liyu.catalog.states": ("item", "An item 商品"),
    "liyu.catalog.evaluation.states": ("candidate", "A candidate 候选权益"),
    "liyu.vouchers.states": ("voucher", "A voucher 券"),
    "liyu.vouchers.gifts.states": ("gift", "A gift 转赠"),
    "liyu.redemption.drops.states": ("drop", "A drop 限量抢兑"),
    "liyu.redemption.draws.states": ("draw", "A draw 抽签"),
    "liyu.redemption.campaigns.states": ("campaign", "A campaign 活动发放"),
    "liyu.redemption.states": ("redemption", "A redemption 兑换单"),
    "liyu.redemption.aftersale.states": ("after-sale", "An after-sale request 售后申请"),
    "liyu.redemption.topup.states": ("top-up", "A top-up 充值"),
    "liyu.partners.settlement.states": ("statement", "A statement 对账单"),
}
"""The file and the heading of each table."""


def main() -> None:
    """Write the files, or with `--check` only say which are stale (exit code 1)."""
    parser = argparse.ArgumentParser(prog="scripts.draw_states", description="Draw the state diagrams of docs/states.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    if parser.parse_args().check:
        stale = find_stale()
        for path in stale:
            say(f"stale: {path.relative_to(ROOT)}")
        raise SystemExit(1 if stale else 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in draw_all().items():
        path.write_text(text, encoding="utf-8")


def find_stale() -> list[Path]:
    """The files that differ from what the tables say, and those that no table has any more."""
    wanted = draw_all()
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return sorted(differing + [path for path in FOLDER.glob("*.md") if path not in wanted])


def draw_all() -> dict[Path, str]:
    """All files with their texts. Raises KeyError for a table that `TITLES` does not name."""
    pages = {}
    for module in find_modules():
        name, title = TITLES[module]
        pages[name] = (title, draw_page(module, title))
    index = "".join(f"- [{title}]({name}.md)\n" for name, (title, _) in sorted(pages.items()))
    head = (
        "# State diagrams\n\nDrawn by `python -m scripts.draw_states` from the tables that the code itself obeys.\n\n"
    )
    return {
        FOLDER / "README.md": head + index,
        **{FOLDER / f"{name}.md": text for name, (_, text) in sorted(pages.items())},
    }


def find_modules() -> list[str]:
    """The modules with a table, in the order of their names."""
    paths = sorted((ROOT / "liyu").rglob("states.py"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]


def draw_page(module: str, title: str) -> str:
    """One page: the diagram, the same as a table, and the note that stands under the table in the code."""
    transitions: Transitions = importlib.import_module(module).TRANSITIONS
    source = f"{module.replace('.', '/')}.py"
    note = read_note(ROOT / source)
    parts = [
        f"# {title}",
        f"Drawn from `{source}` by `python -m scripts.draw_states`. Do not edit.",
        draw_diagram(transitions),
        draw_table(transitions),
        *([note] if note else []),
    ]
    return "\n\n".join(parts) + "\n"


def draw_diagram(transitions: Transitions) -> str:
    """The table as a Mermaid state diagram; states without a way on lead to the end."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for state, following in transitions.items():
        lines += [f"    {state or '[*]'} --> {wanted}" for wanted in following]
        lines += [] if following else [f"    {state} --> [*]"]
    return "\n".join([*lines, "```"])


def draw_table(transitions: Transitions) -> str:
    """The same for readers without Mermaid."""
    rows = [
        f"| {f'`{state}`' if state else '(new)'} | {', '.join(f'`{one}`' for one in following) or '(end)'} |"
        for state, following in transitions.items()
    ]
    return "\n".join(["| from | to |", "|---|---|", *rows])


def read_note(path: Path) -> str:
    """The text that documents `TRANSITIONS` in the source; empty when there is none."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for before, after in pairwise(body):
        is_table = isinstance(before, ast.AnnAssign) and getattr(before.target, "id", "") == "TRANSITIONS"
        if is_table and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            return " ".join(str(after.value.value).split())
    return ""


if __name__ == "__main__":
    main()
