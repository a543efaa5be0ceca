"""A whole installation on this machine, as an operator would run it: demo program, server and worker as processes."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

READY_SECONDS = 60
STOP_SECONDS = 30
POLL_SECONDS = 0.05


class Installation:
    """One installation: its address, its commands, its processes."""

    def __init__(self, folder: Path, database_url: str, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.port = port
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LIYU_", "STRIPE_"))}
        self.environment = inherited | {
            "LIYU_DATA_DIR": str(folder / "var"),
            "LIYU_DATABASE_URL": database_url,
            "LIYU_BASE_URL": self.address,
        }

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of Liyu to its end."""
        command = [str(Path(sys.executable).with_name("liyu")), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=240, check=False)

    def upgrade(self) -> None:
        """Make the database ready for use: a migrated one has no program yet."""
        done = self.call("db", "upgrade")
        assert done.returncode == 0, done.stderr

    def load_demo(self) -> None:
        """Load the demo program."""
        done = self.call("demo")
        assert done.returncode == 0, done.stderr

    @contextmanager
    def running(self) -> Iterator[None]:
        """Server and worker run meanwhile; both are ended by their ids, whatever happens."""
        children: list[subprocess.Popen[bytes]] = []
        try:
            children.append(self._start("serve", "--host", "127.0.0.1", "--port", str(self.port)))
            children.append(self._start("worker"))
            self._wait_until_ready(children)
            yield
        finally:
            for child in children:
                child.terminate()
            for child in children:
                try:
                    child.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()

    def log(self, name: str) -> str:
        """What a process has said so far."""
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [str(Path(sys.executable).with_name("liyu")), name, *arguments]
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _wait_until_ready(self, children: "list[subprocess.Popen[bytes]]") -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            assert all(child.poll() is None for child in children), self.log("serve") + self.log("worker")
            assert time.monotonic() < deadline, self.log("serve")
            time.sleep(POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False
