"""pkubelet: a kubelet that runs pods as plain local processes. Standard library only; needs root.

It lives inside the cluster's network namespace, registers fake Nodes, binds pending pods to them, and runs each pod in
network, host name and IPC namespaces of its own (its own 10.244.<node>.<n> address, its own loopback) and each container in
pid and mount namespaces of its own, over an overlay of the host's root that is thrown away. Images are not pulled: a
file maps their names to local commands.

As in the real kubelet: init containers and sidecars, environment (values, fields, secrets, configuration), volumes (secret,
configMap, emptyDir, downwardAPI, projected with service-account tokens) that follow their objects while the pod runs,
readiness, liveness and startup probes (httpGet, tcpSocket, exec; grpc as tcp), readiness gates, restart policies with
CrashLoopBackOff, ErrImagePull for unknown images, postStart and preStop (exec, httpGet, sleep), graceful termination
(preStop, SIGTERM, grace period, SIGKILL, while readiness probes go on), logs through the API server, node leases,
hostNetwork, and ClusterIP Services.

Not there: kubectl exec, attach and port-forward, resources, PersistentVolumeClaims, DNS, ephemeral containers.

Annotations of pods:
  pkubelet/start-delay: "2.5"   seconds before the containers start, as if the image had to be pulled
  pkubelet/node: node-2         bind to that node
"""
