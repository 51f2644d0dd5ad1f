"""Who is eligible is asked again of what was read: ads come and change during a request."""

import numpy as np

from scorer.ads.eligibility import eligible_ads
from scorer.ads.staging import stage_ads
from tests.scorer.catalogues import apply, change_of, new_catalogue
from tests.scorer.publisher import ad


def test_ads_that_came_or_changed_meanwhile_are_not_answered() -> None:
    with new_catalogue() as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(n, category="c")) for n in range(4)]))
        eligible = eligible_ads(catalogue, ["ad-1", "ad-9"], {"category": "c"})
        assert eligible.count == 3
        changes = [
            ad(2, ts=2, category="d"),
            ad(3, ts=2, status="PAUSED", category="c"),
            ad(8, category="c"),
            ad(9, category="c"),
        ]
        apply(catalogue, stage_ads(catalogue, map(change_of, changes)))
        slots = catalogue.slots_in_use()
        still = slots[eligible.still(slots, catalogue.arrays.read(slots))]
        names = [catalogue.arrays.ids.text(slot) for slot in still.tolist()]
        assert sorted(set(names) - {"ad-1"}) == ["ad-0", "ad-8"]
        everybody = eligible_ads(catalogue, [], {})
        assert np.array_equal(
            everybody.still(slots, catalogue.arrays.read(slots)), catalogue.arrays.active[slots]
        )
