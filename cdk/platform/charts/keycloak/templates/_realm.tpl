{{/* The names of the realm's placeholders, after a check that each has a value here. Those with a default need none. */}}
{{- define "realm.required" -}}
{{- $names := list }}
{{- range regexFindAll "\\$\\{[A-Z][A-Z0-9_]*\\}" (.Files.Get "files/realm.json") -1 | uniq }}
{{- $name := . | trimPrefix "${" | trimSuffix "}" }}
{{- if not (or (has $name $.Values.clientSecrets) (index $.Values.plainSecrets $name) (index $.Values.realm $name)) }}
{{- fail (printf "the realm has a placeholder without a value: %s" $name) }}
{{- end }}
{{- $names = append $names $name }}
{{- end }}
{{- $names | uniq | sortAlpha | join " " }}
{{- end }}

{{- define "realm.environment" -}}
- {name: REQUIRED, value: {{ include "realm.required" . | quote }}}
{{- range $name, $value := .Values.realm }}
- {name: {{ $name }}, value: {{ tpl $value $ | quote }}}
{{- end }}
{{- range concat .Values.clientSecrets (keys .Values.plainSecrets | sortAlpha) }}
- {name: {{ . }}, valueFrom: {secretKeyRef: {name: clients, key: {{ . }}}}}
{{- end }}
{{- end }}
