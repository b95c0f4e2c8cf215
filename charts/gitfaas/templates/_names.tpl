{{- define "gitfaas.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{/* Leaves room for what is put behind it. */}}
{{- define "gitfaas.fullname" -}}
{{- $name := include "gitfaas.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gitfaas.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gitfaas.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What never changes: selectors and volume claims cannot. Takes (dict "root" $ "component" NAME). */}}
{{- define "gitfaas.selector" -}}
app.kubernetes.io/name: {{ include "gitfaas.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "gitfaas.labels" -}}
{{ include "gitfaas.selector" . }}
app.kubernetes.io/part-of: gitfaas
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Takes (dict "of" VALUES-OF-AN-IMAGE "tag" DEFAULT). */}}
{{- define "gitfaas.image" -}}
{{- if .of.digest -}}
{{- printf "%s@%s" .of.repository .of.digest -}}
{{- else -}}
{{- printf "%s:%s" .of.repository (default .tag .of.tag) -}}
{{- end -}}
{{- end -}}

{{/* "true" for what YAML, --set and --set-string make of yes; else nothing. */}}
{{- define "gitfaas.yes" -}}
{{- if has (toString . | lower) (list "yes" "true") -}}true{{- end -}}
{{- end -}}

{{/* A number as it was written: Helm reads all of them as floating. */}}
{{- define "gitfaas.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* "true" where the ledger is a file of the one server. */}}
{{- define "gitfaas.embedded" -}}
{{- if not (or .Values.redis.enabled .Values.redis.url) -}}true{{- end -}}
{{- end -}}

{{/* Where the ledger is, but for a file of the one server. */}}
{{- define "gitfaas.store" -}}
{{- if .Values.redis.enabled -}}
redis://{{ include "gitfaas.fullname" . }}-redis:6379/0
{{- else -}}
{{ .Values.redis.url }}
{{- end -}}
{{- end -}}

{{- define "gitfaas.leaveWait" -}}
{{- if include "gitfaas.embedded" . -}}0{{- else -}}{{ int .Values.leaveWait }}{{- end -}}
{{- end -}}

{{- define "gitfaas.url" -}}
http://{{ include "gitfaas.fullname" . }}.{{ .Release.Namespace }}.svc:{{ int .Values.service.port }}
{{- end -}}
