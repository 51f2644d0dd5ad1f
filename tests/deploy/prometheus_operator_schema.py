"""JSON schema of the Prometheus operator's resources, as far as deploy/k8s uses them.

Written from its API reference (monitoring.coreos.com/v1): names, types and values of the fields of
PodMonitorSpec and PrometheusRuleSpec that are used. Unknown fields are errors here.
"""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_DURATION: Schema = {"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$", "minLength": 2}


def _object(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_RELABELING = _object(
    {
        "sourceLabels": {"type": "array", "items": _TEXT},
        "targetLabel": _TEXT,
        "regex": _TEXT,
        "replacement": {"type": "string"},
        "action": {"enum": ["replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep"]},
    }
)
_ENDPOINT = _object(
    {
        "port": _TEXT,
        "path": _TEXT,
        "interval": _DURATION,
        "scrapeTimeout": _DURATION,
        "relabelings": {"type": "array", "items": _RELABELING},
    },
    "port",
)
_POD_MONITOR = _object(
    {
        "selector": _object({"matchLabels": _TEXTS}),
        "podMetricsEndpoints": {"type": "array", "items": _ENDPOINT, "minItems": 1},
    },
    "selector",
    "podMetricsEndpoints",
)
_RULE = _object(
    {"alert": _TEXT, "expr": _TEXT, "for": _DURATION, "labels": _TEXTS, "annotations": _TEXTS},
    "alert",
    "expr",
)
_GROUP = _object(
    {
        "name": _TEXT,
        "interval": _DURATION,
        "rules": {"type": "array", "items": _RULE, "minItems": 1},
    },
    "name",
)


def _resource(kind: str, spec: Schema) -> Schema:
    return _object(
        {
            "apiVersion": {"const": "monitoring.coreos.com/v1"},
            "kind": {"const": kind},
            "metadata": _object({"name": _TEXT, "labels": _TEXTS}, "name"),
            "spec": spec,
        },
        "apiVersion",
        "kind",
        "metadata",
        "spec",
    )


SCHEMAS = {
    "PodMonitor": _resource("PodMonitor", _POD_MONITOR),
    "PrometheusRule": _resource(
        "PrometheusRule", _object({"groups": {"type": "array", "items": _GROUP}}, "groups")
    ),
}
