"""prometheus-adapter in a scenario's namespace: it serves custom.metrics.k8s.io by the rules of a ConfigMap."""

import string

from .kube import is_true

# Whom the API server speaks for is told in a ConfigMap of kube-system.
READER = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: prometheus-adapter-auth-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{kind: ServiceAccount, name: prometheus-adapter, namespace: $namespace}]
"""

# It asks Prometheus more often what there is than it does by default, every ten minutes.
MANIFEST = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus-adapter}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "prometheus-adapter:system:auth-delegator"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator}
subjects: [{kind: ServiceAccount, name: prometheus-adapter, namespace: $namespace}]
---
apiVersion: v1
kind: Service
metadata: {name: prometheus-adapter}
spec: {selector: {app: prometheus-adapter}, ports: [{name: https, port: 443, targetPort: https}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: prometheus-adapter}
spec:
  selector: {matchLabels: {app: prometheus-adapter}}
  template:
    metadata: {labels: {app: prometheus-adapter}}
    spec:
      serviceAccountName: prometheus-adapter
      containers:
      - name: prometheus-adapter
        image: registry.k8s.io/prometheus-adapter/prometheus-adapter:test
        args:
        - --cert-dir=/tmp/cert
        - --secure-port=6443
        - --config=/etc/adapter/config.yaml
        - --prometheus-url=$prometheus
        - --metrics-relist-interval=2s
        - --metrics-max-age=10s
        ports: [{name: https, containerPort: 6443}]
        readinessProbe: {httpGet: {scheme: HTTPS, path: /readyz, port: https}, periodSeconds: 1}
        volumeMounts: [{name: config, mountPath: /etc/adapter}]
      volumes: [{name: config, configMap: {name: $rules}}]
"""

API_NAME = "v1beta2.custom.metrics.k8s.io"
API = """\
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta2.custom.metrics.k8s.io}
spec:
  service: {name: prometheus-adapter, namespace: $namespace}
  group: custom.metrics.k8s.io
  version: v1beta2
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 200
"""


def adapter_up(scenario, prometheus, rules):
    """Starts it with the rules in the ConfigMap of that name, and has the API server ask it, for as long as the scenario lasts."""
    scenario.kube.apply(string.Template(READER).substitute(namespace=scenario.namespace), "kube-system")
    scenario.apply(MANIFEST, prometheus=prometheus, rules=rules)
    scenario.kube.wait_available("prometheus-adapter", 60)
    # No namespace ends while nobody serves it.
    scenario.at_end(lambda: scenario.kube.delete("apiservices", API_NAME))
    scenario.apply(API)
    scenario.kube.wait("apiservices", API_NAME, lambda found: is_true(found, "Available"), 30, "the adapter's API")
