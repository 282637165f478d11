"""A lab carries real traffic, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from blinktun.errors import ConfigError, LabError
from blinktun.lab import Host, Lab, Link
from blinktun.lab import lab as lab_module
from blinktun.lab.host import NAMESPACES
from blinktun.lab.slots import FOLDER
from blinktun.lab.tun import DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PORT = 7
PATIENCE = 20.0
IP_MTU_DISCOVER, IP_MTU, DO, DONT = 10, 14, 2, 0
IPV6_MTU_DISCOVER, IPV6_MTU = 23, 24


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def udp(stack: contextlib.ExitStack, host: Host, *, v6: bool = False) -> socket.socket:
    """A bound UDP socket of a host."""
    family = socket.AF_INET6 if v6 else socket.AF_INET
    bound = stack.enter_context(host.socket(socket.SOCK_DGRAM, family))
    bound.bind((host.ipv6 if v6 else host.ipv4, PORT))
    bound.settimeout(PATIENCE)
    return bound


@pytest.mark.parametrize("v6", [False, True])
def test_packets_go_both_ways_in_their_time(stack: contextlib.ExitStack, v6: bool) -> None:
    lab = stack.enter_context(Lab("delay-up=20ms delay-down=30ms"))
    client, server = udp(stack, lab.client, v6=v6), udp(stack, lab.server, v6=v6)
    times = []
    for number in range(20):
        begin = time.monotonic()
        client.sendto(bytes([number]) * 1000, server.getsockname()[:2])
        data, source = server.recvfrom(2000)
        assert source[:2] == client.getsockname()[:2]
        server.sendto(data, source)
        assert client.recv(2000) == bytes([number]) * 1000
        times.append(time.monotonic() - begin)
    assert 0.05 <= min(times) < 0.06
    up, down = lab.counts
    assert (up.sent, up.delivered, down.sent, down.delivered) == (20, 20, 20, 20)
    headers = 48 if v6 else 28
    assert up.sent_bytes == up.delivered_bytes == 20 * (1000 + headers)
    assert (up.lost, down.lost) == (0, 0)


@pytest.mark.parametrize(("direction", "rate"), [("down", 8e6), ("up", 4e6)])
def test_tcp_gets_the_rate_of_its_direction(
    stack: contextlib.ExitStack, direction: str, rate: float
) -> None:
    lab = stack.enter_context(Lab("down=8mbit up=4mbit delay=5ms queue=100ms"))
    sender, receiver = (lab.server, lab.client) if direction == "down" else (lab.client, lab.server)
    listener = stack.enter_context(receiver.socket())
    listener.bind((receiver.ipv4, PORT))
    listener.listen()
    source = stack.enter_context(sender.socket())
    source.connect((receiver.ipv4, PORT))
    sink, _ = listener.accept()
    stack.enter_context(sink)
    sink.settimeout(PATIENCE)
    total = int(rate / 8)  # takes a second
    writer = threading.Thread(target=source.sendall, args=(bytes(total),))
    writer.start()
    received = len(sink.recv(1 << 16))
    begin, first = time.monotonic(), received
    while received < total:
        received += len(sink.recv(1 << 16))
    took = time.monotonic() - begin
    writer.join()
    assert rate / 2 < (total - first) * 8 / took < rate * 1.02


def test_a_link_tells_what_its_words_mean() -> None:
    link = Link("step", "loss-down=5%", "burst=6", "jitter=1ms", "delay-up=7ms")
    assert [phase.begin for phase in link.down] == [0, 12, 20]
    assert [phase.rate for phase in link.down] == [12_500_000, 2_500_000, 12_500_000]
    assert (link.up[0].delay, link.down[0].delay, link.up[0].jitter) == (0.007, 0.05, 0.001)
    assert link.up[0].loss == pytest.approx(0.02)
    assert link.down[2].loss == pytest.approx(0.05)
    assert Link().up[0].rate is None


def test_losses_are_counted(stack: contextlib.ExitStack) -> None:
    lab = stack.enter_context(Lab("loss-up=20% rate=4mbit queue=20ms seed=3"))
    client, server = udp(stack, lab.client), udp(stack, lab.server)

    def is_done(count: int) -> bool:
        return lab.counts.up.delivered + lab.counts.up.lost == count

    for number in range(100):
        client.sendto(bytes(1000), server.getsockname())
        wait_for(partial(is_done, number + 1))
    assert 5 <= lab.counts.up.lost <= 45
    assert lab.counts.up.dropped == 0
    for _ in range(100):
        client.sendto(bytes(1000), server.getsockname())
    wait_for(partial(is_done, 200))
    assert lab.counts.up.dropped > 0


def test_a_link_can_be_changed(stack: contextlib.ExitStack) -> None:
    lab = stack.enter_context(Lab("loss=100%"))
    client, server = udp(stack, lab.client), udp(stack, lab.server)
    client.sendto(b"lost", server.getsockname())
    wait_for(lambda: lab.counts.up.lost == 1)
    lab.change("delay=1ms")
    assert lab.link.words == ["delay=1ms"]
    client.sendto(b"found", server.getsockname())
    assert server.recv(9) == b"found"
    with pytest.raises(ConfigError):
        lab.change("delay=1")


def test_what_is_too_long_is_told_to_its_sender(stack: contextlib.ExitStack) -> None:
    lab = stack.enter_context(Lab("mtu=1300 delay=1ms"))
    for v6, level, discover, mtu in (
        (False, socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_MTU),
        (True, socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_MTU),
    ):
        client, server = udp(stack, lab.client, v6=v6), udp(stack, lab.server, v6=v6)
        client.setsockopt(level, discover, DO)
        client.connect(server.getsockname()[:2])
        client.send(bytes(1400))
        wait_for(partial(has, client, (level, mtu), 1300))
        client.getsockopt(
            socket.SOL_SOCKET, socket.SO_ERROR
        )  # it was told, which the next call says
        with pytest.raises(OSError, match=os.strerror(errno.EMSGSIZE)):
            client.send(bytes(1400))
        client.send(bytes(1200))
        assert len(server.recv(2000)) == 1200
    assert lab.counts.up.too_long == 2


def test_what_may_be_cut_is_cut(stack: contextlib.ExitStack) -> None:
    lab = stack.enter_context(Lab("mtu=1300"))
    client, server = udp(stack, lab.client), udp(stack, lab.server)
    client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DONT)
    data = bytes(range(250)) * 5 + bytes(222)
    client.sendto(data, server.getsockname())
    assert server.recv(2000) == data
    assert (lab.counts.up.sent, lab.counts.up.too_long) == (2, 0)


def test_a_black_hole_says_nothing(stack: contextlib.ExitStack) -> None:
    lab = stack.enter_context(Lab("mtu=1300 icmp=no"))
    client, server = udp(stack, lab.client), udp(stack, lab.server)
    for may_be_cut in (DO, DONT):
        client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, may_be_cut)
        client.sendto(bytes(1400), server.getsockname())
    wait_for(lambda: lab.counts.up.too_long == 2)
    client.sendto(bytes(1200), server.getsockname())
    assert len(server.recv(2000)) == 1200
    assert lab.counts.down.sent == 0


def test_programs_run_on_a_host() -> None:
    with Lab() as lab:
        for host in (lab.client, lab.server):
            shown = subprocess.run(
                host.command("ip", "-brief", "address", "show", DEVICE),
                capture_output=True,
                text=True,
                check=True,
            )
            assert f"{host.ipv4}/24" in shown.stdout


def test_labs_do_not_see_each_other(stack: contextlib.ExitStack) -> None:
    labs = [stack.enter_context(Lab()) for _ in range(3)]
    assert len({host.namespace for lab in labs for host in (lab.client, lab.server)}) == 6
    for number, lab in enumerate(labs):
        client, server = udp(stack, lab.client), udp(stack, lab.server)
        client.sendto(bytes([number]), server.getsockname())
        assert server.recv(9) == bytes([number])


def test_nothing_is_left() -> None:
    with Lab(Link("clean")) as lab:
        names = [lab.client.namespace, lab.server.namespace]
        assert all((NAMESPACES / name).exists() for name in names)
        with lab.client.socket(socket.SOCK_DGRAM) as client:
            client.sendto(b"x", (lab.server.ipv4, PORT))
        wait_for(lambda: lab.counts.up.sent == 1)
    assert not any((NAMESPACES / name).exists() for name in names)
    assert not (FOLDER / names[0].removeprefix("blinktun").removesuffix("-client")).exists()
    assert lab.counts.up.sent == 1, "counts outlive the lab"
    lab.close()


def test_the_next_lab_removes_what_a_killed_one_has_left() -> None:
    code = (
        "import signal; from blinktun.lab import Lab\n"
        "with Lab() as lab: print(lab.client.namespace, flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        name = killed.stdout.readline().strip()
        with Lab() as other:
            assert other.client.namespace != name
            assert (NAMESPACES / name).exists(), "it is in use"
        inode = (NAMESPACES / name).stat().st_ino
        killed.send_signal(signal.SIGKILL)
    assert (NAMESPACES / name).exists()
    with Lab() as lab:
        if lab.client.namespace == name:
            assert (NAMESPACES / name).stat().st_ino != inode
        else:
            assert not (NAMESPACES / name).exists()


def test_a_device_that_somebody_removes_is_reported() -> None:
    lab = Lab()
    name = lab.client.namespace
    lab.client.ip("link", "delete", DEVICE)
    with pytest.raises(LabError, match="a device of the lab was removed"):
        lab.close()
    assert not (NAMESPACES / name).exists()


def test_nothing_is_left_behind_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def refuse(host: Host, mtu: int) -> int:
        made.append(host.namespace)
        raise LabError("no")

    monkeypatch.setattr(lab_module, "attach", refuse)
    with pytest.raises(LabError, match=r"^no$"):
        Lab()
    assert not (NAMESPACES / made[0]).exists()


def has(client: socket.socket, option: tuple[int, int], value: int) -> bool:
    return client.getsockopt(*option) == value


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.005)
