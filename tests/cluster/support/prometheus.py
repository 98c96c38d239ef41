"""Debian's Prometheus as a pod that scrapes the proxy."""

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: prometheus}
data:
  prometheus.yml: |
    global: {scrape_interval: 1s}
    scrape_configs:
    - job_name: weir
      honor_labels: true
      static_configs: [{targets: [$targets]}]
---
apiVersion: v1
kind: Service
metadata: {name: prometheus}
spec: {selector: {app: prometheus}, ports: [{port: 9090}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: prometheus}
spec:
  selector: {matchLabels: {app: prometheus}}
  template:
    metadata: {labels: {app: prometheus}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: prometheus
        image: prometheus:test
        args: [--config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/data]
        ports: [{name: http, containerPort: 9090}]
        readinessProbe: {httpGet: {path: /-/ready, port: http}, periodSeconds: 1}
        volumeMounts: [{name: config, mountPath: /etc/prometheus}, {name: data, mountPath: /data}]
      volumes: [{name: config, configMap: {name: prometheus}}, {name: data, emptyDir: {}}]
"""


def prometheus_up(scenario, weir):
    """Starts it; its address. Debian's is built without service discovery, so the replicas are listed."""
    targets = ", ".join(f'"{pod["status"]["podIP"]}:9902"' for pod in weir.pods())
    scenario.apply(MANIFEST, targets=targets)
    scenario.kube.wait_available("prometheus", 60)
    return f"http://{scenario.kube.service_address('prometheus')}:9090"
