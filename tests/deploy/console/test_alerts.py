"""Alerts of a real Prometheus on the page, until it is gone. Slow: `make test-console`."""

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from deploy.local.ports import HOST, free_ports
from tests.deploy.console.conftest import Visit, nobody
from tests.deploy.console.running_console import RunningConsole

pytestmark = pytest.mark.slow

RULES = """
groups:
  - name: tests
    interval: 1s
    rules:
      - alert: AlwaysFires
        expr: vector(1) == 1
        labels: {severity: page}
        annotations: {summary: as this test wants}
      - alert: AFeatureDrifts
        expr: >-
          label_replace(vector(1), "feature", "ad", "", "")
          or label_replace(vector(1), "feature", "hour", "", "")
        labels: {severity: info}
        annotations: {summary: '{{ $labels.feature }} drifts'}
"""
CONFIG = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"


def test_alerts_that_fire_are_shown(visit: Visit, tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus: `make test-tools` installs it")
    (tmp_path / "rules.yml").write_text(RULES)
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG)
    (port,) = free_ports(1)
    prometheus = subprocess.Popen(
        [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={HOST}:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    environment = {**nobody(), "CTR_CONSOLE_PROMETHEUS": f"http://{HOST}:{port}"}
    try:
        with RunningConsole(tmp_path / "log", environment) as console:
            visit.page.goto(console.url)
            alerts = visit.page.locator("#alert-list")
            expect(alerts).to_contain_text("AlwaysFires, firing", timeout=60_000)
            expect(alerts.locator("li").first).to_contain_text("as this test wants")
            expect(alerts).to_contain_text("feature ad, hour", timeout=60_000)
            expect(alerts.locator("li")).to_have_count(2)
            expect(visit.page.locator("#alerts")).to_have_text("1 alert")
            prometheus.terminate()
            prometheus.wait(30)
            expect(alerts).to_contain_text("Prometheus does not answer")
            visit.leave()
    finally:
        prometheus.kill()
        prometheus.wait(30)
