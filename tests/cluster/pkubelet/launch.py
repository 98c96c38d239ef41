"""How a container starts: its environment, its command, and the script that gives it a root of its own."""

import os
import re
import shlex

REFERENCE = re.compile(r"\$\((\w+)\)")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def expand(text, environment):
    """$(NAME) becomes the variable's value, where there is one."""
    return REFERENCE.sub(lambda found: environment.get(found.group(1), found.group(0)), text)


def environment(pod, spec, image):
    """All variables of a container."""
    variables = {
        "PATH": PATH,
        "HOME": "/root",
        "HOSTNAME": pod.name,
        "KUBERNETES_SERVICE_HOST": pod.api.host,
        "KUBERNETES_SERVICE_PORT": str(pod.api.port),
        **image.get("env", {}),
    }
    for source in spec.get("envFrom", []):
        for key, kind in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if key in source:
                for name, value in pod.data(kind, source[key]["name"], source[key]).items():
                    variables[source.get("prefix", "") + name] = value.decode()
    own = {}
    for entry in spec.get("env", []):
        own[entry["name"]] = variable(pod, entry, own)
    return {**variables, **own}


def variable(pod, entry, before):
    """One variable; values may refer to those before it."""
    source = entry.get("valueFrom", {})
    if "fieldRef" in source:
        return pod.field(source["fieldRef"]["fieldPath"])
    for key, kind in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
        if key in source:
            return pod.data(kind, source[key]["name"], source[key]).get(source[key]["key"], b"").decode()
    return expand(entry.get("value", ""), before)


def arguments(spec, image, variables):
    """The command line: the container's own, else the image's."""
    if spec.get("command"):
        words = spec["command"] + spec.get("args", [])
    else:
        words = image.get("command", []) + spec.get("args", image.get("args", []))
    return [expand(word, variables) for word in words]


def command(container, image, bin_folder):
    """What to run on the host so that the container runs."""
    pod, spec = container.pod, container.spec
    variables = environment(pod, spec, image)
    root = f"{pod.folder}/{container.name}"
    os.makedirs(root, exist_ok=True)
    outside, inside = mounts(pod, spec)
    folder = spec.get("workingDir") or image.get("workingDir") or "/"
    pairs = [f"{key}={value}" for key, value in variables.items()]
    inside.append(shlex.join(["exec", "env", "-i", "-C", folder, *pairs, *arguments(spec, image, variables)]))
    script = [*root_script(pod, root, bin_folder), *outside, "exec chroot merged " + shlex.join(["sh", "-ec", "\n".join(inside)])]
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", "\n".join(script)]
    return pod.sandbox.enter() + isolated


def root_script(pod, root, bin_folder):
    """An overlay of the host's root: whatever the container writes is gone with it."""
    root, folder = shlex.quote(root), shlex.quote(pod.folder)
    return [
        "set -e",
        f"mount -t tmpfs tmpfs {root}",
        f"cd {root}",
        "mkdir upper work merged",
        "mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work merged",
        "mount --rbind /dev merged/dev",
        "mount -t proc proc merged/proc",
        "mount -t sysfs sysfs merged/sys 2>/dev/null || mount --rbind /sys merged/sys",
        f"echo {shlex.quote(pod.name)} >merged/etc/hostname",
        f"cp {folder}/hosts merged/etc/hosts",
        f"cp {folder}/resolv.conf merged/etc/resolv.conf 2>/dev/null || true",
        # The commands of images lie here, out of the way of what a pod mounts.
        "mkdir -p merged/.bin",
        f"mount --bind {shlex.quote(bin_folder)} merged/.bin",
    ]


def mounts(pod, spec):
    """The lines before and after the change of root that put the volumes in place.

    They are staged under /.v: a path like /var/run is an absolute link, which would lead to the host's own folder.
    """
    outside, inside = [], []
    for number, mount in enumerate(spec.get("volumeMounts", [])):
        source, target, stage = pod.volumes.folder(mount["name"]), mount["mountPath"], f"/.v/{number}"
        if mount.get("subPath"):
            source = f"{source}/{mount['subPath']}"
        target = shlex.quote(target)
        outside += [place(source, "merged" + stage), f"mount --bind {shlex.quote(source)} merged{stage}"]
        inside += [place(source, mount["mountPath"]), f"mount --bind {stage} {target}"]
        if mount.get("readOnly"):
            inside.append(f"mount -o remount,bind,ro {target}")
    return outside, inside


def place(source, target):
    """Makes what the source can be mounted on: a folder or a file."""
    if os.path.isdir(source):
        return f"mkdir -p {shlex.quote(target)}"
    return f"mkdir -p {shlex.quote(os.path.dirname(target))}; touch {shlex.quote(target)}"
