"""A feeder that died: the one after it goes on with what is in memory."""

from contextlib import suppress
from pathlib import Path

import numpy as np

from scorer.ads.ad_arrays import REUSE_SECONDS, SLOTS
from scorer.ads.catalogue import Catalogue
from scorer.ads.staging import stage_ads
from scorer.memory.memory_folder import Memory
from tests.scorer.catalogues import apply, change_of, new_catalogue
from tests.scorer.publisher import ad
from tests.scorer.tiny_model import ENCODER


def test_what_a_killed_feeder_had_begun_is_ended() -> None:
    with new_catalogue(clock=iter(range(0, 10_000, 100)).__next__) as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(n)) for n in range(5)]))
        arrays, slot = catalogue.arrays, catalogue.slot("ad-3")
        assert slot is not None
        # As far as a removal that is cut off.
        slots = np.array([slot], np.int32)
        arrays.begin(slots)
        arrays.versions[slots] = 0
        after = Catalogue(ENCODER, arrays, catalogue.attributes._folder, 3, catalogue._clock)
        after.take_over()
        assert after.active_ads == 4
        assert not (arrays.sequences & 1).any()
        assert not arrays.read(slots).active.any()
        assert after.allocate("ad-77") == slot


def test_values_of_an_ad_that_was_cut_off_stay_its_own() -> None:
    """They are put again as they are, and must count although its slot was not in use yet."""
    now = 0.0
    with new_catalogue(lambda: now) as catalogue:
        apply(catalogue, stage_ads(catalogue, [change_of(ad(1, advertiser="first"))]))
        catalogue.arrays.state[SLOTS] = 0
        after = Catalogue(ENCODER, catalogue.arrays, catalogue.attributes._folder, 3, lambda: now)
        after.take_over()
        apply(after, stage_ads(after, [change_of(ad(1, advertiser="first"))]))
        for number in (2, 3):
            now += 2 * REUSE_SECONDS
            apply(after, stage_ads(after, [change_of(ad(number, advertiser=f"later-{number}"))]))
        slot = after.slot("ad-1")
        assert slot is not None
        assert after.attributes.of(slot)["advertiser"] == "first"


def test_who_fails_to_write_leaves_no_file_and_what_is_published_replaces(tmp_path: Path) -> None:
    memory = Memory.create(tmp_path)
    with suppress(FileNotFoundError), memory.new("model", "index") as paths:
        paths[0].touch()
        paths[1].read_bytes()
    assert {path.name for path in memory.folder.iterdir()} == {"served"}
    for _ in range(2):
        with memory.new("model", "index") as (model, index):
            model.touch()
            index.touch()
        memory.publish(model, index)
    with memory.new("model") as (unfinished,):
        unfinished.touch()
    again = Memory(memory.folder, writable=True)
    again.forget_unpublished()
    assert {path.name for path in memory.folder.iterdir()} == {"served", model.name, index.name}
