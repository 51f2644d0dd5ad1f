"""Prometheus with the rules of deploy/monitoring, scraping the local stack."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.local.part import Part, Port, StackError
from deploy.local.ports import HOST
from deploy.local.probes import http_probe

CONFIGURATION = Path(__file__).parents[1] / "monitoring" / "prometheus" / "prometheus.yml"
RULES = CONFIGURATION.parent / "rules"


def is_installed() -> bool:
    """Whether it is on the PATH; ``deploy/setup.sh --test-tools`` puts it there."""
    return shutil.which("prometheus") is not None


def prometheus_part(
    *, folder: Path, port: int, scraped: Mapping[str, int], rules: Path | None
) -> Part:
    """``scraped`` are the ports of the jobs in prometheus.yml, ``rules`` replaces the folder."""
    program = shutil.which("prometheus")
    if program is None:
        raise StackError("no prometheus on the PATH: run deploy/setup.sh --test-tools as root")
    configuration = folder / "prometheus.yml"

    def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(local_configuration(scraped, rules or RULES), sort_keys=False)
        configuration.write_text(text)

    return Part(
        name="prometheus",
        command=(
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=2d",
            f"--web.listen-address={HOST}:{port}",
            "--log.level=warn",
        ),
        probe=http_probe(port, "/-/ready"),
        ports=(Port(port, "CTR_LOCAL_PROMETHEUS_PORT"),),
        ready_timeout_seconds=60,
        prepare=prepare,
    )


def local_configuration(scraped: Mapping[str, int], rules: Path) -> dict[str, Any]:
    """prometheus.yml with the ports of a stack and rules from a folder."""
    configuration: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
    configuration["rule_files"] = [str(rules.absolute() / "*.yaml")]
    for job in configuration["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"{HOST}:{scraped[job['job_name']]}"]}]
    return configuration
