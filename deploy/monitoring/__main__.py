"""``python -m deploy.monitoring``: write anew what is generated: boards, rules for Kubernetes."""

import json
from pathlib import Path

import typer

from deploy.monitoring.boards import boards
from deploy.monitoring.rule_resource import prometheus_rule_text

FOLDER = Path(__file__).parent / "grafana"
RULE_RESOURCE = Path(__file__).parents[1] / "k8s" / "monitoring" / "rules.yaml"


def main() -> None:
    """Write anew: one file a board, and one of all rules."""
    for board in boards():
        path = FOLDER / f"{board.uid}.json"
        path.write_text(json.dumps(board.to_json(), indent=1) + "\n")
        print(path)
    RULE_RESOURCE.write_text(prometheus_rule_text())
    print(RULE_RESOURCE)


if __name__ == "__main__":
    typer.run(main)
