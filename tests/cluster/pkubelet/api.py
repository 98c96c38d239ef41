"""A small client of the Kubernetes API: requests over kept connections, and watches that mend themselves."""

import base64
import http.client
import json
import re
import ssl
import tempfile
import threading
import time
import urllib.parse

from .log import log

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"


class ApiError(Exception):
    """The API server answered with an error status."""

    def __init__(self, code, body):
        super().__init__(f"{code} {body[:400]}")
        self.code = code


class Api:
    """One user's access to one API server; every thread has a connection of its own."""

    def __init__(self, kubeconfig):
        fields = Fields(kubeconfig)
        server = urllib.parse.urlparse(fields.text("server"))
        self.host, self.port = server.hostname, server.port
        self.tls = ssl.create_default_context(cadata=fields.decoded("certificate-authority-data").decode())
        with tempfile.TemporaryDirectory() as folder:
            # The ssl module reads client certificates from files only.
            for name in ("certificate", "key"):
                with open(f"{folder}/{name}", "wb") as file:
                    file.write(fields.decoded(f"client-{name}-data"))
            self.tls.load_cert_chain(f"{folder}/certificate", f"{folder}/key")
        self.of_thread = threading.local()

    def req(self, method, path, body=None, content_type=JSON, timeout=30):
        """One request; the parsed answer. Raises ApiError for an error status."""
        payload = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        headers = {"Content-Type": content_type, "Accept": JSON}
        for last in (False, True):
            connection = self.connection(timeout)
            try:
                connection.request(method, path, payload, headers)
                response = connection.getresponse()
                data = response.read().decode()
            except (OSError, http.client.HTTPException):
                # A kept connection may have been closed meanwhile: one more try on a new one.
                connection.close()
                self.of_thread.connection = None
                if last:
                    raise
                continue
            if response.status >= 400:
                raise ApiError(response.status, data)
            return json.loads(data) if data else None
        return None

    def connection(self, timeout):
        """The connection of this thread, a new one when there is none."""
        if getattr(self.of_thread, "connection", None) is None:
            self.of_thread.connection = self.new_connection(timeout)
        return self.of_thread.connection

    def new_connection(self, timeout):
        return http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=timeout)

    def watch(self, path, on_event, on_list=None):
        """Lists, then watches for ever: on_event(type, object). After a gap it lists again (type SYNC)."""
        while True:
            try:
                listed = self.req("GET", path)
                if on_list:
                    on_list(listed["items"])
                for item in listed["items"]:
                    on_event("SYNC", item)
                self.follow(path, listed["metadata"]["resourceVersion"], on_event)
            except (OSError, http.client.HTTPException, ApiError, ValueError) as error:
                log("watch", path, repr(error))
                time.sleep(0.5)

    def follow(self, path, version, on_event):
        """Watches from a version on, until the server no longer knows it."""
        while version:
            connection = self.new_connection(timeout=330)
            query = {"watch": 1, "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": 300}
            connection.request("GET", f"{path}?{urllib.parse.urlencode(query)}")
            response = connection.getresponse()
            if response.status != 200:
                connection.close()
                return
            while line := response.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    version = None
                    break
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    on_event(event["type"], event["object"])
            connection.close()


class Fields:
    """The few fields of a kubeconfig in the form that the cluster script writes: no YAML parser is needed."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.content = file.read()

    def text(self, name):
        return re.search(name + r': "?([^",}\s]+)', self.content).group(1)

    def decoded(self, name):
        return base64.b64decode(self.text(name))
