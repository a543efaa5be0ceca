"""All checks that need no database: `python -m scripts.check`.

Shows the whole output of a check that fails, and goes on to the next one.
"""

import json
import re
import sys
from pathlib import Path

from scripts.steps import ROOT, StepFailedError, run, say, step

BIN = Path(sys.executable).parent
LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-node.txt", "package-lock.json", ".npmrc"]
PYTHON_FOLDERS = ["liyu", "tests", "scripts", "bench"]
LOCKED_LINE = re.compile(r"[a-z0-9.-]+==\S+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", re.IGNORECASE)


def main() -> None:
    """Run each check; exit code 1 when one of them finds something."""
    sources = [folder for folder in PYTHON_FOLDERS if (ROOT / folder).exists()]
    checks = {
        "Format": ["ruff", "format", "--check", *sources],
        "Lint": ["ruff", "check", *sources],
        "Types": ["mypy", *sources],
        "Templates": ["djlint", "liyu/web/templates", "--lint", "--quiet"],
        "Import rules": ["lint-imports", "--no-cache"],
    }
    failed = [
        title for title, (program, *arguments) in checks.items() if not passes(title, [str(BIN / program), *arguments])
    ]
    failed += [] if locks_are_clean() else ["Locks"]
    if failed:
        say(f"Failed: {', '.join(failed)}")
        raise SystemExit(1)


def passes(title: str, command: list[str]) -> bool:
    """Run one check as a step."""
    try:
        with step(title):
            run(command, all_output=True)
    except SystemExit:
        return False
    return True


def locks_are_clean() -> bool:
    """Locks hold names, versions and hashes: whoever installs decides from where."""
    try:
        with step("Locks"):
            faults = [fault for name in LOCKS for fault in find_lock_faults(name, (ROOT / name).read_text())]
            if faults:
                raise StepFailedError("\n".join(faults))
    except SystemExit:
        return False
    return True


def find_lock_faults(name: str, text: str) -> list[str]:
    """What does not belong into a lock file, one line each."""
    faults = [f"    {name}:{number}: an address" for number, line in enumerate(text.splitlines(), 1) if "://" in line]
    if name.startswith("requirements"):
        lines = enumerate(text.splitlines(), 1)
        faults += [f"    {name}:{number}: {line}" for number, line in lines if not LOCKED_LINE.fullmatch(line)]
    if name == "package-lock.json":
        packages = json.loads(text)["packages"].items()
        faults += [f"    {name}: {path} has no hash" for path, entry in packages if path and "integrity" not in entry]
    return faults


if __name__ == "__main__":
    main()
