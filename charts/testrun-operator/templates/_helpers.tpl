{{/* The chart's name, as in the label app.kubernetes.io/name. */}}
{{- define "testrun-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of most objects: the release's, and the chart's where the release's does not contain it.
48 characters leave room for the ends of names below within the 63 of a DNS label.
*/}}
{{- define "testrun-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The name of Postgres and of its Secret: RELEASE-postgresql, which people type often. */}}
{{- define "testrun-operator.postgresqlName" -}}
{{- printf "%s-postgresql" (.Values.fullnameOverride | default .Release.Name | trunc 48 | trimSuffix "-") -}}
{{- end -}}

{{- define "testrun-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "testrun-operator.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/*
Labels of every object. `managed-by` is Helm, as Helm demands, and not testrun-operator: by that value the operator
selects what it has made itself.
*/}}
{{- define "testrun-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: testrun-operator
{{ include "testrun-operator.selector" . }}
{{- end -}}

{{/* What Deployment, StatefulSet and Services select by, without the component; may never change between releases. */}}
{{- define "testrun-operator.selector" -}}
app.kubernetes.io/name: {{ include "testrun-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "testrun-operator.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The Secret and key that the operator reads the connection string from; empty without a store. */}}
{{- define "testrun-operator.storeSecret" -}}
{{- if .Values.store.existingSecret.name -}}
name: {{ .Values.store.existingSecret.name }}
key: {{ .Values.store.existingSecret.key }}
{{- if .Values.store.existingSecret.optional }}
optional: true
{{- end }}
{{- else if .Values.postgresql.enabled -}}
name: {{ include "testrun-operator.postgresqlSecret" . }}
key: dsn
{{- end -}}
{{- end -}}

{{- define "testrun-operator.postgresqlSecret" -}}
{{- .Values.postgresql.existingSecret | default (include "testrun-operator.postgresqlName" .) -}}
{{- end -}}

{{/* The namespace that `helm test` starts its TestRun in: one that the operator watches. */}}
{{- define "testrun-operator.trialNamespace" -}}
{{- if or (empty .Values.watchNamespaces) (has .Release.Namespace .Values.watchNamespaces) -}}
{{- .Release.Namespace -}}
{{- else -}}
{{- first .Values.watchNamespaces -}}
{{- end -}}
{{- end -}}

{{/* What the Pod Security Standard "restricted" asks of a pod. Takes the user's id. */}}
{{- define "testrun-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* What it asks of a container; and nothing is written but to volumes. */}}
{{- define "testrun-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "testrun-operator.pullSecrets" -}}
{{- with . }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where a pod may run, from the values of its group. */}}
{{- define "testrun-operator.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
