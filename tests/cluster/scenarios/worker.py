"""The example stateful-worker: a preview takes no work of production until it is promoted, without a restart."""

from support.argo import Rollout, argo_up

SIDE_BY_SIDE = True

TAKES = "takes work from the queue"


def run(scenario):
    argo_up(scenario)
    scenario.example("stateful-worker")
    rollout = Rollout(scenario, name="worker")
    rollout.wait_phase("Healthy")
    wait_lines(scenario, "v1", 4, [f"v1 {TAKES} production"])
    path = "/spec/template/spec/containers/0/env/0/value"
    change = [{"op": "replace", "path": path, "value": "v2"}]
    scenario.kube.patch("rollouts", "worker", change, content_type="application/json-patch+json")
    rollout.wait_paused(1)
    preview = f"v2 {TAKES} preview"
    (pod,) = wait_lines(scenario, "v2", 1, [preview])
    rollout.promote()
    rollout.wait_phase("Healthy")
    pods = wait_lines(scenario, "v2", 4, None)
    told = lines(scenario, pod)
    if pod not in pods or told != [preview, f"v2 {TAKES} production"]:
        raise AssertionError(f"the pod of the preview should have moved to production: {told}")
    restarts = sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in workers(scenario, "v2"))
    if restarts:
        raise AssertionError(f"{restarts} restarts")
    return "the pod of the preview moved to the production queue when promoted, 0 restarts"


def workers(scenario, version):
    pods = scenario.kube.list("pods", selector="app=worker")
    return [pod for pod in pods if pod["spec"]["containers"][0]["env"][0]["value"] == version]


def lines(scenario, name):
    return scenario.kube.kubectl("logs", name).splitlines()


def wait_lines(scenario, version, count, expected):
    """Waits until so many pods of the version have told these lines, or end with production; their names."""
    seen = {}

    def told():
        seen.clear()
        for pod in workers(scenario, version):
            seen[pod["metadata"]["name"]] = lines(scenario, pod["metadata"]["name"])
        fits = [own == expected if expected else own[-1:] == [f"{version} {TAKES} production"] for own in seen.values()]
        return len(fits) == count and all(fits)

    scenario.wait_until(told, 60, lambda: f"{count} pods of {version} with {expected or 'production last'}: {seen}")
    return list(seen)
