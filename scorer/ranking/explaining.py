"""Explain: candidates are encoded as for a score, and what moved each of them is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.features import ID_ATTRIBUTES, POSITION, Categorical, Numeric
from schemas.layout import raw_numbers
from schemas.redis_values import UserRow
from scorer.ads.catalogue import Catalogue
from scorer.model.model_holder import ModelHolder
from scorer.questions import InvalidRequestError, Rung, ScoreQuestion
from scorer.ranking.assignment import Assignment
from scorer.ranking.budget import Budget
from scorer.ranking.candidates import Candidates
from scorer.ranking.explanation import Explanation, explained
from scorer.ranking.user_reader import UserReader


@dataclass(frozen=True, slots=True)
class ExplainedAd:
    """An ad's explanation, and the values by field that were encoded, where there were any."""

    ad_id: str
    explanation: Explanation
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Explained:
    """Explanations in the order of the candidates, by the arm that answers."""

    request_id: str
    variant: str
    model_version: str
    rung: Rung
    ads: Sequence[ExplainedAd]


class Explaining:
    """For operators rather than for every request: milliseconds for each ad. Thread-safe."""

    def __init__(
        self,
        holder: ModelHolder,
        assignment: Assignment,
        catalogue: Catalogue,
        users: UserReader,
    ) -> None:
        self._holder = holder
        self._assignment = assignment
        self._catalogue = catalogue
        self._users = users

    def explain(self, question: ScoreQuestion, budget: Budget) -> Explained:
        """Raises NoModelError before a first model, InvalidRequestError for popularity's arm,
        PackageError if a tower cannot be explained."""
        asker, encoder = question.asker, self._catalogue.encoder
        assigned = self._assignment.of(asker.user_id, question.variant)
        if assigned.is_popularity:
            raise InvalidRequestError(
                f"variant: expected an arm with a model, {assigned.arm.name} has none to explain"
            )
        scored_by = assigned.challenger or self._holder.require()
        known = self._users.read(asker.user_id, budget.remaining())
        user = UserRow(asker.user_id) if known is None else known
        candidates = Candidates.of(question.candidates, self._catalogue)
        parts, _ = candidates.parts_and_prices(self._catalogue)
        request_part = encoder.request(user, asker.context)
        samples = encoder.layout.joined(request_part, parts)
        explanations = explained(scored_by.model, encoder, samples)
        numbers = raw_numbers(samples)
        ads = [
            ExplainedAd(
                ad_id,
                explanation,
                self._counted(row) | self._values(user, asker.context, ad_id, attributes),
            )
            for ad_id, attributes, row, explanation in zip(
                candidates.ad_ids,
                candidates.attributes,
                numbers.tolist(),
                explanations,
                strict=True,
            )
        ]
        rung = Rung.NO_USER if known is None else Rung.FULL
        return Explained(asker.request_id, assigned.arm.name, scored_by.manifest.version, rung, ads)

    def _counted(self, numbers: Sequence[float]) -> dict[str, str]:
        """What was encoded of counters, which have no text."""
        names = self._catalogue.encoder.layout.number_names
        return {name: f"{number:.6g}" for name, number in zip(names, numbers, strict=True)}

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
