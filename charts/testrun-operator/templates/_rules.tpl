{{/*
What the operator may do in a namespace whose runs it executes: just the calls that it makes, which a test compares.
It may not read Secrets: pods name them, and the kubelet reads them.
*/}}
{{- define "testrun-operator.runRules" -}}
- apiGroups: [testrun.dev]
  resources: [testsuites, testruns]
  verbs: [list, watch]
- apiGroups: [testrun.dev]
  resources: [testsuites/status, testruns/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete, deletecollection]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, watch, create, patch, deletecollection]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
{{- end -}}

{{/*
What it may do in the namespace of shared test servers besides: it watches all its kinds of objects in the same namespaces,
so it must be allowed to look, and no run is executed there.
*/}}
{{- define "testrun-operator.watchRules" -}}
- apiGroups: [testrun.dev]
  resources: [testsuites, testruns]
  verbs: [list, watch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods, configmaps]
  verbs: [list, watch]
{{- end -}}

{{/* What it may do where test servers are: in namespaces with runs and in that of shared servers. */}}
{{- define "testrun-operator.serverRules" -}}
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch, create, patch, delete]
{{- end -}}
