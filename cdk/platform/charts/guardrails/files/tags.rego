package stoa.tags

import rego.v1

# who an object is for is said on its pods: those are what runs and costs
described := input.review.object.metadata if input.review.kind.kind == "Pod"

described := input.review.object.spec.template.metadata if {
	input.review.kind.kind in {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}
}

described := input.review.object.spec.jobTemplate.spec.template.metadata if input.review.kind.kind == "CronJob"

labels := object.get(described, "labels", {})

annotations := object.get(described, "annotations", {})

name := "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"

patterns := {
	"project": name,
	"cost-center": name,
	"ttl": "[1-9][0-9]{0,3}d",
	"auto-teardown": "true|false",
	"data-class": "public|internal|confidential|restricted",
}

# a label takes neither an @ nor a colon, so these two are annotations
written := {
	"stoa.io/owner": "[^@ ]+@[^@ ]+[.][^@ ]+",
	"stoa.io/created-at": "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
}

whole(pattern, value) if regex.match(concat("", ["^(", pattern, ")$"]), value)

violation contains {"msg": msg} if {
	not described
	msg := sprintf("%s has no metadata for its pods: its tags are missing", [input.review.kind.kind])
}

violation contains {"msg": msg} if {
	some key
	pattern := patterns[key]
	not whole(pattern, object.get(labels, key, ""))
	msg := sprintf("label %s is missing or not one of %s", [key, pattern])
}

violation contains {"msg": msg} if {
	some key
	pattern := written[key]
	not whole(pattern, object.get(annotations, key, ""))
	msg := sprintf("annotation %s is missing or not like %s", [key, pattern])
}

violation contains {"msg": msg} if {
	not object.get(labels, "environment", "") in input.parameters.environments
	msg := sprintf("label environment is missing or not one of %v", [input.parameters.environments])
}

# the cluster says whether it is production, not the pod
violation contains {"msg": msg} if {
	ttl := object.get(labels, "ttl", "")
	whole(patterns.ttl, ttl)
	days := to_number(trim_suffix(ttl, "d"))
	days > input.parameters.maxDays
	msg := sprintf("label ttl is %s: here the most is %dd", [ttl, input.parameters.maxDays])
}
