"""Explain: candidates are encoded as for a score, and what moved each of them is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.features import ID_ATTRIBUTES, POSITION, Categorical, Numeric
from schemas.redis_values import UserRow
from scorer.budget import Budget
from scorer.candidates import Candidates
from scorer.catalogue import Catalogue
from scorer.explanation import Explanation, ScoreExplainer
from scorer.model_holder import ModelHolder
from scorer.questions import Rung, ScoreQuestion
from scorer.user_reader import UserReader


@dataclass(frozen=True, slots=True)
class ExplainedAd:
    """An ad's explanation, and the values by field that were encoded, where there were any."""

    ad_id: str
    explanation: Explanation
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Explained:
    """Explanations in the order of the candidates, by the model that is served."""

    request_id: str
    model_version: str
    rung: Rung
    ads: Sequence[ExplainedAd]


class Explaining:
    """For operators rather than for every request: milliseconds for each ad. Thread-safe."""

    def __init__(self, holder: ModelHolder, catalogue: Catalogue, users: UserReader) -> None:
        self._holder = holder
        self._catalogue = catalogue
        self._users = users

    def explain(self, question: ScoreQuestion, budget: Budget) -> Explained:
        """Raises NoModelError before a first model, PackageError if a tower cannot be explained."""
        served, asker, encoder = self._holder.require(), question.asker, self._catalogue.encoder
        known = self._users.read(asker.user_id, budget.remaining())
        user = UserRow(asker.user_id) if known is None else known
        candidates = Candidates.of(question.candidates, self._catalogue)
        parts, _ = candidates.parts_and_prices(self._catalogue)
        request_part = encoder.request(user, asker.context)
        samples = np.empty(len(parts), encoder.layout.dtype)
        for part in (np.repeat(request_part, len(parts)), parts):
            for name in part.dtype.names or ():
                samples[name] = part[name]
        explanations = ScoreExplainer(served.model, encoder.layout).explain(samples)
        ads = [
            ExplainedAd(ad_id, explanation, self._values(user, asker.context, ad_id, attributes))
            for ad_id, attributes, explanation in zip(
                candidates.ad_ids, candidates.attributes, explanations, strict=True
            )
        ]
        rung = Rung.NO_USER if known is None else Rung.FULL
        return Explained(asker.request_id, served.manifest.version, rung, ads)

    def _values(
        self,
        user: UserRow,
        context: Mapping[str, str],
        ad_id: str,
        attributes: Mapping[str, str],
    ) -> dict[str, str]:
        sides = {
            "user": {**user.attributes, ID_ATTRIBUTES["user"]: user.user_id},
            "context": {POSITION: "1", **context},
            "ad": {**attributes, ID_ATTRIBUTES["ad"]: ad_id},
        }
        spec, sequence = self._catalogue.encoder.spec, self._catalogue.encoder.layout.sequence
        values = {
            feature.name: sides[feature.side].get(feature.source, "")
            for feature in spec.features
            if isinstance(feature, Categorical | Numeric)
        }
        if sequence is not None:
            values[sequence.name] = " ".join(user.clicked_ads[: sequence.length])
        return values
