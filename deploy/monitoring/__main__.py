"""``python -m deploy.monitoring``: write Grafana's boards anew from deploy/monitoring/boards.py."""

import json
from pathlib import Path

from deploy.monitoring.boards import boards

FOLDER = Path(__file__).parent / "grafana"


def main() -> None:
    """One file a board."""
    for board in boards():
        path = FOLDER / f"{board.uid}.json"
        path.write_text(json.dumps(board.to_json(), indent=1) + "\n")
        print(path)


if __name__ == "__main__":
    main()
