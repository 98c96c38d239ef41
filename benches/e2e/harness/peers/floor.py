"""The floor: what the kernel charges for relaying the bytes, without any proxy."""

from processes import PROXY_CORE, Process

from .base import Peer, Started, Unsupported


class Floor(Peer):
    shares = False

    def __init__(self, splice=False):
        self.family = "floor"
        self.variant = "splice" if splice else ""
        self.splice = splice

    def start(self, context, setting):
        if setting.tls or setting.h2 != setting.upstream_h2:
            raise Unsupported("bytes alone do not get there")
        stable, _ = context.upstreams(setting)
        command = [context.programs["floor"], "--to", f"127.0.0.1:{stable}", *(["--splice"] if self.splice else [])]
        if not (setting.websocket or setting.h2):
            # Between two requests a connection of HTTP/1.1 is as good as new; others are not.
            command.append("--pool")
        process = Process(command, {PROXY_CORE}, context.priority)
        return Started(process, process.line()["port"])
