"""Everything that Liyu needs, installed into `.venv` and `node_modules`: `python3 -m scripts.setup [--dev]`.

Runs on the system's Python with the standard library alone. A step is done again when what it depends on has changed;
its last digest stands in `.venv/.liyu/`. Starts nothing.
"""

import argparse
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.steps import ROOT, StepFailedError, run, say, step

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
VENDOR = ROOT / "liyu" / "static" / "vendor"
MINIMUM_PYTHON = (3, 11)
PIP = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]

# Parts of packages that Liyu never or seldom imports.
SELDOM_IMPORTED = r"/(tests?|testing|phonenumbers/[a-z]*data|pip|setuptools|sqlalchemy/dialects/(mssql|mysql|oracle))/"

PANGO_LIBRARIES = ["libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0", "libfontconfig.so.1"]
PANGO_PACKAGES = ["libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0"]
CHROMIUM_NAMES = ["chromium", "chromium-browser", "google-chrome"]


def main() -> None:
    """Bring the environment up to date; `--dev` adds what the tests and checks need."""
    parser = argparse.ArgumentParser(prog="scripts.setup", description="Install what Liyu needs into .venv.")
    parser.add_argument("--dev", action="store_true", help="also what the tests and checks need")
    development = parser.parse_args().dev
    if sys.version_info < MINIMUM_PYTHON:
        raise SystemExit(
            f"Liyu needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 …"
        )
    with only_one_setup():
        install_system_libraries(development=development)
        make_environment()
        install_python_packages(development=development)
        install_liyu()
        compile_python("liyu")
        install_node_packages()
        build_assets()


@contextmanager
def only_one_setup() -> Iterator[None]:
    """Two set-ups in one folder take turns."""
    lock = os.open(ROOT / "Makefile", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def digest(*parts: str | Path) -> str:
    """One digest over texts and the contents of files."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        total.update(b"\0")
    return total.hexdigest()


def when_stale(title: str, name: str, wanted: str, target: Path, action: Callable[[], None]) -> None:
    """Do a step unless its target is there and was made from the same things."""
    stamp = VENV / ".liyu" / name
    if target.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    with step(title):
        stamp.unlink(missing_ok=True)
        action()
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(wanted)


def install_system_libraries(*, development: bool) -> None:
    """What pip cannot bring: installed when we are root, else named with the command."""
    missing: list[str] = []
    if not all(map(can_load, PANGO_LIBRARIES)):
        missing += PANGO_PACKAGES
    if development:
        if not any(map(shutil.which, CHROMIUM_NAMES)):
            missing.append("chromium")
        if not shutil.which("pdftotext"):
            missing.append("poppler-utils")
        if not has_chinese_font():
            missing.append("fonts-noto-cjk")
    if missing:
        install_with_apt("System packages: " + ", ".join(missing), missing)


def can_load(library: str) -> bool:
    """Whether the dynamic linker finds a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_chinese_font() -> bool:
    """Whether pictures of pages would show Chinese instead of boxes."""
    if not shutil.which("fc-list"):
        return False
    return bool(subprocess.run(["fc-list", ":lang=zh-cn"], capture_output=True, check=False).stdout.strip())


def install_with_apt(title: str, packages: list[str]) -> None:
    """Install Debian packages as root; otherwise say which command does it, and go on."""
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        say(f"  ! Missing from the system. As root, run: {command}")
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(title):
        run(["apt-get", "update", "-qq"], environment=quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], environment=quiet)


def make_environment() -> None:
    """Make `.venv`, anew when this folder has moved or the Python under it has changed."""
    wanted = digest(str(ROOT), sys.version, os.path.realpath(sys.executable))
    when_stale("Python environment", "environment", wanted, PYTHON, create_environment)


def create_environment() -> None:
    """Run the standard `venv`; Debian keeps a part of it in a package of its own."""
    if importlib.util.find_spec("ensurepip") is None:
        install_python_venv()
    run([sys.executable, "-m", "venv", "--clear", str(VENV)])


def install_python_venv() -> None:
    """Install Debian's `python3-venv` as root; raises StepFailedError with the command otherwise."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise StepFailedError("    Python's venv module is incomplete. As root, run: apt-get install -y python3-venv")
    run(["apt-get", "update", "-qq"])
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv"])


def install_python_packages(*, development: bool) -> None:
    """The locked packages, each checked against its hash."""
    packages = "requirements.txt"
    when_stale("Python packages", packages, digest(ROOT / packages), PYTHON, lambda: install_locked(packages))
    where = str(next((VENV / "lib").glob("python3*/site-packages")))
    when_stale("Bytecode", "bytecode", digest(ROOT / packages), PYTHON, lambda: compile_python(where))
    if development:
        more = "requirements-dev.txt"
        title = "Python packages for tests and checks"
        when_stale(title, more, digest(ROOT / more), PYTHON, lambda: install_locked(more))


def install_locked(name: str) -> None:
    """Install what one lock file lists."""
    run([*PIP, "install", "--require-hashes", "--no-deps", "--no-compile", "-r", name])


def compile_python(folder: str) -> None:
    """Write bytecode with all cores, which pip does with one, so that the first start is as quick as the later ones."""
    run([str(PYTHON), "-m", "compileall", "-q", "-j", "0", "-x", SELDOM_IMPORTED, folder])


def install_liyu() -> None:
    """Liyu itself, as a link to this folder, with the command `liyu`."""
    command = [*PIP, "install", "--no-deps", "--no-build-isolation", "--no-compile", "-e", "."]
    project = ROOT / "pyproject.toml"
    when_stale("Liyu", "liyu", digest(project), VENV / "bin" / "liyu", lambda: void(run(command)))


def install_node_packages() -> None:
    """The locked front-end files, with the system's npm or else with the one from PyPI."""
    wanted = digest(ROOT / "package.json", ROOT / "package-lock.json")
    target = ROOT / "node_modules" / "htmx.org" / "package.json"
    when_stale(
        "Front-end packages", "node", wanted, target, lambda: void(run([find_npm(), "ci"], environment=node_path()))
    )


def find_npm() -> str:
    """The npm to use; installs one into `.venv` where there is none."""
    found = shutil.which("npm")
    if found:
        return found
    own = VENV / "bin" / "npm"
    if not own.exists():
        install_locked("requirements-node.txt")
    return str(own)


def node_path() -> dict[str, str]:
    """npm starts `node` by name, so the one in `.venv` has to be found after the system's."""
    return {"PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), str(VENV / "bin")])}


def build_assets() -> None:
    """What the site serves of others: scripts, icons and the font for PDFs."""
    icons = ROOT / "liyu" / "static" / "icons.txt"
    parts = [ROOT / "package-lock.json", ROOT / "requirements.txt", ROOT / "scripts" / "assets.py", icons]
    wanted = digest(*(part for part in parts if part.exists()))
    command = [str(PYTHON), "-m", "scripts.assets"]
    when_stale("Scripts, icons and font", "assets", wanted, VENDOR / "icons.svg", lambda: void(run(command)))


def void(result: object) -> None:
    """Drop a result, where a step wants none."""


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
