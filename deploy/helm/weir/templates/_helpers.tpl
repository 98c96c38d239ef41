{{- define "weir.labels" -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The seconds of a duration like 500ms, 5s, 2m or 1h, rounded up. */}}
{{- define "weir.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- if hasSuffix "ms" . -}}{{ div (add $number 999) 1000 }}
{{- else if hasSuffix "m" . -}}{{ mul $number 60 }}
{{- else if hasSuffix "h" . -}}{{ mul $number 3600 }}
{{- else -}}{{ $number }}
{{- end -}}
{{- end -}}

{{/* preStop, then shutdown.delay, then shutdown.timeout (the program's own defaults where they are not given), and 5 s. */}}
{{- define "weir.graceSeconds" -}}
{{- $shutdown := .Values.config.shutdown | default dict -}}
{{- $delay := include "weir.seconds" ($shutdown.delay | default "5s") | int -}}
{{- $timeout := include "weir.seconds" ($shutdown.timeout | default "60s") | int -}}
{{- add .Values.preStopSeconds $delay $timeout 5 -}}
{{- end -}}

{{/* What the proxy may do with kinds that belong to no namespace, and what is asked of the cluster. */}}
{{- define "weir.clusterRules" -}}
# Read, never written. Of namespaces only the metadata is asked for, which RBAC cannot express.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [list, watch]
# Read, and told by status how they are served. Before that each is read anew: somebody may have changed it.
- apiGroups: [gateway.networking.k8s.io]
  resources: [gatewayclasses]
  verbs: [get, list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gatewayclasses/status]
  verbs: [patch]
# Whether whoever calls the port "peers" is another replica.
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
{{- end -}}

{{/* What it may do in each namespace that it looks at, or in all of them. */}}
{{- define "weir.namespaceRules" -}}
# Read, never written. Of pods and ReplicaSets only the metadata is asked for, which RBAC cannot express.
- apiGroups: [""]
  resources: [pods, services]
  verbs: [list, watch]
# Lists and watches ask for the metadata of these only; those that a Gateway, Ingress or Split refers to are then read.
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [referencegrants]
  verbs: [list, watch]
- apiGroups: [argoproj.io]
  resources: [rollouts]
  verbs: [list, watch]
- apiGroups: [specs.smi-spec.io]
  resources: [httproutegroups]
  verbs: [list, watch]
# Read, and told by status or Event how they are served. Before that each is read anew: somebody may have changed it.
- apiGroups: [split.smi-spec.io]
  resources: [trafficsplits]
  verbs: [get, list, watch]
- apiGroups: [weir.dev]
  resources: [splits]
  verbs: [get, list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways, grpcroutes, httproutes]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
- apiGroups: [weir.dev]
  resources: [splits/status]
  verbs: [patch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways/status, grpcroutes/status, httproutes/status]
  verbs: [patch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
# What an operator must know stands at the object that it is about.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
