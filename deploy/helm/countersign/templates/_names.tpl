{{- define "countersign.name" -}}
{{- if contains "countersign" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-countersign" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "countersign.selector" -}}
app.kubernetes.io/name: countersign
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "countersign.labels" -}}
{{ include "countersign.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* The name under which a pod is reached: by its peers, and by joining nodes. */ -}}
{{- define "countersign.host" -}}
{{- $name := include "countersign.name" .root -}}
{{ printf "%s-%d.%s-peers.%s.svc.%s" $name (int .number) $name .root.Release.Namespace .root.Values.cluster.domain }}
{{- end -}}
