"""The part of the kubelet's own API that "kubectl logs" needs."""

import http.server
import ssl
import threading
import time
import urllib.parse

from .clock import nanoseconds_text, seconds

PORT = 10250


def serve(kubelet, address):
    """Serves on a node's address for ever."""

    class Handler(LogHandler):
        pods = kubelet.pods

    server = http.server.ThreadingHTTPServer((address, PORT), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kubelet.options.tls_cert, kubelet.options.tls_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


class LogHandler(http.server.BaseHTTPRequestHandler):
    """GET /containerLogs/NAMESPACE/POD/CONTAINER, as the API server asks it."""

    protocol_version = "HTTP/1.1"
    pods = {}

    def log_message(self, *_):  # pylint: disable=arguments-differ
        """The kubelet's own log is not for this."""

    def do_GET(self):  # pylint: disable=invalid-name
        url = urllib.parse.urlparse(self.path)
        words, query = url.path.strip("/").split("/"), dict(urllib.parse.parse_qsl(url.query))
        if words[0] == "healthz":
            self.reply(200, b"ok")
        elif words[0] != "containerLogs" or len(words) != 4:
            self.reply(404, b"pkubelet: not implemented\n")
        elif (container := self.container(*words[1:])) is None:
            self.reply(404, b"no such container\n")
        elif query.get("follow") == "true":
            self.follow(container, query)
        else:
            self.reply(200, b"".join(shown(line, query) for line in wanted(container, query)))

    def container(self, namespace, pod_name, name):
        for pod in list(self.pods.values()):
            if (pod.namespace, pod.name) == (namespace, pod_name):
                return next((each for each in pod.init + pod.main if each.name == name), None)
        return None

    def follow(self, container, query):
        """Lines as they come, until the container ends."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        lines, last = wanted(container, query), 0.0
        try:
            while lines or container.running():
                for line in lines:
                    data, last = shown(line, query), line[0]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                with container.output_grew:
                    container.output_grew.wait(1)
                lines = [line for line in list(container.output) if line[0] > last]
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            # Nobody listens any more.
            return

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def wanted(container, query):
    """The lines that the query asks for."""
    since = 0.0
    if "sinceTime" in query:
        since = seconds(query["sinceTime"])
    elif "sinceSeconds" in query:
        since = time.time() - float(query["sinceSeconds"])
    lines = [line for line in list(container.output) if line[0] >= since]
    if "tailLines" in query:
        count = int(query["tailLines"])
        # What a program writes in several pieces is one line all the same.
        begins = [at for at in range(len(lines)) if at == 0 or lines[at - 1][1].endswith(b"\n")]
        lines = lines[begins[-count] if count < len(begins) else 0 :] if count else []
    return lines


def shown(line, query):
    moment, text = line
    return nanoseconds_text(moment).encode() + text if query.get("timestamps") == "true" else text
