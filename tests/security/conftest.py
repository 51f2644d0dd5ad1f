"""The secured servers, once for all tests of this folder."""

import os
from collections.abc import Iterator

import pytest

from deploy.local.ports import free_ports
from deploy.local.settings import ROOT
from deploy.local.supervisor import Supervisor
from tests.security.secured_servers import SecuredServers


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServers]:
    folder = tmp_path_factory.mktemp("secured")
    redis_port, kafka_port, controller_port = free_ports(3)
    secured = SecuredServers.make(folder, redis_port, kafka_port)
    with Supervisor(folder, environment=os.environ, cwd=ROOT) as supervisor:
        supervisor.start(secured.parts(folder, ROOT / ".build" / "kafka", controller_port))
        yield secured
