"""JSON schema of the Flink Kubernetes Operator's resources, as far as deploy/k8s uses them.

Written from its custom resource reference (release 1.15): names, types and values of every field
of FlinkDeploymentSpec, JobSpec, FlinkStateSnapshotSpec and what they contain. Unknown fields are
errors here, as they are for the operator's strict validation.
"""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_NONCE: Schema = {"type": "integer"}
_BOOLEAN: Schema = {"type": "boolean"}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_MEMORY: Schema = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*([kmgtKMGT]i?b?)?$"}


def _object(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_RESOURCE = _object(
    {
        "cpu": {"type": "number", "exclusiveMinimum": 0},
        "memory": _MEMORY,
        "ephemeralStorage": _MEMORY,
    },
    "cpu",
    "memory",
)
_NAMED: Schema = {"type": "object", "properties": {"name": _TEXT}, "required": ["name"]}
#: Of a pod only what the operator merges by: containers and volumes have names.
_POD: Schema = _object(
    {
        "apiVersion": {"const": "v1"},
        "kind": {"const": "Pod"},
        "metadata": {
            "type": "object",
            "properties": {"annotations": _TEXTS, "labels": _TEXTS},
        },
        "spec": {
            "type": "object",
            "properties": {
                "containers": {
                    "type": "array",
                    "items": {
                        **_NAMED,
                        "properties": {
                            "name": _TEXT,
                            "env": {
                                "type": "array",
                                "items": _object(
                                    {"name": _TEXT, "value": {"type": "string"}, "valueFrom": {}},
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
_JOB = _object(
    {
        "jarURI": {"type": "string", "pattern": "^(local|https?|s3)://"},
        "parallelism": {"type": "integer", "minimum": 1},
        "entryClass": _TEXT,
        "args": {"type": "array", "items": _TEXT},
        "state": {"enum": ["running", "suspended"]},
        "savepointTriggerNonce": _NONCE,
        "initialSavepointPath": _TEXT,
        "checkpointTriggerNonce": _NONCE,
        "upgradeMode": {"enum": ["savepoint", "last-state", "stateless"]},
        "allowNonRestoredState": _BOOLEAN,
        "savepointRedeployNonce": _NONCE,
        "autoscalerResetNonce": _NONCE,
    },
    "upgradeMode",
)
_DEPLOYMENT = _object(
    {
        "job": _JOB,
        "restartNonce": _NONCE,
        "flinkConfiguration": _TEXTS,
        "image": _TEXT,
        "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        "serviceAccount": _TEXT,
        "flinkVersion": {
            "enum": ["v1_16", "v1_17", "v1_18", "v1_19", "v1_20", "v2_0", "v2_1", "v2_2"]
        },
        "ingress": {"type": "object"},
        "podTemplate": _POD,
        "jobManager": _object(
            {
                "resource": _RESOURCE,
                "replicas": {"type": "integer", "minimum": 1},
                "podTemplate": _POD,
            },
            "resource",
        ),
        "taskManager": _object(
            {
                "resource": _RESOURCE,
                "replicas": {"type": "integer", "minimum": 1},
                "podTemplate": _POD,
            },
            "resource",
        ),
        "logConfiguration": _TEXTS,
        "mode": {"enum": ["native", "standalone"]},
    },
    "flinkVersion",
    "jobManager",
    "taskManager",
    "serviceAccount",
)
_SNAPSHOT: Schema = {
    **_object(
        {
            "backoffLimit": {"type": "integer", "minimum": -1},
            "jobReference": _object(
                {
                    "kind": {"enum": ["FlinkDeployment", "FlinkSessionJob"]},
                    "name": _TEXT,
                    "namespace": _TEXT,
                },
                "kind",
                "name",
            ),
            "savepoint": _object(
                {
                    "path": _TEXT,
                    "formatType": {"enum": ["CANONICAL", "NATIVE", "UNKNOWN"]},
                    "disposeOnDelete": _BOOLEAN,
                    "alreadyExists": _BOOLEAN,
                }
            ),
            "checkpoint": _object({}),
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
        "labels": _TEXTS,
        "annotations": _TEXTS,
        "namespace": _TEXT,
    },
    "anyOf": [{"required": ["name"]}, {"required": ["generateName"]}],
    "additionalProperties": False,
}


def _resource(kind: str, spec: Schema) -> Schema:
    return _object(
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
