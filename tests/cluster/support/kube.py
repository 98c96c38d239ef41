"""The cluster as a scenario sees it: objects by resource and name, straight over the API."""

import os
import subprocess

from pkubelet.api import MERGE, Api, ApiError

from .waiting import wait_until

# Where each resource lives; a new kind that a scenario uses is added here.
GROUPS = {
    "configmaps": "/api/v1",
    "events": "/api/v1",
    "namespaces": "/api/v1",
    "pods": "/api/v1",
    "secrets": "/api/v1",
    "services": "/api/v1",
    "serviceaccounts": "/api/v1",
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "ingresses": "/apis/networking.k8s.io/v1",
    "ingressclasses": "/apis/networking.k8s.io/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "apiservices": "/apis/apiregistration.k8s.io/v1",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
    "gatewayclasses": "/apis/gateway.networking.k8s.io/v1",
    "gateways": "/apis/gateway.networking.k8s.io/v1",
    "httproutes": "/apis/gateway.networking.k8s.io/v1",
    "grpcroutes": "/apis/gateway.networking.k8s.io/v1",
    "tcproutes": "/apis/gateway.networking.k8s.io/v1",
    "tlsroutes": "/apis/gateway.networking.k8s.io/v1",
    "analysisruns": "/apis/argoproj.io/v1alpha1",
    "rollouts": "/apis/argoproj.io/v1alpha1",
    "canaries": "/apis/flagger.app/v1beta1",
    "scaledobjects": "/apis/keda.sh/v1alpha1",
    "trafficsplits": "/apis/split.smi-spec.io/v1alpha1",
    "splits": "/apis/weir.dev/v1alpha1",
}
CLUSTER_WIDE = {
    "apiservices",
    "clusterroles",
    "customresourcedefinitions",
    "gatewayclasses",
    "ingressclasses",
    "namespaces",
}


