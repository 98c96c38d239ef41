"""One client that asks as fast as it is answered, and remembers when the answering version changed."""

import re
import socket
import threading
import time

from .waiting import wait_until

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
VERSION = re.compile(rb"x-echo-version: *([^\r]*)", re.IGNORECASE)


class Probe:
    """Requests one after the other over one connection; anything but a 200 is a failure.

    It speaks HTTP by hand: the standard client takes longer for a request than the proxy does.
    """

    def __init__(self, address, port, host):
        self.socket = socket.create_connection((address, port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self.rest, self.version = b"", None
        # Each version that answered after another one, and when, seconds since the epoch.
        self.switches = []
        self.requests, self.failures = 0, []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()
        wait_until(lambda: self.version or self.failures, 10, "the probe's first answer")
        return self

    def run(self):
        try:
            while not self.stopping.is_set():
                self.ask()
        except (OSError, ValueError) as error:
            self.failures.append(repr(error))
        self.socket.close()

    def ask(self):
        self.socket.sendall(self.request)
        head = self.answer()
        now = time.time()
        self.requests += 1
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(head.splitlines()[0].decode())
        version = VERSION.search(head).group(1).decode()
        if version != self.version:
            self.switches.append((version, now))
            self.version = version

    def answer(self):
        """The head of one answer, whose body is read, too."""
        while b"\r\n\r\n" not in self.rest:
            self.receive()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        length = int(LENGTH.search(head).group(1))
        while len(self.rest) < length:
            self.receive()
        self.rest = self.rest[length:]
        return head

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise ValueError("the connection was closed")
        self.rest += data

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def check(self):
        if self.failures:
            raise AssertionError(f"after {self.requests} requests of the probe: {self.failures[0]}")

    def switched(self, version):
        """When it was first answered by that version, seconds since the epoch; fails unless that was for good."""
        moments = [moment for name, moment in self.switches if name == version]
        if len(moments) != 1 or self.version != version:
            raise AssertionError(f"one switch to {version} expected: {self.switches}")
        return moments[0]
