"""The lake: which Parquet tables there are, what their columns mean, and which hour a row is of.

::

    LAKE/landing/TABLE/day=2026-01-31/hour=07/part-…        as the job wrote it at a checkpoint
    LAKE/landing/TABLE/day=2026-01-31/hour=07/_SUCCESS      event time has passed the hour
    LAKE/TABLE/day=2026-01-31/hour=07/TABLE.parquet         compacted: each row once
    LAKE/TABLE/day=2026-01-31/hour=07/_SUCCESS              … and the hour is complete

Days and hours are UTC and of event time. Events lie in the hour in which they happened, samples in
the hour in which their label became known. So an hour is closed as soon as event time has passed
it, a checkpoint writes to one hour and not to all of the attribution window, and reading the hours
up to one gives what was known then, which is what a model trained at that time may see. (By hour of
the impression, each would stay open until its last possible correction, a day later.)

The files hold plain columns only: strings, bytes, integers, floats, and timestamps as INT64
milliseconds in UTC. All are optional, so that a later version can add a column: files without it
read as null.
"""

from dataclasses import dataclass
from typing import Literal

#: As in SQL; TIMESTAMP is an instant with milliseconds.
ColumnType = Literal["STRING", "BYTES", "INT", "BIGINT", "FLOAT", "TIMESTAMP"]

LANDING = "landing"
SUCCESS = "_SUCCESS"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    type: ColumnType
    meaning: str


@dataclass(frozen=True, slots=True)
class LakeTable:
    """``identity`` are the columns that tell rows apart, ``hour_of`` is what files them."""

    name: str
    identity: tuple[str, ...]
    hour_of: str
    columns: tuple[Column, ...]

    @property
    def file_name(self) -> str:
        """Of the one file that a compacted hour has."""
        return f"{self.name}.parquet"


_IMPRESSION = (
    Column("request_id", "STRING", "request that the ad answered"),
    Column("ad_id", "STRING", "ad that was shown; with request_id it identifies the impression"),
    Column("user_id", "STRING", "who saw it"),
    Column("ts", "TIMESTAMP", "when the ad was shown"),
    Column("position", "INT", "slot, 1 is the top"),
    Column("price", "BIGINT", "advertiser's cost per click, micros of currency"),
    Column("variant", "STRING", "A/B arm that served it"),
    Column("model_version", "STRING", "model package that scored it, or popularity"),
    Column("predicted_ctr", "FLOAT", "calibrated probability as answered, at position 1"),
    Column("propensity", "FLOAT", "probability with which the policy chose the ad, (0, 1]"),
    Column("feature_fingerprint", "STRING", "feature declaration that encoded the inputs"),
    Column("inputs", "BYTES", "encoded model inputs as served; schemas.layout unpacks them"),
)
_PLACE = (
    Column("partition", "INT", "Kafka partition that the record was read from"),
    Column("offset", "BIGINT", "its offset there"),
)

SAMPLES = LakeTable(
    "samples",
    identity=("request_id", "ad_id", "kind"),
    hour_of="label_ts",
    columns=(
        Column("kind", "STRING", "POSITIVE, NEGATIVE, CORRECTION or MATURE"),
        *_IMPRESSION,
        Column("label", "INT", "0 or 1"),
        Column("label_ts", "TIMESTAMP", "event time at which the label became known"),
        Column("click_ts", "TIMESTAMP", "when it was clicked; null if label is 0"),
        Column("sample_weight", "FLOAT", "1 / probability of being kept by down-sampling"),
    ),
)
IMPRESSIONS = LakeTable("impressions", ("partition", "offset"), "ts", (*_IMPRESSION, *_PLACE))
CLICKS = LakeTable(
    "clicks",
    identity=("partition", "offset"),
    hour_of="ts",
    columns=(
        Column("request_id", "STRING", "request of the impression"),
        Column("ad_id", "STRING", "ad that was clicked"),
        Column("ts", "TIMESTAMP", "when it was clicked"),
        *_PLACE,
    ),
)

#: Impressions and clicks are there if CTR_STREAMING_ARCHIVE is on; repeated events are kept.
TABLES = (SAMPLES, IMPRESSIONS, CLICKS)
