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
{{- /* Helm allows dots in the name of a release, Kubernetes none in that of a Service. */ -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- if contains $name $release -}}
{{- $release | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" $release $name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The name of Postgres and of its Secret: RELEASE-postgresql, which people type often. */}}
{{- define "testrun-operator.postgresqlName" -}}
{{- printf "%s-postgresql" (.Values.fullnameOverride | default .Release.Name | replace "." "-" | trunc 48 | trimSuffix "-") -}}
{{- end -}}

{{- define "testrun-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "testrun-operator.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/*
The chart's own labels of every object. `managed-by` is Helm, as Helm demands, and not testrun-operator: by that value the
operator selects what it has made itself.
*/}}
{{- define "testrun-operator.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: testrun-operator
{{ include "testrun-operator.selector" . }}
{{- end -}}

{{/* Labels of every object: those above, and of commonLabels those that are none of them. */}}
{{- define "testrun-operator.labels" -}}
{{- include "testrun-operator.check" . -}}
{{- /* The component is written by each template itself. */ -}}
{{- merge (include "testrun-operator.ownLabels" . | fromYaml) (omit .Values.commonLabels "app.kubernetes.io/component") | toYaml -}}
{{- end -}}

{{/*
Labels of a pod. Takes the context, labels of the chart as a map, and those of the values' group; whatever the values say,
the chart's win, since Services and Deployments select by them.
*/}}
{{- define "testrun-operator.podLabels" -}}
{{- $context := index . 0 -}}
{{- merge (dict) (index . 1) (index . 2) $context.Values.commonLabels | toYaml -}}
{{- end -}}

{{/*
What the schema of the values cannot say. Every object includes it by way of its labels, so that the message is there
whichever template comes first.
*/}}
{{- define "testrun-operator.check" -}}
{{- range $group := list "cases" "security" "service" "commonLabels" -}}
{{- if not (hasKey $.Values $group) -}}
{{- fail (printf "the values are those of an older release of this chart, which knew no %s: with `helm upgrade`, use --reset-then-reuse-values in place of --reuse-values" $group) -}}
{{- end -}}
{{- end -}}
{{- range $group, $prefix := dict "operator" "TESTRUN_OPERATOR_" "runner" "TESTRUN_" -}}
{{- range $variable := (index $.Values $group).extraEnv -}}
{{- if hasPrefix $prefix $variable.name -}}
{{- fail (printf "%s.extraEnv: %s is set by the chart from its own values; names that begin with %s cannot be given here" $group $variable.name $prefix) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int .Values.operator.replicas) 1) (not .Values.operator.leaderElection) -}}
{{- fail "operator.replicas: more than one pod needs operator.leaderElection, or all of them would act" -}}
{{- end -}}
{{- if regexMatch "^[0-9]" (include "testrun-operator.fullname" .) -}}
{{- fail (printf "the name %s begins with a digit, which the name of a Service may not: choose another name for the release, or set fullnameOverride" (include "testrun-operator.fullname" .)) -}}
{{- end -}}
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

{{/* Whether the cluster chooses the user ids of pods: some text for yes, none for no. */}}
{{- define "testrun-operator.randomUserIds" -}}
{{- $wanted := .Values.security.randomUserIds -}}
{{- if or (eq $wanted "Always") (and (eq $wanted "Auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
yes
{{- end -}}
{{- end -}}

{{/* What the Pod Security Standard "restricted" asks of a pod. Takes the context and the user's id. */}}
{{- define "testrun-operator.podSecurity" -}}
runAsNonRoot: true
{{- if not (include "testrun-operator.randomUserIds" (index . 0)) }}
runAsUser: {{ index . 1 }}
runAsGroup: {{ index . 1 }}
fsGroup: {{ index . 1 }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Which families of addresses a Service gets; nothing where the cluster decides. */}}
{{- define "testrun-operator.ipFamilies" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies: {{- toYaml . | nindent 2 }}
{{- end }}
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
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
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
