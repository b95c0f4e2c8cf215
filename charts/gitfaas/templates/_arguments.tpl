{{/* The settings that have values of their own, each with the value's name. */}}
{{- define "gitfaas.taken" -}}
listen: app.listenAddress
data: persistence
dir: app.git.url
cluster: none
grace: none
base-url: app.baseUrl
poll: app.git.pollingInterval
git-url: app.git.url
git-user: app.git.userName
git-branch: app.git.pullBranch
git-tag: app.git.tag
git-commit: app.git.commit
git-token-file: app.git.http
git-ca-file: app.git.ca
git-plain-http: app.git.http.plainHttp
git-ssh-key: app.git.sshKey
git-ssh-passphrase-file: app.git.sshKey.passphraseSecretKey
git-known-hosts: app.git.sshKey.knowHostMultiLine
git-strict-host-keys: app.git.sshKey.strictHostKeyChecking
git-signers: app.git.signers
webhook-secret-file: app.git.webhook
config-path: app.apply.configurationPath
banned-kinds: app.apply.bannedKubeRessources
pod-policy: app.apply.podPolicy
namespace: rbac.scope
namespaces: rbac.namespaces
store: redis
redis-user: redis.auth.username
redis-password-file: redis.auth
sentinel-password-file: redis.sentinelAuth
redis-ca-file: redis.ca
redis-prefix: redis.prefix
leave-wait: leaveWait
log: app.apply.logLevel and app.git.logLevel
log-format: app.logFormat
{{- end -}}

{{/* What `gitfaas serve` is started with. Credentials are named by their files. */}}
{{- define "gitfaas.arguments" -}}
- serve
- {{ printf "--listen=%s:5000" .Values.app.listenAddress | quote }}
- {{ printf "--base-url=%s" (default (include "gitfaas.url" .) .Values.app.baseUrl) | quote }}
- --data=/var/lib/gitfaas
{{ include "gitfaas.gitArguments" . }}
{{- if include "gitfaas.embedded" . | not }}
{{ include "gitfaas.redisArguments" . }}
{{- end }}
- {{ printf "--leave-wait=%ss" (include "gitfaas.leaveWait" .) | quote }}
- {{ printf "--config-path=%s" .Values.app.apply.configurationPath | quote }}
- {{ printf "--banned-kinds=%s" .Values.app.apply.bannedKubeRessources | quote }}
- {{ printf "--pod-policy=%s" (eq (toString .Values.app.apply.podPolicy) "false" | ternary "off" .Values.app.apply.podPolicy) | quote }}
{{- if eq .Values.rbac.scope "clusterWide" }}
- "--namespaces=*"
{{- else if .Values.rbac.namespaces }}
- {{ printf "--namespaces=%s" (join "," .Values.rbac.namespaces) | quote }}
{{- end }}
- {{ printf "--log=%s,gitfaas_server::source=%s" (lower .Values.app.apply.logLevel) (lower .Values.app.git.logLevel) | quote }}
- {{ printf "--log-format=%s" .Values.app.logFormat | quote }}
{{- $taken := include "gitfaas.taken" . | fromYaml }}
{{- range $name, $value := .Values.app.settings }}
{{- with get $taken $name }}
{{- fail (printf "app.settings.%s: this setting is made of the value %s" $name .) }}
{{- end }}
{{- range $one := kindIs "slice" $value | ternary $value (list $value) }}
- {{ printf "--%s=%s" $name (include "gitfaas.text" $one) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "gitfaas.gitArguments" -}}
{{- $git := .Values.app.git -}}
- {{ printf "--git-url=%s" $git.url | quote }}
{{- with coalesce $git.userName $git.username }}
- {{ printf "--git-user=%s" . | quote }}
{{- end }}
{{- if $git.commit }}
- {{ printf "--git-commit=%s" $git.commit | quote }}
{{- else if $git.tag }}
- {{ printf "--git-tag=%s" $git.tag | quote }}
{{- else }}
- {{ printf "--git-branch=%s" $git.pullBranch | quote }}
{{- end }}
- {{ printf "--poll=%s" (eq (toString $git.pollingInterval) "false" | ternary "off" (include "gitfaas.text" $git.pollingInterval)) | quote }}
{{- if include "gitfaas.yes" $git.sshKey.usePrivateKey }}
- --git-ssh-key=/etc/gitfaas/ssh-key
{{- if $git.sshKey.passphraseSecretKey }}
- --git-ssh-passphrase-file=/etc/gitfaas/ssh-passphrase
{{- end }}
{{- if $git.sshKey.knowHostMultiLine }}
- --git-known-hosts=/etc/gitfaas/known_hosts
{{- end }}
- {{ printf "--git-strict-host-keys=%s" (include "gitfaas.yes" $git.sshKey.strictHostKeyChecking | empty | ternary "no" "yes") | quote }}
{{- else }}
{{- if or $git.http.existingSecret $git.http.personalToken }}
- --git-token-file=/etc/gitfaas/git-token
{{- end }}
{{- if or $git.ca.existingConfigMap $git.ca.pem }}
- --git-ca-file=/etc/gitfaas/git-ca.pem
{{- end }}
{{- if include "gitfaas.yes" $git.http.plainHttp }}
- --git-plain-http=yes
{{- end }}
{{- end }}
{{- if $git.signers }}
- --git-signers=/etc/gitfaas/signers
{{- end }}
{{- if or $git.webhook.existingSecret $git.webhook.secret }}
- --webhook-secret-file=/etc/gitfaas/webhook-secret
{{- end }}
{{- end -}}

{{- define "gitfaas.redisArguments" -}}
{{- $redis := .Values.redis -}}
- {{ printf "--store=%s" (include "gitfaas.store" .) | quote }}
- {{ printf "--redis-prefix=%s" $redis.prefix | quote }}
{{- if include "gitfaas.redisSecret" . }}
- --redis-password-file=/etc/gitfaas/redis-password
{{- end }}
{{- if not $redis.enabled }}
{{- with $redis.auth.username }}
- {{ printf "--redis-user=%s" . | quote }}
{{- end }}
{{- if $redis.sentinelAuth.existingSecret }}
- --sentinel-password-file=/etc/gitfaas/sentinel-password
{{- end }}
{{- if or $redis.ca.existingConfigMap $redis.ca.pem }}
- --redis-ca-file=/etc/gitfaas/redis-ca.pem
{{- end }}
{{- end }}
{{- end -}}
