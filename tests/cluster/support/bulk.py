"""Many objects, changes to them all the time, and what that costs the proxy."""

import concurrent.futures
import os
import pathlib
import threading
import time

from .weir import process_of

THREADS = 8


def every(count, work, seconds):
    """The work for each of so many numbers, several at a time, as far as the time allows; how many were done."""
    until = time.monotonic() + seconds

    def unless_late(number):
        in_time = time.monotonic() < until
        if in_time:
            work(number)
        return in_time

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(unless_late, range(count)))


class Repeated:
    """Work that is done again and again by a thread until it is stopped or has been done so often."""

    def __init__(self, work, pause=0.0, most=None):
        self.work, self.pause, self.most = work, pause, most
        self.done, self.failure = 0, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def run(self):
        try:
            while not self.stopping.wait(self.pause) and self.done != self.most:
                self.work(self.done)
                self.done += 1
        except Exception as error:  # Told by stop().
            self.failure = error

    def stop(self):
        """How often it was done; raises what went wrong."""
        self.stopping.set()
        self.thread.join()
        if self.failure:
            raise self.failure
        return self.done


class Process:
    """The process of a replica of the proxy, as the kernel sees it."""

    def __init__(self, weir):
        (pod,) = weir.pods()
        self.folder = process_of(pod)

    def memory(self, field):
        """A field of its status, MiB."""
        lines = (self.folder / "status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))

    def seconds(self):
        """Processor time so far."""
        fields = (self.folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cores_during(self, seconds):
        """Cores in use, on average over the next seconds."""
        start, before = time.monotonic(), self.seconds()
        time.sleep(seconds)
        return (self.seconds() - before) / (time.monotonic() - start)
