{{- define "watchbell.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 58 | trimSuffix "-" -}}
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
{{- $databasePort := regexFind ":[0-9]+$" (urlParse .Values.secrets.databaseUrl).host | trimPrefix ":" | default "5432" -}}
{{- if and .Values.networkPolicy.enabled .Values.secrets.databaseUrl (ne $databasePort (toString .Values.networkPolicy.databasePort)) -}}
{{- fail (printf "secrets.databaseUrl has port %s and networkPolicy.databasePort is %v: the network policy would keep the hub from its database" $databasePort .Values.networkPolicy.databasePort) -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (regexMatch ":|^[0-9.]+$" (urlParse .Values.origin).hostname) -}}
{{- fail "ingress needs an origin with a name: an Ingress has none for an address" -}}
{{- end -}}
{{- if or (hasKey .Values.podLabels "app.kubernetes.io/name") (hasKey .Values.podLabels "app.kubernetes.io/instance") -}}
{{- fail "podLabels must not change app.kubernetes.io/name and app.kubernetes.io/instance: services find the pods by them" -}}
{{- end -}}
{{- if and (eq .Values.database.kind "sqlite") .Values.autoscaling.enabled -}}
{{- fail "autoscaling needs database.kind=postgresql: on sqlite there is one node" -}}
{{- end -}}
{{- end -}}
