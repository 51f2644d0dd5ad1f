"""Which labels of an impression have come: after a crash the topic may hold a sample again.

The rule is that of ``streaming/java/src/main/java/ctr/BalancedLabels.java``: a click comes once,
whatever its kind; a negative after it says nothing; a click after the negative corrects it.
"""

from dataclasses import replace

from schemas.records import TrainingSample

_NEGATIVE, _CLICK, _MATURE = 1, 2, 4
_CAME = {"NEGATIVE": _NEGATIVE, "POSITIVE": _CLICK, "CORRECTION": _CLICK, "MATURE": _MATURE}


class KnownLabels:
    """Of impressions by (request_id, ad_id); grows with them."""

    def __init__(self) -> None:
        self._came: dict[tuple[str, str], int] = {}

    def new(self, sample: TrainingSample) -> TrainingSample | None:
        """The sample as it has to be learnt, None if it repeats what has come."""
        impression = sample.request_id, sample.ad_id
        before = self._came.get(impression, 0)
        came = _CAME[sample.kind]
        if before & (came | _CLICK if sample.kind == "NEGATIVE" else came):
            return None
        self._came[impression] = before | came
        if sample.kind == "POSITIVE" and before & _NEGATIVE:
            return replace(sample, kind="CORRECTION")
        return sample