class Kube:
    """The API server with one namespace as the default."""

    def __init__(self, kubeconfig, namespace, kubectl="kubectl"):
        self.api = Api(kubeconfig)
        self.kubeconfig, self.namespace, self.program = kubeconfig, namespace, kubectl

    def path(self, resource, name="", namespace=None):
        """The path of a resource, or of one object of it."""
        scope = "" if resource in CLUSTER_WIDE else f"/namespaces/{namespace or self.namespace}"
        return f"{GROUPS[resource]}{scope}/{resource}" + (f"/{name}" if name else "")

    def get(self, resource, name, namespace=None):
        """The object, or None when there is none."""
        try:
            return self.api.req("GET", self.path(resource, name, namespace))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, resource, namespace=None, selector=""):
        query = f"?labelSelector={selector}" if selector else ""
        return self.api.req("GET", self.path(resource, namespace=namespace) + query)["items"]

    def patch(self, resource, name, change, namespace=None, content_type=MERGE):
        """A merge patch, or another one by its content type."""
        return self.api.req("PATCH", self.path(resource, name, namespace), change, content_type)

    def create(self, resource, thing, namespace=None):
        return self.api.req("POST", self.path(resource, namespace=namespace), thing)

    def delete(self, resource, name, namespace=None, grace=None):
        """Deletes the object if it is there."""
        options = None if grace is None else {"gracePeriodSeconds": grace}
        try:
            self.api.req("DELETE", self.path(resource, name, namespace), options)
        except ApiError as error:
            if error.code != 404:
                raise

    def delete_all(self, resource, namespace):
        """Deletes all objects of a kind, if there is such a kind."""
        try:
            self.api.req("DELETE", self.path(resource, namespace=namespace))
        except ApiError as error:
            if error.code != 404:
                raise

    def kubectl(self, *arguments, stdin=None, namespace=None):
        """Runs kubectl, whose arguments are those of a user; its output."""
        where = self.namespace if namespace is None else namespace
        command = [self.program, "--kubeconfig", self.kubeconfig, "--namespace", where, *arguments]
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False, env=self.environment())
        if done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def environment(self):
        """kubectl finds its plugins beside itself, and needs its kubeconfig before their name."""
        path = os.path.dirname(self.program) + os.pathsep + os.environ["PATH"]
        return {**os.environ, "PATH": path, "KUBECONFIG": self.kubeconfig}

    def plugin(self, name, *arguments):
        """Runs a plugin of kubectl, such as "argo rollouts"; its output."""
        command = [self.program, *name.split(), *arguments, "--namespace", self.namespace]
        done = subprocess.run(command, text=True, capture_output=True, check=False, env=self.environment())
        if done.returncode != 0:
            raise AssertionError(f"kubectl {name} {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def apply(self, manifests, namespace=None):
        """Server-side apply of YAML documents; objects that name no namespace go to the default one.

        With the namespace "" each object names its own.
        """
        return self.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests, namespace=namespace
        )

    def wait(self, resource, name, predicate, timeout, what, namespace=None):
        """Waits until the object is there and fits; the object."""
        seen = {}

        def fits():
            seen["object"] = self.get(resource, name, namespace)
            return seen["object"] if seen["object"] and predicate(seen["object"]) else None

        def told():
            status = (seen.get("object") or {}).get("status", "absent")
            about = what() if callable(what) else what
            return f"{about}; {resource}/{name} has status {str(status)[:600]}"

        return wait_until(fits, timeout, told)

    def wait_gone(self, resource, name, timeout, namespace=None):
        wait_until(lambda: self.get(resource, name, namespace) is None, timeout, f"{resource}/{name} gone")

    def wait_event(self, kind, name, *words, timeout=30):
        """Waits for an Event on the object whose reason or message has all these words; the message."""
        seen = []

        def told():
            events = self.list("events")
            about = [event for event in events if event["involvedObject"].items() >= {"kind": kind, "name": name}.items()]
            seen[:] = [f"{event.get('reason')}: {event.get('message')}" for event in about]
            return next((text for text in seen if all(word in text for word in words)), None)

        return wait_until(told, timeout, lambda: f"an Event on {kind} {name} with {words}; there are {seen}")

    def ensure_namespace(self, name):
        """Makes the namespace, and waits for what pods in it need."""
        if self.get("namespaces", name) is None:
            self.api.req("POST", self.path("namespaces"), {"metadata": {"name": name}})
        wait_until(lambda: self.get("serviceaccounts", "default", name), 20, f"service account of {name}")

    def wait_available(self, deployment, timeout=60, namespace=None):
        """Waits until every replica of the newest template is available and no other is left."""
        return self.wait("deployments", deployment, fully_available, timeout, f"{deployment} available", namespace)

    def service_address(self, name, namespace=None):
        return self.get("services", name, namespace)["spec"]["clusterIP"]

    def behind(self, address, port):
        """Where the ready pods serve what clients ask at this port of a cluster address, as pairs of address and port."""
        services = self.api.req("GET", f"/api/v1/services?fieldSelector=spec.clusterIP={address}")["items"]
        found = []
        for service in services:
            name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
            names = {known["port"]: known.get("name") for known in service["spec"]["ports"]}
            if port not in names:
                continue
            for each in self.list("endpointslices", namespace, f"kubernetes.io/service-name={name}"):
                at = next((known["port"] for known in each.get("ports") or [] if (known.get("name") or None) == names[port]), None)
                ready = [endpoint for endpoint in each.get("endpoints") or [] if endpoint["conditions"]["ready"]]
                found += [(endpoint["addresses"][0], at) for endpoint in ready if at]
        return found


def fully_available(deployment):
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return (
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
    )


def condition(thing, name):
    """The condition of that name in an object or a parent's status, or None."""
    # A definition that is brand-new has conditions, but none in them.
    conditions = thing.get("conditions") or (thing.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == name), None)


def is_true(thing, name):
    found = condition(thing, name)
    return bool(found) and found["status"] == "True"
