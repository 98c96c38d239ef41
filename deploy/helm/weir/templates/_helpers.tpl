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
