"""The bytes of an answer: each build against messages and tokens that are made one by one."""

import numpy as np
import pytest

from schemas.features import FeatureSpec
from schemas.proto.ctr.v1 import scorer_pb2
from schemas.redis_values import UserRow
from schemas.served_token import TokenKeys
from scorer.ads.string_table import StringTable
from scorer.kernels import SOURCES, AnsweredAds, Kernels
from scorer.questions import Asker
from scorer.ranking.tokens import TokenMint

LONG_KEY = "7:" + "cd" * 90
#: A key of one byte's size, one of two, and one that fits into no room that is guessed.
ADVERTISERS = ("v1", "v" * 100, "v" * 20_000, None)
COUNTERS = {
    "ad": ("ad.ad_id",),
    "advertiser": ("ad.advertiser", "user.segment", "ad.unheard_of"),
    "user": ("user.user_id", "context.hour"),
}
PARTS = np.dtype([("ad_ids", "<i4", (3,)), ("ad_numbers", "<f4", (2,))])


def table_of(*texts: str) -> StringTable:
    layout = StringTable.layout(1_000)
    table = StringTable({name: np.zeros(shape, dtype) for name, (dtype, shape) in layout.items()})
    for text in texts:
        table.add(text)
    return table


@pytest.mark.parametrize("keys", ["1:" + "ab" * 16, LONG_KEY])
@pytest.mark.parametrize("counters", [COUNTERS, {}])
def test_bytes_are_those_of_messages(
    kernels: Kernels, keys: str, counters: dict[str, tuple[str, ...]]
) -> None:
    spec = FeatureSpec.load("world").model_copy(update={"counters": counters})
    ids = table_of("spare", *(f"ad-ü{i}" for i in range(len(ADVERTISERS))))
    names = table_of("format", "advertiser")
    values = table_of("f1", *(v for v in ADVERTISERS if v is not None))
    signing = TokenKeys.parse(keys)
    mint = TokenMint(spec, signing, names).request(
        Asker("r-1", "u-1", {"hour": "7"}), UserRow("u-1", {"segment": "s1"}), b"request", "arm",
        "v1",
    )  # fmt: skip
    random, count = np.random.default_rng(1), len(ADVERTISERS)
    parts = np.zeros(count, PARTS)
    parts["ad_ids"] = random.integers(0, 1_000, (count, 3))
    codes = [[1, 0 if v is None else 1 + (values.number(v) or 0)] for v in ADVERTISERS]
    ads = AnsweredAds(
        slots=np.arange(1, count + 1, dtype=np.int32),
        attributes=np.array(codes, np.int32),
        parts=parts,
        ctrs=random.random(count),
        propensities=random.random(count),
        expected_values=np.array([0.0, 12.5, 1e9, 3.0]),
        sources=np.arange(count, dtype=np.uint8),
    )
    found = scorer_pb2.RankResponse.FromString(
        kernels.ranked_ads(ids.texts, values.texts, mint.frame(), ads)
    )
    expected = [
        scorer_pb2.RankedAd(
            ad_id=f"ad-ü{i}",
            ctr=ads.ctrs[i],
            propensity=ads.propensities[i],
            source=SOURCES[i],
            expected_value=ads.expected_values[i],
            token=mint.token(
                f"ad-ü{i}",
                {"format": "f1", **({} if advertiser is None else {"advertiser": advertiser})},
                parts[i].tobytes(),
                ads.ctrs[i],
                ads.propensities[i],
            ),
        )
        for i, advertiser in enumerate(ADVERTISERS)
    ]
    assert list(found.ads) == expected
    assert kernels.ranked_ads(
        ids.texts, values.texts, mint.frame(), ads
    ) == scorer_pb2.RankResponse(ads=expected).SerializeToString(deterministic=True)
    assert [signing.verify(ad.token).ad_id for ad in found.ads] == [ad.ad_id for ad in expected]
