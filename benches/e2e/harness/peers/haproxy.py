"""HAProxy: one thread, connections to servers shared and kept; it counts per server in any case."""

from .base import Peer, Unsupported


class HAProxy(Peer):
    family = "haproxy"
    split = True

    def __init__(self, buffers=False):
        self.buffers = buffers
        self.variant = "buffers" if buffers else ""

    def command(self, context, setting, port, folder):
        if setting.sticky or setting.mirror or setting.routes:
            raise Unsupported("not compared")
        file = folder / "haproxy.cfg"
        file.write_text(self.configuration(context, setting, port))
        return [context.programs["haproxy"], "-f", file, "-db"], {}

    def configuration(self, context, setting, port):
        stable, canary = context.upstreams(setting)
        server = "pool-max-conn -1" + (" proto h2" if setting.upstream_h2 else "")
        bind = f"127.0.0.1:{port} backlog 4096"
        if setting.tls:
            bind += f" ssl crt {context.certificate.both} alpn h2,http/1.1"
        elif setting.h2:
            bind += " proto h2"
        return f"""\
global
  nbthread 1
  fd-hard-limit 19900
  maxconn 9800
  maxpipes 64
  tune.maxpollevents 256
  {"tune.bufsize 65536" if self.buffers else ""}
  tune.h2.max-concurrent-streams 256
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
  maxconn 9800
  timeout client 300s
  timeout server 300s
  timeout connect 5s
  timeout http-keep-alive 300s
  option splice-auto
  http-reuse always
frontend bench
  bind {bind}
  default_backend app
backend app
  balance roundrobin
  server stable 127.0.0.1:{stable} weight 90 {server}
  server canary 127.0.0.1:{canary} weight 10 {server}
"""
