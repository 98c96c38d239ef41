"""nginx: one worker, upstream connections kept without a limit on their requests."""

import re

from .base import Peer, Unsupported

BUFFERS = "proxy_buffer_size 16k; proxy_buffers 16 64k; proxy_busy_buffers_size 256k;"
KEPT = "keepalive 4096; keepalive_requests 1000000000; keepalive_timeout 300s;"


class Nginx(Peer):
    family = "nginx"

    def __init__(self, split=False, buffers=False):
        self.split = split
        self.buffers = buffers
        self.variant = "split" if split else "buffers" if buffers else ""

    def command(self, context, setting, port, folder):
        if setting.sticky or setting.mirror or setting.routes:
            raise Unsupported("not compared")
        file = folder / "nginx.conf"
        file.write_text(self.configuration(context, setting, port, folder))
        return [context.programs["nginx"], "-c", file, "-p", folder, "-e", folder / "errors"], {}

    def configuration(self, context, setting, port, folder):
        stable, canary = context.upstreams(setting)
        temporary = " ".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""\
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/errors crit;
worker_rlimit_nofile 19900;
events {{ worker_connections 19000; use epoll; }}
http {{
  access_log off; {temporary}
  keepalive_requests 1000000000; keepalive_timeout 300s;
  tcp_nodelay on; sendfile on; server_tokens off;
  client_body_buffer_size 128k; client_max_body_size 0;
  proxy_max_temp_file_size 0; {BUFFERS if self.buffers else ""}
  upstream both {{ server 127.0.0.1:{stable} weight=90; server 127.0.0.1:{canary} weight=10; {KEPT} }}
  upstream stable {{ server 127.0.0.1:{stable}; {KEPT} }}
  upstream canary {{ server 127.0.0.1:{canary}; {KEPT} }}
  split_clients "$connection-$connection_requests" $version {{ 90% stable; * canary; }}
  log_format numbers '$version $status $request_time $upstream_response_time $body_bytes_sent';
  map $http_upgrade $hop {{ default upgrade; '' ''; }}
  server {{
    {self.listen(context, setting, port)}
    {f"access_log {folder}/numbers numbers buffer=64k flush=1s;" if self.split else ""}
    {location("$version" if self.split else "both", setting)}
  }}
}}
"""

    def listen(self, context, setting, port):
        newer = tuple(int(n) for n in re.findall(r"\d+", context.programs.versions["nginx"])[:3]) >= (1, 25, 1)
        old_h2 = " http2" if setting.h2 and not newer else ""
        tls = " ssl" if setting.tls else ""
        lines = [f"listen 127.0.0.1:{port}{tls}{old_h2} backlog=4096;"]
        if setting.h2:
            lines.append("http2 on;" if newer else "")
            lines.append("http2_max_concurrent_streams 256;")
        if setting.tls:
            files = f"ssl_certificate {context.certificate.cert}; ssl_certificate_key {context.certificate.key};"
            lines.append(f"{files} ssl_protocols TLSv1.3; ssl_session_cache shared:sessions:8m;")
        return " ".join(lines)


def location(upstream, setting):
    if setting.upstream_h2:
        return f"location / {{ grpc_pass grpc://{upstream}; }}"
    connection = "$hop" if setting.websocket else '""'
    upgrade = "proxy_set_header Upgrade $http_upgrade;" if setting.websocket else ""
    headers = f"proxy_set_header Host $host; proxy_set_header Connection {connection}; {upgrade}"
    return f"location / {{ proxy_pass http://{upstream}; proxy_http_version 1.1; {headers} }}"
