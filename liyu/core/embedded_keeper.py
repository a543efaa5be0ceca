"""Keeps one embedded PostgreSQL alive as long as a process holds the lease, then stops it.

Run as a program: `python -I embedded_keeper.py LEASE COMMAND…`. It imports nothing of Liyu, so that it stays small. It
starts the server as its child, waits until it is alone with the lease (a killed holder lets go of it too, because the
kernel releases its lock) and then asks the server for a fast shutdown. The server gets the same signal from the kernel
if the keeper itself dies, so neither outlives the other for long.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from types import FrameType


def keep(lease_path: str, command: list[str]) -> None:
    """Run the server until nobody else shares the lease; ends this process with the server's exit code."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def stop(signal_number: int, frame: FrameType | None) -> None:
        server.send_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    watcher = threading.Thread(target=lambda: os._exit(server.wait()))
    watcher.start()
    lease = os.open(lease_path, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(lease, fcntl.LOCK_EX)
    server.send_signal(signal.SIGINT)
    watcher.join()


if __name__ == "__main__":
    keep(sys.argv[1], sys.argv[2:])
