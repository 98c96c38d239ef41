"""Starting and ending programs: each on its core, with its priority, and none left behind."""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PROXY_CORE, LOAD_CORE = 0, 1
REAL_TIME = "real time"
NICE = "nice"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A program did not do what it was started for."""


def raise_file_limit():
    """As many open files as this process may have; its children inherit that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def may_be_real_time():
    """Whether programs may have a priority over everything else on their core."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        return True
    except PermissionError:
        return False


def set_priority(kind):
    """For the calling thread or process; what is not permitted is left as it is."""
    try:
        if kind == REAL_TIME:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        else:
            os.setpriority(os.PRIO_PROCESS, 0, -19)
    except PermissionError:
        pass


def free_port():
    """A port of the kernel's choice on the loopback device."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program that runs until it is stopped, or until this one ends."""

    def __init__(self, command, cores, priority, log=None, stdin=subprocess.PIPE, env=None):
        def prepare():
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            os.sched_setaffinity(0, cores)
            set_priority(priority)

        self.command = [str(word) for word in command]
        self.log = log
        # What a program of the rig complains about is for who looks on.
        errors = open(log, "wb") if log else None
        self.child = subprocess.Popen(
            self.command,
            stdin=stdin,
            stdout=subprocess.PIPE if log is None else errors,
            stderr=errors,
            preexec_fn=prepare,
            env={**os.environ, **(env or {})},
        )
        if log:
            errors.close()

    @property
    def pid(self):
        return self.child.pid

    def line(self):
        """The next line that it prints, as JSON."""
        text = self.child.stdout.readline()
        if not text:
            raise Failed(f"{self.command[0]} ended with {self.child.wait(10)}")
        return json.loads(text)

    def alive(self):
        return self.child.poll() is None

    def stop(self, patience=5):
        """By its id: first asked, then ended."""
        if self.child.stdin:
            self.child.stdin.close()
        if self.alive():
            self.child.terminate()
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait(10)
        if self.child.stdout:
            self.child.stdout.close()

    def last_words(self):
        if not self.log or not Path(self.log).exists():
            return ""
        lines = Path(self.log).read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])[-400:]


def wait_for(process, port, http, timeout):
    """Until the program accepts on the port and, where `http` is asked for, answers a request."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not process.alive():
            raise Failed(f"ended at once: {process.last_words()}")
        try:
            if http:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/1k", timeout=2) as answer:
                    if len(answer.read()) == 1024:
                        return
            else:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.05)
    raise Failed(f"did not get ready in {timeout} s: {process.last_words()}")
