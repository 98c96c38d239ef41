"""WebSockets that stay open and notice when they are closed, late or wrong."""

import base64
import os
import socket
import struct
import threading
import time

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


# What a server says that goes away: its clients come back at once (RFC 6455, 7.4.1; 1012 is registered with IANA).
GOING_AWAY = (1001, 1012)


class Closed(Exception):
    """The other side has closed the WebSocket, with a status or without."""

    def __init__(self, text, status=None):
        super().__init__(text)
        self.status = status


class WebSocket:
    """One client connection (RFC 6455), just what an echo needs."""

    def __init__(self, address, port, host, path="/", timeout=10):
        self.socket = socket.create_connection((address, port), timeout)
        self.rest = b""
        self.version = self.shake_hands(host, path)

    def shake_hands(self, host, path):
        """Upgrades the connection; the version that the backend calls itself."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self.rest:
            self.receive()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        if " 101 " not in lines[0]:
            raise Closed(f"no upgrade: {lines[0]}")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return headers.get("x-echo-version", "")

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed("connection ended without a close frame")
        self.rest += data

    def exactly(self, length):
        while len(self.rest) < length:
            self.receive()
        data, self.rest = self.rest[:length], self.rest[length:]
        return data

    def send(self, opcode, payload):
        """One frame with a short payload; clients mask what they send."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def frame(self):
        """The next frame: opcode and payload."""
        first, second = self.exactly(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self.exactly(2))[0]
        return first & 0x0F, self.exactly(length)

    def echo(self, text):
        """Sends a message and expects it back."""
        self.send(TEXT, text.encode())
        while True:
            opcode, payload = self.frame()
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == CLOSE:
                status = int.from_bytes(payload[:2], "big")
                raise Closed(f"closed with {status} {payload[2:]!r}", status)
            elif opcode == TEXT:
                if payload.decode() != text:
                    raise Closed(f"sent {text!r}, got {payload!r}")
                return

    def close(self):
        try:
            self.send(CLOSE, struct.pack("!H", 1000))
        except OSError:
            pass
        self.socket.close()


class WebSockets:
    """A number of them, each sending a message every 100 ms and expecting it back.

    With reopen, a close that says that the server goes away is answered as clients do, with a new one in its place.
    """

    def __init__(self, address, port, host, count, path="/", reopen=False):
        self.where, self.reopen = (address, port, host, path), reopen
        self.open = [WebSocket(*self.where) for _ in range(count)]
        self.lock = threading.Lock()
        self.closed, self.messages, self.reopened = [], 0, 0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.talk, args=(each,), daemon=True) for each in self.open]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def talk(self, websocket):
        number = 0
        while not self.stopping.wait(0.1):
            number += 1
            try:
                websocket = self.exchange(websocket, f"message {number}")
            except (OSError, Closed) as error:
                with self.lock:
                    self.closed.append(f"{time.strftime('%H:%M:%S')} {websocket.version}: {error!r}")
                return
            with self.lock:
                self.messages += 1
        websocket.close()

    def exchange(self, websocket, text):
        """One message and its echo; the WebSocket to go on with."""
        try:
            websocket.echo(text)
            return websocket
        except Closed as closed:
            if not self.reopen or closed.status not in GOING_AWAY:
                raise
        websocket.close()
        new = WebSocket(*self.where)
        new.echo(text)
        with self.lock:
            self.reopened += 1
            self.open[self.open.index(websocket)] = new
        return new

    def versions(self):
        """To which versions they were opened."""
        return sorted({websocket.version for websocket in self.open})

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return self

    def check(self):
        """Fails with the first details if any was closed."""
        if self.closed:
            raise AssertionError(f"{len(self.closed)} of {len(self.open)} WebSockets closed: {'; '.join(self.closed[:5])}")
