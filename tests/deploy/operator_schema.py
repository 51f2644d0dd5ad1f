"""JSON schema of the Flink Kubernetes Operator's resources, as far as deploy/k8s uses them.

Written from its custom resource reference (release 1.15): names, types and values of every field
of FlinkDeploymentSpec, JobSpec, FlinkStateSnapshotSpec and what they contain. Unknown fields are
errors here, as they are for the operator's strict validation.
"""

from tests.deploy.schema_parts import TEXT, TEXTS, Schema, closed

_NONCE: Schema = {"type": "integer"}
_BOOLEAN: Schema = {"type": "boolean"}
_MEMORY: Schema = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*([kmgtKMGT]i?b?)?$"}


_RESOURCE = closed(
    {
        "cpu": {"type": "number", "exclusiveMinimum": 0},
        "memory": _MEMORY,
        "ephemeralStorage": _MEMORY,
    },
    "cpu",
    "memory",
)
_NAMED: Schema = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}
#: Of a pod only what the operator merges by: containers and volumes have names.
_POD: Schema = closed(
    {
        "apiVersion": {"const": "v1"},
        "kind": {"const": "Pod"},
        "metadata": {
            "type": "object",
            "properties": {"annotations": TEXTS, "labels": TEXTS},
        },
        "spec": {
            "type": "object",
            "properties": {
                "containers": {
                    "type": "array",
                    "items": {
                        **_NAMED,
                        "properties": {
                            "name": TEXT,
                            "env": {
                                "type": "array",
                                "items": closed(
                                    {"name": TEXT, "value": {"type": "string"}, "valueFrom": {}},
                                    "name",
                                ),
                            },
                            "envFrom": {"type": "array"},
                            "ports": {"type": "array"},
                            "volumeMounts": {
                                "type": "array",
                                "items": {**_NAMED, "required": ["name", "mountPath"]},
                            },
                        },
                        "additionalProperties": False,
                    },
                },
                "volumes": {"type": "array", "items": _NAMED},
            },
        },
    }
)
_JOB = closed(
    {
        "jarURI": {"type": "string", "pattern": "^(local|https?|s3)://"},
        "parallelism": {"type": "integer", "minimum": 1},
        "entryClass": TEXT,
        "args": {"type": "array", "items": TEXT},
        "state": {"enum": ["running", "suspended"]},
        "savepointTriggerNonce": _NONCE,
        "initialSavepointPath": TEXT,
        "checkpointTriggerNonce": _NONCE,
        "upgradeMode": {"enum": ["savepoint", "last-state", "stateless"]},
        "allowNonRestoredState": _BOOLEAN,
        "savepointRedeployNonce": _NONCE,
        "autoscalerResetNonce": _NONCE,
    },
    "upgradeMode",
)
_DEPLOYMENT = closed(
    {
        "job": _JOB,
        "restartNonce": _NONCE,
        "flinkConfiguration": TEXTS,
        "image": TEXT,
        "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        "serviceAccount": TEXT,
        "flinkVersion": {
            "enum": ["v1_16", "v1_17", "v1_18", "v1_19", "v1_20", "v2_0", "v2_1", "v2_2"]
        },
        "ingress": {"type": "object"},
        "podTemplate": _POD,
        "jobManager": closed(
            {
                "resource": _RESOURCE,
                "replicas": {"type": "integer", "minimum": 1},
                "podTemplate": _POD,
            },
            "resource",
        ),
        "taskManager": closed(
            {
                "resource": _RESOURCE,
                "replicas": {"type": "integer", "minimum": 1},
                "podTemplate": _POD,
            },
            "resource",
        ),
        "logConfiguration": TEXTS,
        "mode": {"enum": ["native", "standalone"]},
    },
    "flinkVersion",
    "jobManager",
    "taskManager",
    "serviceAccount",
)
_SNAPSHOT: Schema = {
    **closed(
        {
            "backoffLimit": {"type": "integer", "minimum": -1},
            "jobReference": closed(
                {
                    "kind": {"enum": ["FlinkDeployment", "FlinkSessionJob"]},
                    "name": TEXT,
                    "namespace": TEXT,
                },
                "kind",
                "name",
            ),
            "savepoint": closed(
                {
                    "path": TEXT,
                    "formatType": {"enum": ["CANONICAL", "NATIVE", "UNKNOWN"]},
                    "disposeOnDelete": _BOOLEAN,
                    "alreadyExists": _BOOLEAN,
                }
            ),
            "checkpoint": closed({}),
        },
        "jobReference",
    ),
    "oneOf": [{"required": ["savepoint"]}, {"required": ["checkpoint"]}],
}
_METADATA: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$"},
        "generateName": {"type": "string", "pattern": "^[a-z][-a-z0-9]{0,57}$"},
        "labels": TEXTS,
        "annotations": TEXTS,
        "namespace": TEXT,
    },
    "anyOf": [{"required": ["name"]}, {"required": ["generateName"]}],
    "additionalProperties": False,
}


def _resource(kind: str, spec: Schema) -> Schema:
    return closed(
        {
            "apiVersion": {"const": "flink.apache.org/v1beta1"},
            "kind": {"const": kind},
            "metadata": _METADATA,
            "spec": spec,
        },
        "apiVersion",
        "kind",
        "metadata",
        "spec",
    )


SCHEMAS = {
    "FlinkDeployment": _resource("FlinkDeployment", _DEPLOYMENT),
    "FlinkStateSnapshot": _resource("FlinkStateSnapshot", _SNAPSHOT),
}
