{{/* The pod of a server. */}}
{{- define "gitfaas.pod" -}}
metadata:
  # Not the chart's version: who runs is not restarted for it.
  labels:
    {{- include "gitfaas.selector" (dict "root" $ "component" "server") | nindent 4 }}
    app.kubernetes.io/part-of: gitfaas
    {{- with .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # What is read at the start only.
    checksum/texts: {{ include "gitfaas.texts" . | sha256sum }}
    checksum/redis: {{ include "gitfaas.redisGiven" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "gitfaas.serviceAccount" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  # What is under way has 20 seconds beside the time for callers to leave.
  terminationGracePeriodSeconds: {{ add 20 (include "gitfaas.leaveWait" .) }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if gt (int .Values.replicaCount) 1 }}
  topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "gitfaas.selector" (dict "root" $ "component" "server") | nindent 8 }}
  {{- end }}
  containers:
  - name: gitfaas
    image: {{ include "gitfaas.image" (dict "of" .Values.image "tag" .Chart.AppVersion) | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
    {{- include "gitfaas.arguments" . | nindent 4 }}
    {{- with .Values.extraEnv }}
    env:
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .Values.extraEnvFrom }}
    envFrom:
    {{- toYaml . | nindent 4 }}
    {{- end }}
    ports:
    - name: http
      containerPort: 5000
      protocol: TCP
    startupProbe:
      {{- toYaml .Values.startupProbe | nindent 6 }}
    livenessProbe:
      {{- toYaml .Values.livenessProbe | nindent 6 }}
    readinessProbe:
      {{- toYaml .Values.readinessProbe | nindent 6 }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    volumeMounts:
    - name: data
      mountPath: /var/lib/gitfaas
    - name: tmp
      mountPath: /tmp
    {{- if include "gitfaas.files" . | trim }}
    - name: files
      mountPath: /etc/gitfaas
      readOnly: true
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
  - name: tmp
    emptyDir: {}
  {{- if not (include "gitfaas.claimed" .) }}
  - name: data
    {{- if and (include "gitfaas.embedded" .) .Values.persistence.enabled }}
    persistentVolumeClaim:
      claimName: {{ .Values.persistence.existingClaim }}
    {{- else }}
    emptyDir: {}
    {{- end }}
  {{- end }}
  {{- with include "gitfaas.files" . | trim }}
  - name: files
    projected:
      # For the group of the pod.
      defaultMode: 0440
      sources:
      {{- . | nindent 6 }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* "true" where the StatefulSet makes the claim of the ledger's volume. */}}
{{- define "gitfaas.claimed" -}}
{{- if and (include "gitfaas.embedded" .) .Values.persistence.enabled (not .Values.persistence.existingClaim) -}}true{{- end -}}
{{- end -}}
