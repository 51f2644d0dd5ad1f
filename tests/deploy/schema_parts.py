"""What schemas of operators' resources are made of; fields that are not named are refused."""

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def closed(properties: Schema, *required: str) -> Schema:
    """An object that has these properties, if need be, and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
