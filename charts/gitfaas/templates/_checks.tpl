{{/* What the schema cannot say. */}}
{{- define "gitfaas.checks" -}}
{{- $git := .Values.app.git -}}
{{- if not $git.url -}}
{{- fail "app.git.url is missing, the repository of your functions: --set app.git.url=https://HOST/PATH" -}}
{{- end -}}
{{- if and (include "gitfaas.yes" $git.sshKey.usePrivateKey) (include "gitfaas.yes" $git.sshKey.strictHostKeyChecking) (not $git.sshKey.knowHostMultiLine) -}}
{{- fail "app.git.sshKey.knowHostMultiLine is missing, the host keys of the Git server: see docs/git.md, or set app.git.sshKey.strictHostKeyChecking=no for a look" -}}
{{- end -}}
{{- range $name, $of := dict "ingress" .Values.ingress "httpRoute" .Values.httpRoute -}}
{{- if and $of.enabled (not $of.allowUnauthenticated) -}}
{{- range $path := $of.paths -}}
{{- if not (hasPrefix "/webhooks/" $path) -}}
{{- fail (printf "%s.paths has %s, where everybody could publish: put something before it that asks who is there, and set %s.allowUnauthenticated=true" $name $path $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
