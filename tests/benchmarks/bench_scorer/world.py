"""A world by a seed: its features, its ads as arrays and as bytes, its users, its requests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from schemas.features import FeatureSpec
from schemas.records import Ad
from schemas.redis_values import versioned

CLUSTERS = 2_000
ADVERTISERS = 20_000
ADS_PER_CAMPAIGN = 50
USERS = 50_000
#: Ads that were shown already, so that they have counters.
COUNTED = 100_000
FIRST_TS = 1_700_000_000_000
_DECLARATION = Path(__file__).with_name("features.yaml")


def declaration(ads: int) -> str:
    """The feature file for so many ads: about four of them share a row of the table."""
    declared = yaml.safe_load(_DECLARATION.read_text())
    ad = next(feature for feature in declared["features"] if feature["name"] == "ad")
    ad["buckets"] = max(4_096, 1 << (ads // 4 - 1).bit_length())
    return yaml.safe_dump(declared)


@dataclass(frozen=True)
class World:
    """Ad number i is in cluster ``clusters[i]``, of ``advertisers[i]``, and costs ``prices[i]``."""

    spec: FeatureSpec
    clusters: NDArray[np.int16]
    advertisers: NDArray[np.int16]
    prices: NDArray[np.int32]

    @classmethod
    def of(cls, spec: FeatureSpec, ads: int, seed: int) -> "World":
        """``ads`` ads, clicks spread over clusters and advertisers as by a power law."""
        random = np.random.default_rng(seed)
        return cls(
            spec,
            (CLUSTERS * random.random(ads, np.float32) ** 1.5).astype(np.int16),
            (ADVERTISERS * random.random(ads, np.float32) ** 2).astype(np.int16),
            random.integers(20_000, 2_000_000, ads, np.int32),
        )

    @property
    def ads(self) -> int:
        """How many there are."""
        return len(self.prices)

    def attributes(self, number: int) -> dict[str, str]:
        """What is said of an ad."""
        return {
            "campaign": f"k{number // ADS_PER_CAMPAIGN}",
            **advertiser_attributes(int(self.advertisers[number])),
            **cluster_attributes(int(self.clusters[number])),
        }

    def ad(self, number: int, ts: int = FIRST_TS, status: str = "ACTIVE") -> Ad:
        """An ad as a record."""
        price = int(self.prices[number])
        return Ad(f"a{number}", ts, status, price, self.attributes(number))

    def values(self, start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
        """Ids and stored values of a range of ads: what ``ad`` encodes to, 50 times as fast."""
        head = versioned(FIRST_TS, self.ad(start).encode()[:10])
        when_and_active = _number(FIRST_TS) + b"\x00"
        count = _number(len(self.attributes(start)))
        by_cluster = [_map_items(cluster_attributes(c)) + b"\x00" for c in range(CLUSTERS)]
        by_advertiser = [_map_items(advertiser_attributes(a)) for a in range(ADVERTISERS)]
        columns = (self.clusters, self.advertisers, self.prices)
        clusters, advertisers, prices = (column[start:stop].tolist() for column in columns)
        for i, number in enumerate(range(start, stop)):
            ad_id = b"a%d" % number
            yield (
                ad_id,
                b"".join(
                    (
                        head, _number(len(ad_id)), ad_id, when_and_active, _number(prices[i]),
                        count, _map_items({"campaign": f"k{number // ADS_PER_CAMPAIGN}"}),
                        by_advertiser[advertisers[i]], by_cluster[clusters[i]],
                    )
                ),
            )  # fmt: skip


def cluster_attributes(cluster: int) -> dict[str, str]:
    """What the ads of a cluster have in common."""
    return {
        "audience": f"u{cluster}",
        "theme": f"t{cluster // 4}",
        "subcategory": f"s{cluster // 8}",
        "category": f"c{cluster // 50}",
        "format": f"f{cluster % 12}",
        "language": f"l{cluster % 20}",
        "region": f"r{cluster % 30}",
    }


def advertiser_attributes(advertiser: int) -> dict[str, str]:
    """What the ads of an advertiser have in common."""
    return {
        "advertiser": f"v{advertiser}",
        "brand": f"b{advertiser // 2}",
        "landing": f"d{advertiser}",
    }


def user_attributes(user: int) -> dict[str, str]:
    """What is said of a user."""
    return {"segment": f"s{user % 200}", "country": f"c{user % 40}"}


def rank_requests(count: int, seed: int, limit: int = 10) -> list[dict[str, Any]]:
    """Requests of Rank as JSON, users varied: one fixed user would keep every cache warm."""
    random = np.random.default_rng(seed)
    return [
        {
            "request_id": f"{seed}-{i}",
            "user_id": f"u{random.integers(USERS)}",
            "context": {
                "hour": str(random.integers(24)),
                "device": f"d{random.integers(6)}",
                "placement": f"p{random.integers(100)}",
            },
            "limit": limit,
        }
        for i in range(count)
    ]


def _number(value: int) -> bytes:
    """Avro's long: zigzag, seven bits a byte."""
    left = value << 1 if value >= 0 else ~(value << 1)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def _map_items(attributes: Mapping[str, str]) -> bytes:
    texts = (text.encode() for item in attributes.items() for text in item)
    return b"".join(_number(len(text)) + text for text in texts)
