"""What the pages claim about commands, variables and files is what the code says; the two READMEs are twins."""

import re
from functools import cache
from pathlib import Path

import pytest

from liyu.catalog.import_items import COLUMNS as ITEM_COLUMNS
from liyu.catalog.import_items import REQUIRED
from liyu.catalog.models import ITEM_KINDS, SCENES
from liyu.cli import COMMANDS
from liyu.cli.events import COLUMNS as EVENT_COLUMNS
from liyu.members.points.pricing import HOST_TYPES
from liyu.redemption.tasks import tasks
from liyu.vouchers.tasks import print_tasks
from liyu.web.api.routes import CALLS
from scripts.steps import ROOT

READMES = ("README.md", "README.zh-CN.md")
PAGES = sorted([ROOT / "CHANGELOG.md", *(ROOT / name for name in READMES), *(ROOT / "docs").rglob("*.md")])
MODULES = [module for folder in ("liyu", "tests", "scripts", "bench") for module in (ROOT / folder).rglob("*.py")]
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(path: Path) -> None:
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_names_every_variable_and_no_other(readme: str) -> None:
    read_by_code = set(re.findall(r'"((?:LIYU|STRIPE)_[A-Z0-9_]+)"', _read("liyu/core/settings.py")))
    assert set(re.findall(r"\b(?:LIYU|STRIPE)_[A-Z0-9_]+\b", _read(readme))) == read_by_code


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_names_every_command(readme: str) -> None:
    named = {line.split("`")[1].split()[0] for line in _read(readme).splitlines() if re.match(r"\| `[a-z]+[ `]", line)}
    missing = {name for name in COMMANDS if (ROOT / "liyu" / "cli" / f"{name}.py").exists()} - named
    assert missing == set()


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_names_columns_kinds_and_types_of_imports(readme: str) -> None:
    text = _read(readme)
    assert ",".join(REQUIRED) in text
    assert ",".join(EVENT_COLUMNS) in text
    for word in (*ITEM_COLUMNS, *ITEM_KINDS, *SCENES, *HOST_TYPES):
        assert f"`{word}`" in text, word


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_names_every_call_of_the_api(readme: str) -> None:
    text = _read(readme)
    for handler in CALLS:
        (path,) = handler.paths  # type: ignore[union-attr]
        last = re.sub(r":\w+}", "}", path).rsplit("/", 1)[1]
        assert last in text, path


def test_the_readmes_are_twins() -> None:
    english, chinese = map(_read, READMES)
    assert [len(mark) for mark in re.findall(r"^(#+) ", CODE.sub("", english), re.MULTILINE)] == [
        len(mark) for mark in re.findall(r"^(#+) ", CODE.sub("", chinese), re.MULTILINE)
    ]
    assert [_commands(block) for block in CODE.findall(english)] == [
        _commands(block) for block in CODE.findall(chinese)
    ]
    assert _first_cells(english) == _first_cells(chinese)


def _commands(block: str) -> list[str]:
    """The lines of a code block without their comments; of the map of folders, the folders alone."""
    if not block.startswith("```sh"):
        return re.findall(r"^\s*(\S+/)", block, re.MULTILINE)
    lines = (re.sub(r"\s+#.*|^#.*", "", line).rstrip() for line in block.splitlines())
    return [re.sub(r"--name \S+ --role", "--name … --role", line) for line in lines if line]


def _first_cells(text: str) -> list[list[str]]:
    return [re.findall("`([^`]+)`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| `")]


def test_every_proof_of_a_promise_is_a_test() -> None:
    proofs = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _read("docs/guides/promises.md"))
    assert len(proofs) > 20
    assert [f"{path}::{name}" for path, name in proofs if f"def {name}(" not in _read(path)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_that_a_page_names_are_there(path: Path) -> None:
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    assert [name for name in re.findall(r"`([\w/.-]+\.py)`", text) if not _find(name)] == []
    for name, functions in re.findall(r"`([\w/]+\.py)` · ((?:`(?!\w+\.py)\w+(?:\.\w+)?`(?:, )?)+)", text):
        source = "".join(module.read_text(encoding="utf-8") for module in _find(name))
        for function in re.findall(r"(\w+)`", functions):
            assert re.search(rf"(def|class) {function}\b", source), f"{name}: {function}"


@cache
def _find(name: str) -> list[Path]:
    """The modules that a page may mean by a name: its path is as long as the reader needs it to be."""
    return [module for module in MODULES if module.as_posix().endswith(f"/{name}")]


def test_the_guide_names_every_job_by_the_clock_and_when_it_runs() -> None:
    chapter = _read("docs/guides/operating.md").partition("## What the worker does")[2].partition("\n## ")[0]
    jobs = [job for blueprint in (tasks, print_tasks) for job in blueprint.periodic_registry.periodic_tasks.values()]
    assert dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", chapter, re.MULTILINE)) == {
        job.task.name.removeprefix("liyu:"): _in_words(job.cron) for job in jobs
    }


def _in_words(cron: str) -> str:
    minute, hour, *_ = cron.split()
    if hour != "*":
        return f"{int(hour):02}:{int(minute):02}"
    if minute.isdecimal():
        return f"hourly at :{int(minute):02}"
    return "every minute" if minute == "*" else f"every {minute.removeprefix('*/')} minutes"
