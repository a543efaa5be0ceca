import pickle
import socket

import click
import pytest

from liyu.cli.ports import SharedPort, reserve_port

HOST = "127.0.0.1"


def test_each_process_gets_a_socket_of_its_own_and_both_are_dealt_connections() -> None:
    with reserve_port(HOST, 0) as reserved:
        copies: list[SharedPort] = [pickle.loads(pickle.dumps(reserved)) for _ in range(2)]
        address = reserved.getsockname()
        assert {copy.getsockname() for copy in copies} == {address}
        for copy in copies:
            copy.listen(64)
            copy.setblocking(False)
        callers = [socket.create_connection(address) for _ in range(64)]
        taken = [_count_callers(copy) for copy in copies]
        assert sum(taken) == len(callers)
        assert min(taken) >= 8
        for opened in [*callers, *copies]:
            opened.close()


def test_a_port_that_somebody_else_listens_at_is_refused_in_one_line() -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(click.ClickException, match=f"{HOST}:{port}: Address already in use"):
            reserve_port(HOST, port)


def test_a_port_that_another_installation_shares_among_its_processes_is_refused_too() -> None:
    with reserve_port(HOST, 0) as theirs:
        theirs.listen()
        with pytest.raises(click.ClickException, match="Address already in use"):
            reserve_port(HOST, theirs.getsockname()[1])


def test_a_host_that_does_not_exist_is_named() -> None:
    with pytest.raises(click.ClickException, match=r"nowhere\.invalid:80"):
        reserve_port("nowhere.invalid", 80)


def _count_callers(port: SharedPort) -> int:
    count = 0
    while True:
        try:
            caller, _ = port.accept()
        except BlockingIOError:
            return count
        caller.close()
        count += 1
