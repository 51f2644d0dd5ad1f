"""Errors of differences are those that repeating the test shows."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from online_model.paired_errors import auc_difference_error, log_loss_difference_error
from online_model.quality import log_loss


def test_they_are_the_deviations_of_repeated_tests() -> None:
    losses, aucs, loss_errors, auc_errors = [], [], [], []
    for seed in range(150):
        random = np.random.default_rng(seed)
        z = random.normal(-1.5, 1, 1000)
        labels = (random.random(1000) < expit(z)).astype(float)
        one, other = expit(z), expit(z + random.normal(0, 0.5, 1000))
        weights = np.ones(1000)
        losses.append(log_loss(labels, one) - log_loss(labels, other))
        aucs.append(roc_auc_score(labels, one) - roc_auc_score(labels, other))
        loss_errors.append(log_loss_difference_error(labels, one, other, weights))
        auc_errors.append(auc_difference_error(labels, one, other))
    assert np.mean(loss_errors) == pytest.approx(np.std(losses), rel=0.2)
    assert np.mean(auc_errors) == pytest.approx(np.std(aucs), rel=0.2)


def test_one_click_tells_nothing_of_auc() -> None:
    labels, p = np.array([1.0, 0.0, 0.0]), np.array([0.3, 0.2, 0.1])
    assert auc_difference_error(labels, p, p) == np.inf
    assert log_loss_difference_error(labels, p, p, np.ones(3)) == 0.0
