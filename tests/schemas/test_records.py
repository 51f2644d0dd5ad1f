"""Records: round trips, and the bytes of every version that was ever released still decode."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import avro_codec
from schemas.avro_codec import DecodeError
from schemas.records import (
    RECORDS,
    Ad,
    Click,
    DeadLetter,
    Engagement,
    Impression,
    ModelAnnouncement,
    Record,
    Served,
    TrainingSample,
    User,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "records"

EXAMPLES: dict[str, Record] = {
    "Impression": Impression("r-1", "ad-7", "u-3", 1_767_225_600_123, 2, 1_500_000, b"\x00token"),
    "Click": Click("r-1", "ad-7", 1_767_225_612_000),
    "Ad": Ad("ad-7", 1_767_225_600_000, "PAUSED", 1_500_000, {"category": "shoes", "é": "ü"}),
    "User": User("u-3", 1_767_225_600_000, {"segment": "runner"}),
    "Served": Served("r-1", "ad-7", "deepfm", "v1", 0.125, 0.5, "00ff00ff00ff00ff", ["a"], b""),
    "Engagement": Engagement(
        "CLICK", "r-1", "ad-7", "u-3", 1_767_225_612_000, 2, 1_500_000, "deepfm", "v1", 0.125, 0.5,
        ["ad:7", "user:u-3"],
    ),
    "TrainingSample": TrainingSample(
        "CORRECTION", "r-1", "ad-7", "u-3", 1_767_225_600_123, 2, 1_500_000, "deepfm", "v1", 0.125,
        0.5, "00ff00ff00ff00ff", b"\x01\x02", 1, 1_767_225_612_000, 1_767_225_612_000, 1.0,
    ),
    "DeadLetter": DeadLetter("clicks", 1, 42, "not-avro: no marker", b"junk"),
    "ModelAnnouncement": ModelAnnouncement(
        "deepfm", "v2", "v1", "FULL", 1_767_225_600_000, {"training-samples-0": 9}, {"auc": 0.75}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_survives_its_encoding(name: str) -> None:
    example = EXAMPLES[name]
    assert RECORDS[name].decode(example.encode()) == example


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_the_current_version_has_golden_bytes(name: str) -> None:
    fingerprint = avro_codec.schema_fingerprint(avro_codec.current_schema(name)).hex()
    path = GOLDEN / f"{name}.{fingerprint}.bin"
    assert path.is_file(), (
        f"the schema of {name} changed: keep the old .avsc in schemas/avro/history and add {path}"
    )
    assert path.read_bytes() == EXAMPLES[name].encode()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bin")), ids=lambda path: path.stem)
def test_golden_bytes_of_every_version_decode(path: Path) -> None:
    name = path.name.split(".")[0]
    decoded = RECORDS[name].decode(path.read_bytes())
    example = EXAMPLES[name]
    assert {type(decoded), decoded.__class__.__name__} == {type(example), name}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-avro"),
        (b"{}", "not-avro"),
        (b"\xc3\x01" + b"\x00" * 20, "unknown-schema"),
        (EXAMPLES["Click"].encode()[:-4], "truncated"),
        (EXAMPLES["User"].encode(), "wrong-record"),
    ],
)
def test_bad_bytes_get_a_reason(data: bytes, code: str) -> None:
    with pytest.raises(DecodeError, match=f"^{code}"):
        Click.decode(data)


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_get_a_reason(tail: bytes) -> None:
    header = EXAMPLES["Impression"].encode()[:10]
    try:
        decoded = Impression.decode(header + tail)
    except DecodeError:
        return
    assert Impression.decode(decoded.encode()) == decoded


def test_a_value_of_a_wrong_type_is_refused() -> None:
    with pytest.raises(TypeError, match="ad_id"):
        Click("r", 5, 1).encode()  # type: ignore[arg-type]
