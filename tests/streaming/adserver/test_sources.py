"""The sources of real logs: what they ask, show and click; what they say when data are missing."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from online_model.datasets.criteo import COLUMNS
from schemas.proto.ctr.v1.scorer_pb2 import RankedAd, RankResponse, ScoreRequest
from schemas.records import Ad
from schemas.served_token import TokenError, TokenKeys
from streaming.adserver.criteo_source import CriteoSource
from streaming.adserver.open_bandit_source import OpenBanditSource, log_file
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.source import Shown, Source, SourceError, served, with_propensity
from streaming.adserver.world_source import WorldSource

Make = Callable[..., Any]
KEYS = TokenKeys.parse("1:" + "ab" * 16)
NOW_MS = 1_760_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def criteo_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.tsv"
    cells = ["1"] * 13 + ["aa"] * 26
    lines = ["\t".join([str(row), "1", str(row % 2), *cells]) for row in range(10)]
    path.write_text("\n".join(["\t".join(COLUMNS), *lines]) + "\n")
    return path


@pytest.fixture
def bandit_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bandit"
    folder.mkdir()
    items = ["0,7,-0.5,a,b,c", "1,8,0.5,d,e,f"]
    header = ",item_id," + ",".join(f"item_feature_{i}" for i in range(4))
    (folder / "item_context.csv").write_text("\n".join([header, *items]) + "\n")
    header = ",timestamp,item_id,position,click,propensity_score," + ",".join(
        f"user_feature_{i}" for i in range(4)
    )
    rows = [
        "0,2019-11-24 00:00:00+00:00,7,2,1,0.25,u,v,w,x",
        "1,2019-11-24 00:01:00+00:00,8,1,0,0.5,u,v,w,x",
    ]
    (folder / "log.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def _played(source: Source, scorer: Callable[[ScoreRequest], RankResponse]) -> list[Shown]:
    shown: list[Shown] = []
    while (ask := source.next_ask(NOW_MS)) is not None:
        assert isinstance(ask.request, ScoreRequest)
        shown.extend(source.shown(ask, scorer(ask.request)))
    return shown


def test_criteo_plays_the_rows_after_history(criteo_file: Path, make_scorer: Make) -> None:
    settings = AdServerSettings(criteo_file=criteo_file, criteo_first_row=4, criteo_rows=5)
    source = CriteoSource(settings)
    assert list(source.catalogue(NOW_MS)) == []
    assert source.history_rate == pytest.approx(3 / 8)
    fake = make_scorer("criteo")
    shown = _played(source, lambda request: fake.Score(request, None))
    impressions = [each.impression for each in shown]
    assert [i.request_id for i in impressions] == [f"criteo-{row}" for row in range(4, 9)]
    assert [each.label for each in shown] == [0, 1, 0, 1, 0]
    steps = {b.ts - a.ts for a, b in pairwise(impressions)}
    assert steps == {21_600}
    clicks = [each.click_ts for each in shown if each.click_ts]
    assert all(click < NOW_MS for click in clicks)


def test_criteo_delays_have_the_mean_that_was_asked(criteo_file: Path) -> None:
    settings = AdServerSettings(criteo_file=criteo_file, criteo_first_row=0)
    rows = 40_000 * settings.criteo_row_seconds
    assert rows == pytest.approx(10 * 86_400)
    assert settings.criteo_click_delay_seconds == pytest.approx(86_400 / 5)


def test_criteo_says_what_is_missing(criteo_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere.tsv does not exist.*--file"):
        CriteoSource(AdServerSettings(criteo_file=tmp_path / "nowhere.tsv"))
    with pytest.raises(SourceError, match="has 10 rows: nothing is left"):
        CriteoSource(AdServerSettings(criteo_file=criteo_file, criteo_first_row=11))


def test_open_bandit_keeps_times_slots_and_propensities(
    bandit_folder: Path,
    make_scorer: Make,
) -> None:
    settings = AdServerSettings(open_bandit_folder=bandit_folder, open_bandit_time_scale=0.5)
    source = OpenBanditSource(settings, KEYS)
    ads = list(source.catalogue(NOW_MS))
    assert [ad.ad_id for ad in ads if isinstance(ad, Ad)] == ["item-7", "item-8"]
    fake = make_scorer("open_bandit")
    first, second = _played(source, lambda request: fake.Score(request, None))
    assert first.impression.position == 2
    assert second.impression.ts - first.impression.ts == 30_000
    assert [each.label for each in (first, second)] == [1, 0]
    token = KEYS.verify(first.impression.token)
    assert token.propensity == pytest.approx(0.25)
    assert token.ad_id == "item-7"
    assert token == served(first.impression.token)


def test_open_bandit_takes_the_files_of_the_package() -> None:
    pytest.importorskip("obp", reason="the package obp is not installed")
    assert log_file(Path("obp")).name == "all.csv"


def test_open_bandit_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"does not have one log.*--file obp"):
        log_file(tmp_path / "nowhere")


def test_a_token_of_other_keys_is_not_signed_again(make_scorer: Make) -> None:
    answer = make_scorer("criteo").Score(
        ScoreRequest(request_id="r", user_id="u", candidates=[{"ad_id": "a"}]), None
    )
    other = TokenKeys.parse("2:" + "cd" * 16)
    with pytest.raises(TokenError, match="unknown key id"):
        with_propensity(other, answer.ads[0], 0.5)


def test_world_shows_what_was_ranked_and_some_at_random(make_scorer: Make) -> None:
    settings = AdServerSettings(
        world_users=20,
        world_ads=30,
        world_real_time=False,
        world_seconds=4.0,
        world_random_share=0.3,
    )
    source = WorldSource(settings, KEYS)
    catalogue = list(source.catalogue(NOW_MS))
    fake = make_scorer("world", catalogue=[a.ad_id for a in catalogue if isinstance(a, Ad)])
    shown, ranked = [], 0
    while (ask := source.next_ask(NOW_MS)) is not None:
        source.changes(ask)
        is_score = isinstance(ask.request, ScoreRequest)
        answer = fake.Score(ask.request, None) if is_score else fake.Rank(ask.request, None)
        ranked += not is_score
        for each in source.shown(ask, answer):
            shown.append(each)
            propensity = served(each.impression.token).propensity
            assert propensity == pytest.approx(1 / 30, rel=0.1) if is_score else propensity == 1.0
    assert len(shown) == 5 * 300
    assert 180 < ranked < 240
    report = source.report()
    assert report["ranked_requests"] == ranked
    assert report["best_expected_clicks"] >= report["expected_clicks"]
    assert report["regret"] > 0


def test_world_refuses_a_foreign_catalogue_and_an_endless_pace() -> None:
    with pytest.raises(SourceError, match="WORLD_REAL_TIME"):
        WorldSource(AdServerSettings(requests_per_second=0), KEYS)
    source = WorldSource(AdServerSettings(world_random_share=0), KEYS)
    ask = source.next_ask(NOW_MS)
    assert ask is not None
    with pytest.raises(SourceError, match="another catalogue"):
        source.shown(ask, RankResponse(ads=[RankedAd(ad_id="item-7")]))
