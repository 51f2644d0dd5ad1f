"""JSON schema of the Prometheus operator's resources, as far as deploy/k8s uses them.

Written from its API reference (monitoring.coreos.com/v1): names, types and values of the fields of
PodMonitorSpec and PrometheusRuleSpec that are used. Unknown fields are errors here.
"""

from tests.deploy.schema_parts import TEXT, TEXTS, Schema, closed

_DURATION: Schema = {"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$", "minLength": 2}


_RELABELING = closed(
    {
        "sourceLabels": {"type": "array", "items": TEXT},
        "targetLabel": TEXT,
        "regex": TEXT,
        "replacement": {"type": "string"},
        "action": {"enum": ["replace", "keep", "drop", "labelmap", "labeldrop", "labelkeep"]},
    }
)
_ENDPOINT = closed(
    {
        "port": TEXT,
        "path": TEXT,
        "interval": _DURATION,
        "scrapeTimeout": _DURATION,
        "relabelings": {"type": "array", "items": _RELABELING},
    },
    "port",
)
_POD_MONITOR = closed(
    {
        "selector": closed({"matchLabels": TEXTS}),
        "podMetricsEndpoints": {"type": "array", "items": _ENDPOINT, "minItems": 1},
    },
    "selector",
    "podMetricsEndpoints",
)
_RULE = closed(
    {"alert": TEXT, "expr": TEXT, "for": _DURATION, "labels": TEXTS, "annotations": TEXTS},
    "alert",
    "expr",
)
_GROUP = closed(
    {
        "name": TEXT,
        "interval": _DURATION,
        "rules": {"type": "array", "items": _RULE, "minItems": 1},
    },
    "name",
)


def _resource(kind: str, spec: Schema) -> Schema:
    return closed(
        {
            "apiVersion": {"const": "monitoring.coreos.com/v1"},
            "kind": {"const": kind},
            "metadata": closed({"name": TEXT, "labels": TEXTS}, "name"),
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
        "PrometheusRule", closed({"groups": {"type": "array", "items": _GROUP}}, "groups")
    ),
}
