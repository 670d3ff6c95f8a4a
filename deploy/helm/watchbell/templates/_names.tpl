{{- define "watchbell.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Two releases in one namespace do not collide; one that is called after the chart is not called so twice. */}}
{{- define "watchbell.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "watchbell.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "watchbell.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "watchbell.selectorLabels" -}}
app.kubernetes.io/name: {{ include "watchbell.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "watchbell.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "watchbell.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "watchbell.secretName" -}}
{{- .Values.secrets.existingSecret | default (include "watchbell.fullname" .) -}}
{{- end -}}

{{- define "watchbell.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "watchbell.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "watchbell.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the schema cannot say: values that make no sense together stop the installation with the reason. */}}
{{- define "watchbell.check" -}}
{{- if not .Values.origin -}}
{{- fail "origin is required: the address by which senders and clients know the hub, such as https://hub.example" -}}
{{- end -}}
{{- with .Values.secrets -}}
{{- if and (eq $.Values.database.kind "postgresql") (not .existingSecret) (not (and .databaseUrl .secretKey)) -}}
{{- fail "database.kind=postgresql needs secrets.existingSecret, or secrets.databaseUrl and secrets.secretKey (`openssl rand -base64 32` makes one; all nodes share it, and what it encrypted is lost with it)" -}}
{{- end -}}
{{- if and (eq $.Values.database.kind "sqlite") .databaseUrl -}}
{{- fail "secrets.databaseUrl is given and database.kind is sqlite: choose one of them" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled needs metrics.enabled" -}}
{{- end -}}
{{- if and (eq .Values.database.kind "sqlite") .Values.autoscaling.enabled -}}
{{- fail "autoscaling needs database.kind=postgresql: on sqlite there is one node" -}}
{{- end -}}
{{- end -}}
