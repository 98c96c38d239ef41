"""What a proxy is told, and what it gives back."""

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from processes import PROXY_CORE, REAL_TIME, Process, free_port, wait_for

_numbers = itertools.count()


class Unsupported(Exception):
    """The proxy, or this build of it, cannot do what a case asks for."""


@dataclass(frozen=True)
class Setting:
    """What a case needs of a proxy."""

    tls: bool = False
    h2: bool = False
    upstream_h2: bool = False
    websocket: bool = False
    sticky: bool = False
    mirror: bool = False
    routes: int = 0
    workers: int = 1


@dataclass
class Context:
    """What every proxy is started with."""

    programs: object
    certificate: object
    backend: dict
    folder: Path
    priority: str = REAL_TIME
    environment: dict = field(default_factory=dict)
    # Seconds that a proxy may take to get ready.
    patience: int = 20

    def upstreams(self, setting):
        """Ports of the stable and of the canary version."""
        return self.backend["http2" if setting.upstream_h2 else "http1"]

    def fresh_folder(self, name):
        folder = self.folder / f"{next(_numbers)}-{name}"
        folder.mkdir()
        # Servers that give up root's rights write here, too.
        folder.chmod(0o777)
        return folder


@dataclass
class Started:
    """A proxy that answers."""

    process: Process
    port: int
    extra: dict = field(default_factory=dict)

    @property
    def pid(self):
        return self.process.pid


class Peer:
    """A proxy in one of its variants."""

    family = ""
    split = False
    variant = ""
    # Whether a canary has a tenth of the requests.
    shares = True

    @property
    def name(self):
        return f"{self.family}+{self.variant}" if self.variant else self.family

    def command(self, context, setting, port, folder):
        """Writes what the proxy reads, and says how it is started."""
        raise NotImplementedError

    def start(self, context, setting):
        folder = context.fresh_folder(self.family)
        port = free_port()
        command, extra = self.command(context, setting, port, folder)
        cores = set(range(setting.workers)) if setting.workers > 1 else {PROXY_CORE}
        process = Process(command, cores, context.priority, log=folder / "log", env=context.environment)
        try:
            plain = not (setting.tls or setting.h2 or setting.upstream_h2)
            wait_for(process, port, http=plain, timeout=context.patience)
        except Exception:
            process.stop()
            raise
        return Started(process, port, extra)


def temporary(path=None):
    """A folder for everything that is written meanwhile."""
    return tempfile.TemporaryDirectory(prefix="weir-bench-", dir=path)
