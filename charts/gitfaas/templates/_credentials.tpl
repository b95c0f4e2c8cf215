{{/* The Secret that holds the password of the Redis, if there is one. */}}
{{- define "gitfaas.redisSecret" -}}
{{- if .Values.redis.auth.existingSecret -}}
{{- .Values.redis.auth.existingSecret -}}
{{- else if or .Values.redis.enabled (and .Values.redis.url (include "gitfaas.redisGiven" .)) -}}
{{- include "gitfaas.fullname" . }}-redis
{{- end -}}
{{- end -}}

{{- define "gitfaas.redisSecretKey" -}}
{{- .Values.redis.auth.existingSecret | empty | ternary "password" .Values.redis.auth.existingSecretKey -}}
{{- end -}}

{{/* The password that was given. The one that stands in many copies of a README is none. */}}
{{- define "gitfaas.redisGiven" -}}
{{- if ne .Values.redis.auth.password "redacted" -}}{{ .Values.redis.auth.password }}{{- end -}}
{{- end -}}

{{/* One folder with everything that gitfaas reads beside its ledger. What changes in a Secret changes there. */}}
{{- define "gitfaas.files" -}}
{{- $git := .Values.app.git -}}
{{- $name := include "gitfaas.fullname" . -}}
{{- if include "gitfaas.yes" $git.sshKey.usePrivateKey }}
- secret:
    name: {{ $git.sshKey.privKeySecretName }}
    items:
    - {key: id_rsa, path: ssh-key}
    {{- with $git.sshKey.passphraseSecretKey }}
    - {key: {{ . | quote }}, path: ssh-passphrase}
    {{- end }}
{{- else if $git.http.existingSecret }}
{{ include "gitfaas.file" (dict "kind" "secret" "name" $git.http.existingSecret "key" $git.http.existingSecretKey "path" "git-token") }}
{{- else if $git.http.personalToken }}
{{ include "gitfaas.file" (dict "kind" "secret" "name" $name "key" "git-token" "path" "git-token") }}
{{- end }}
{{- if $git.webhook.existingSecret }}
{{ include "gitfaas.file" (dict "kind" "secret" "name" $git.webhook.existingSecret "key" $git.webhook.existingSecretKey "path" "webhook-secret") }}
{{- else if $git.webhook.secret }}
{{ include "gitfaas.file" (dict "kind" "secret" "name" $name "key" "webhook-secret" "path" "webhook-secret") }}
{{- end }}
{{- with $git.ca.existingConfigMap }}
{{ include "gitfaas.file" (dict "kind" "configMap" "name" . "key" $git.ca.existingConfigMapKey "path" "git-ca.pem") }}
{{- end }}
{{- if include "gitfaas.texts" . }}
- configMap:
    name: {{ $name }}
{{- end }}
{{- if not (include "gitfaas.embedded" .) }}
{{- with include "gitfaas.redisSecret" . }}
{{ include "gitfaas.file" (dict "kind" "secret" "name" . "key" (include "gitfaas.redisSecretKey" $) "path" "redis-password") }}
{{- end }}
{{- if not .Values.redis.enabled }}
{{- with .Values.redis.sentinelAuth.existingSecret }}
{{ include "gitfaas.file" (dict "kind" "secret" "name" . "key" $.Values.redis.sentinelAuth.existingSecretKey "path" "sentinel-password") }}
{{- end }}
{{- with .Values.redis.ca.existingConfigMap }}
{{ include "gitfaas.file" (dict "kind" "configMap" "name" . "key" $.Values.redis.ca.existingConfigMapKey "path" "redis-ca.pem") }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "gitfaas.file" -}}
- {{ .kind }}:
    name: {{ .name }}
    items:
    - {key: {{ .key | quote }}, path: {{ .path }}}
{{- end -}}

{{/* What is no secret, and given as text. */}}
{{- define "gitfaas.texts" -}}
{{- $git := .Values.app.git -}}
{{- if and (include "gitfaas.yes" $git.sshKey.usePrivateKey) $git.sshKey.knowHostMultiLine }}
known_hosts: {{ $git.sshKey.knowHostMultiLine | trim | printf "%s\n" | quote }}
{{- end }}
{{- if and $git.ca.pem (not $git.ca.existingConfigMap) }}
git-ca.pem: {{ $git.ca.pem | quote }}
{{- end }}
{{- with $git.signers }}
signers: {{ . | trim | printf "%s\n" | quote }}
{{- end }}
{{- if and .Values.redis.ca.pem (not .Values.redis.ca.existingConfigMap) (not .Values.redis.enabled) }}
redis-ca.pem: {{ .Values.redis.ca.pem | quote }}
{{- end }}
{{- end -}}
