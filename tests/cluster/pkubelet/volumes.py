"""Volumes of a pod: folders on the host, whose contents follow the objects they come from."""

import base64
import os
import re
import shutil
import threading

from .api import ApiError

# A test runs shorter than this, so tokens are not renewed.
TOKEN_SECONDS = 86400


class Volumes:
    """The volumes of one pod, made when a container first asks for them."""

    def __init__(self, pod):
        self.pod = pod
        self.made = {}
        self.lock = threading.Lock()

    def folder(self, name):
        """Where the volume lies on the host."""
        with self.lock:
            if name not in self.made:
                self.made[name] = self.make(name)
            return self.made[name].path

    def make(self, name):
        spec = next(each for each in self.pod.spec.get("volumes", []) if each["name"] == name)
        if "hostPath" in spec:
            return Plain(spec["hostPath"]["path"])
        path = f"{self.pod.folder}/volume-{name}"
        os.makedirs(path, exist_ok=True)
        if "emptyDir" in spec:
            os.chmod(path, 0o777)
            return Plain(path)
        volume = Followed(self.pod, path, spec)
        volume.refresh()
        return volume

    def refresh(self):
        """Brings all of them up to date with their objects."""
        with self.lock:
            for volume in self.made.values():
                volume.refresh()

    def follows(self, kind, name):
        """Whether one of them comes from that Secret or ConfigMap."""
        with self.lock:
            return any((kind, name) in volume.sources() for volume in self.made.values())


class Plain:
    """A folder that nobody but the containers writes to."""

    def __init__(self, path):
        self.path = path

    def refresh(self):
        pass

    def sources(self):
        return set()


class Followed:
    """A folder of files made from objects, replaced all at once when these change.

    As in the real kubelet each file is a link through "..data" to a folder of one generation: renaming that one link
    changes all files in one step, and watchers of the folder see it.
    """

    def __init__(self, pod, path, spec):
        self.pod, self.path, self.spec = pod, path, spec
        self.files, self.generation = None, 0
        self.tokens = {}

    def parts(self):
        """The sources of the volume; any but a projected one has one only."""
        return self.spec["projected"].get("sources", []) if "projected" in self.spec else [self.spec]

    def sources(self):
        found = set()
        for part in self.parts():
            if "secret" in part:
                found.add(("secrets", secret_name(part["secret"])))
            if "configMap" in part:
                found.add(("configmaps", part["configMap"]["name"]))
        return found

    def refresh(self):
        files = {}
        for part in self.parts():
            files.update(self.contents(part))
        if files != self.files:
            self.publish(files)
            self.files = files

    def contents(self, part):
        """The files of one source, by their path in the volume."""
        if "secret" in part:
            return selected(self.pod.data("secrets", secret_name(part["secret"]), part["secret"]), part["secret"])
        if "configMap" in part:
            return selected(self.pod.data("configmaps", part["configMap"]["name"], part["configMap"]), part["configMap"])
        if "downwardAPI" in part:
            items = part["downwardAPI"].get("items", [])
            return {i["path"]: self.pod.field(i["fieldRef"]["fieldPath"]).encode() for i in items if "fieldRef" in i}
        if "serviceAccountToken" in part:
            return {part["serviceAccountToken"]["path"]: self.token(part["serviceAccountToken"])}
        raise RuntimeError(f"no support for a volume of {sorted(part)}")

    def token(self, wanted):
        """A token of the pod's service account, asked for once."""
        audience = wanted.get("audience", "")
        if audience not in self.tokens:
            account = self.pod.spec.get("serviceAccountName", "default")
            pod = {"kind": "Pod", "apiVersion": "v1", "name": self.pod.name, "uid": self.pod.uid}
            request = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [audience] if audience else [],
                    "expirationSeconds": max(TOKEN_SECONDS, wanted.get("expirationSeconds", 0)),
                    "boundObjectRef": pod,
                },
            }
            path = f"/api/v1/namespaces/{self.pod.namespace}/serviceaccounts/{account}/token"
            self.tokens[audience] = self.pod.api.req("POST", path, request)["status"]["token"].encode()
        return self.tokens[audience]

    def publish(self, files):
        """Writes a new generation and switches to it."""
        old = self.generation
        self.generation += 1
        folder = f"{self.path}/..{self.generation}"
        os.makedirs(folder)
        for path, content in files.items():
            os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
            with open(f"{folder}/{path}", "wb") as file:
                file.write(content)
        os.symlink(f"..{self.generation}", f"{self.path}/..data_new")
        os.rename(f"{self.path}/..data_new", f"{self.path}/..data")
        self.link({path.split("/")[0] for path in files})
        if old:
            shutil.rmtree(f"{self.path}/..{old}")

    def link(self, names):
        """The names that containers see: links through ..data, none for what has gone."""
        for name in os.listdir(self.path):
            if not name.startswith("..") and name not in names:
                os.unlink(f"{self.path}/{name}")
        for name in names:
            if not os.path.islink(f"{self.path}/{name}"):
                os.symlink(f"..data/{name}", f"{self.path}/{name}")


def secret_name(source):
    """Secret volumes call it secretName, projected ones name."""
    return source.get("secretName") or source["name"]


def selected(files, source):
    """All keys, or the items chosen under their own paths."""
    items = source.get("items")
    return {item["path"]: files[item["key"]] for item in items} if items else files


def object_data(api, namespace, kind, name, optional):
    """The bytes of a Secret or ConfigMap by key."""
    try:
        found = api.req("GET", f"/api/v1/namespaces/{namespace}/{kind}/{name}")
    except ApiError as error:
        if optional and error.code == 404:
            return {}
        raise
    encoded = found.get("data" if kind == "secrets" else "binaryData") or {}
    data = {key: base64.b64decode(value) for key, value in encoded.items()}
    if kind == "configmaps":
        data.update({key: value.encode() for key, value in (found.get("data") or {}).items()})
    return data


def field(pod, path):
    """A field of the pod as the downward API gives it."""
    metadata = pod.obj["metadata"]
    if one := re.match(r"metadata\.(labels|annotations)\['(.*)'\]$", path):
        return metadata.get(one.group(1), {}).get(one.group(2), "")
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = metadata.get(path.removeprefix("metadata."), {})
        return "\n".join(f'{key}="{value}"' for key, value in sorted(pairs.items()))
    fields = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": pod.uid,
        "spec.nodeName": pod.node.name,
        "spec.serviceAccountName": pod.spec.get("serviceAccountName", ""),
        "status.podIP": pod.address,
        "status.podIPs": pod.address,
        "status.hostIP": pod.node.address,
    }
    return fields[path]
