"""The process kubelet of this cluster does what the real one does; no proxy is in it."""

import time

from support.kube import is_true

# What a kubelet must get right: each pod is one thing.
PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec:
  containers: [{name: c, image: local/sh, command: [sh, -c, "echo started; exit 3"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec:
  terminationGracePeriodSeconds: 2
  containers: [{name: c, image: local/sh, command: [sh, -c, "trap '' TERM; while :; do sleep 1; done"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: liveness}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: local/sh
    command: [sleep, "1000"]
    livenessProbe: {exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 2}
---
apiVersion: v1
kind: Pod
metadata: {name: gated}
spec:
  readinessGates: [{conditionType: example.test/gate}]
  initContainers:
  - {name: first, image: local/sh, command: [sh, -c, "echo from init >/shared/x"], volumeMounts: [{name: shared, mountPath: /shared}]}
  - {name: side, image: local/sh, restartPolicy: Always, command: [sleep, "1000"]}
  containers:
  - {name: c, image: local/sh, command: [sh, -c, "cat /shared/x; sleep 1000"], volumeMounts: [{name: shared, mountPath: /shared}]}
  volumes: [{name: shared, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: no-image}
spec:
  containers: [{name: c, image: "not/known:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: files, labels: {role: preview}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: local/sh
    # One line for each content: a reader never sees half of a change.
    command:
    - sh
    - -c
    - |
      while :; do
        now="$$(cat /labels/role)|$$(cat /config/key 2>&1)|$$(cat /secret/key)"
        [ "$$now" = "$$before" ] || echo "$$now"
        before=$$now
        sleep 0.05
      done
    volumeMounts: [{name: labels, mountPath: /labels}, {name: config, mountPath: /config}, {name: secret, mountPath: /secret}]
  volumes:
  - {name: labels, downwardAPI: {items: [{path: role, fieldRef: {fieldPath: "metadata.labels['role']"}}]}}
  - {name: config, configMap: {name: late}}
  - {name: secret, projected: {sources: [{secret: {name: late}}]}}
"""

# Made after the pod that asks for them, as in life.
LATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: late}
data: {key: "$config"}
---
apiVersion: v1
kind: Secret
metadata: {name: late}
stringData: {key: "$secret"}
"""


def run(scenario):
    scenario.apply(PODS)
    scenario.apply(LATE, config="c1", secret="s1")
    restarts_and_gates(scenario)
    seconds = changing_files(scenario)
    fewest = rolling_update(scenario)
    return f"files followed their objects within {seconds:.1f} s, a rolling update kept {fewest} of 3 endpoints ready"


def restarts_and_gates(scenario):
    kube = scenario.kube

    def container(pod):
        return pod.get("status", {}).get("containerStatuses", [{}])[0]

    kube.wait("pods", "crash", lambda pod: container(pod).get("restartCount", 0) >= 2, 30, "crash loop")
    kube.wait("pods", "liveness", lambda pod: container(pod).get("restartCount", 0) >= 1, 30, "restart by liveness")
    kube.wait("pods", "no-image", lambda pod: "ImagePull" in str(container(pod).get("state")), 10, "no image")
    kube.wait("pods", "gated", lambda pod: is_true(pod, "ContainersReady") and not is_true(pod, "Ready"), 20, "gated")
    gate = {"status": {"conditions": [{"type": "example.test/gate", "status": "True"}]}}
    path = kube.path("pods", "gated") + "/status"
    kube.api.req("PATCH", path, gate, "application/strategic-merge-patch+json")
    kube.wait("pods", "gated", lambda pod: is_true(pod, "Ready"), 10, "gate open")
    if "from init" not in kube.kubectl("logs", "gated", "-c", "c"):
        raise AssertionError("the init container's file did not reach the main one")
    start = time.monotonic()
    kube.delete("pods", "stubborn")
    kube.wait_gone("pods", "stubborn", 10)
    if time.monotonic() - start < 2:
        raise AssertionError("a pod that ignores SIGTERM did not get its grace period")


def changing_files(scenario):
    """Labels, a ConfigMap and a Secret change while the pod runs; the seconds until all were seen."""
    kube = scenario.kube

    def lines():
        return kube.kubectl("logs", "files").splitlines()

    scenario.wait_until(lambda: lines()[-1:] == ["preview|c1|s1"], 20, "the first contents")
    start = time.monotonic()
    kube.patch("pods", "files", {"metadata": {"labels": {"role": "production"}}})
    scenario.apply(LATE, config="c2", secret="s2")
    scenario.wait_until(lambda: lines()[-1:] == ["production|c2|s2"], 10, lambda: f"the new contents: {lines()}")
    seconds = time.monotonic() - start
    if any("No such file" in line for line in lines()):
        raise AssertionError(f"a file was missing while it changed: {lines()}")
    return seconds


def rolling_update(scenario):
    """V1 to V2 through a ClusterIP; the fewest ready endpoints on the way."""
    kube = scenario.kube
    scenario.backend("shop", "v1", replicas=3)
    load = scenario.load(kube.service_address("shop"), "shop", fresh=True)
    fewest = [3]

    def finished():
        slices = kube.list("endpointslices", selector="kubernetes.io/service-name=shop")
        endpoints = [each for found in slices for each in found.get("endpoints") or []]
        fewest[0] = min(fewest[0], sum(bool(each["conditions"].get("ready")) for each in endpoints))
        status = kube.get("deployments", "shop")["status"]
        return status.get("observedGeneration", 0) >= 2 and len(endpoints) == 3 and status.get("updatedReplicas") == 3

    kube.kubectl("set", "env", "deployment/shop", "CHANGED=1")
    scenario.wait_until(finished, 60, "the rolling update")
    load.versions_during(0.5)
    return fewest[0]
