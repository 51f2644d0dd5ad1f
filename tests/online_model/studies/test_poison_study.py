"""The poison study: a period without a flipped label is refused; a warning is no answer."""

import numpy as np
import pytest
import structlog
from typer.testing import CliRunner

from online_model.__main__ import app
from online_model.studies.delay_study import LabelledRows, StudyError
from online_model.studies.poison_study import PoisonStudy
from tests.online_model.small_log import SETTINGS, SPEC, clicks, samples


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    rows = LabelledRows(samples(2000, seed=1), clicks(samples(2000, seed=1), 2).astype(np.float32))
    study = PoisonStudy(SPEC, SETTINGS, poison_from=0.8, poison_to=0.3, batch_rows=50)
    with pytest.raises(StudyError, match=r"no label is flipped between 0\.8 and 0\.3"):
        study.run(rows, lambda rows: None)


def test_warnings_leave_standard_output_to_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    # Of the whole process: a test before this one may have configured it.
    structlog.reset_defaults()
    CliRunner().invoke(app, ["poison-study", "--files", "/no/such/file"])
    structlog.get_logger().warning("labels contradict the model")
    written = capsys.readouterr()
    assert (written.out, "labels contradict" in written.err) == ("", True)
