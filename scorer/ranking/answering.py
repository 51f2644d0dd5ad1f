"""The ads of an answer as bytes of RankResponse, each with its token."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.proto.ctr.v1 import scorer_pb2
from scorer.ads.ad_arrays import AdArrays, AdRows
from scorer.kernels import AnsweredAds, best_kernels
from scorer.ranking.candidates import Candidates
from scorer.ranking.tokens import RequestMint

Doubles = NDArray[np.float64]


def catalogue_ads(
    arrays: AdArrays,
    mint: RequestMint,
    slots: NDArray[np.int32],
    rows: AdRows,
    ctrs: Doubles,
    propensities: Doubles,
    sources: Sequence[int],
) -> bytes:
    """Ads [k] of the catalogue, best first; ``sources`` are places in SOURCES."""
    ads = AnsweredAds(
        slots=np.ascontiguousarray(slots),
        attributes=np.ascontiguousarray(rows.attributes),
        parts=rows.parts,
        ctrs=np.ascontiguousarray(ctrs),
        propensities=np.ascontiguousarray(propensities),
        expected_values=ctrs * rows.prices,
        sources=np.array(sources, np.uint8),
    )
    return best_kernels().ranked_ads(arrays.ids.texts, arrays.values.texts, mint.frame(), ads)


def given_ads(
    mint: RequestMint,
    candidates: Candidates,
    parts: NDArray[np.void],
    ctrs: Doubles,
    prices: NDArray[np.int64],
) -> bytes:
    """Candidates of a Score request [k], which the catalogue need not know, in their order."""
    ads = []
    for i, ad_id in enumerate(candidates.ad_ids):
        ctr = float(ctrs[i])
        token = mint.token(ad_id, candidates.attributes[i], parts[i].tobytes(), ctr, 1.0)
        ads.append(
            scorer_pb2.RankedAd(
                ad_id=ad_id,
                ctr=ctr,
                propensity=1.0,
                source="request",
                expected_value=ctr * int(prices[i]),
                token=token,
            )
        )
    data: bytes = scorer_pb2.RankResponse(ads=ads).SerializeToString()
    return data
