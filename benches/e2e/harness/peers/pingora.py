"""A minimal proxy on Pingora, `benches/e2e/pingora`: one thread, no work stealing."""

from .base import Peer, Unsupported


class Pingora(Peer):
    family = "pingora"

    def __init__(self, split=False):
        self.split = split
        self.variant = "split" if split else ""

    def command(self, context, setting, port, folder):
        if setting.sticky or setting.mirror or setting.routes:
            raise Unsupported("not compared")
        stable, canary = context.upstreams(setting)
        where = ["--tls" if setting.tls else "--listen", f"127.0.0.1:{port}"]
        if setting.tls:
            # Port 0: it insists on a listener without TLS, which nobody uses.
            where += ["--listen", "127.0.0.1:0", "--cert", context.certificate.cert, "--key", context.certificate.key]
        backends = ["--stable", f"127.0.0.1:{stable}", "--canary", f"127.0.0.1:{canary}"]
        flags = (["--upstream-h2"] if setting.upstream_h2 else []) + (["--numbers"] if self.split else [])
        return [context.programs["pingora"], *where, *backends, *flags, "--folder", folder], {}
