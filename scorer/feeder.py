"""The one thread that changes what is served: catalogue, counters, row deltas, new models."""

import threading
from collections.abc import Callable, Iterable
from time import monotonic

import numpy as np
import redis
import structlog
from numpy.typing import NDArray

from schemas import redis_keys, row_changes
from scorer.ads import change_stream
from scorer.ads.bulk_load import load_page
from scorer.ads.catalogue import SLICE, Catalogue
from scorer.ads.staging import Staged, stage_ads, stage_counters
from scorer.memory.memory_folder import Memory
from scorer.metrics import ScorerMetrics
from scorer.model.delta_stream import ENTRIES_PER_READ, DeltaGapError, NewRows, following
from scorer.model.half_refresher import HalfRefresher
from scorer.model.index_keeper import IndexKeeper
from scorer.model.model_file import publish_popular
from scorer.model.model_follower import ModelFollower
from scorer.model.model_holder import ModelHolder, ServedModel
from scorer.model.retired_models import RetiredModels

_log = structlog.get_logger(__name__)
#: Fewer ads than this share of those in memory: Redis was emptied, not so many ads deleted.
LOST_SHARE = 0.5
_BLOCK_MS = 40
#: Ads that are written at a time while nobody reads them.
_PAGE = 1 << 14
_REPORT_SECONDS = 5.0
_BACKOFF_SECONDS = 0.25


class Feeder(threading.Thread):
    """Tails Redis and applies what it says. Requests only ever wait for one short slice."""

    def __init__(
        self,
        client: redis.Redis,
        model_name: str,
        catalogue: Catalogue,
        holder: ModelHolder,
        follower: ModelFollower,
        keeper: IndexKeeper,
        memory: Memory,
        metrics: ScorerMetrics,
        now_ms: Callable[[], int],
        on_model: Callable[[], None],
    ) -> None:
        """``on_model`` is called after each change of the served model."""
        super().__init__(name="feeder", daemon=True)
        self._client = client
        self._model_name = model_name
        self._catalogue = catalogue
        self._holder = holder
        self._follower = follower
        self._keeper = keeper
        self._memory = memory
        self._metrics = metrics
        self._now_ms = now_ms
        self._on_model = on_model
        self._refresher = HalfRefresher(catalogue, metrics, now_ms)
        self._stopping = threading.Event()
        #: True at first: one that goes on with the ads of another may have missed something.
        self._lost_sight = True
        self._resyncing = False
        self._retired = RetiredModels()

    @property
    def _changes_after(self) -> str | None:
        """The last entry that was applied; None before all ads were read."""
        position: bytes = self._catalogue.arrays.stream[0]
        return position.decode() or None

    @_changes_after.setter
    def _changes_after(self, entry_id: str) -> None:
        self._catalogue.arrays.stream[0] = entry_id.encode()

    def stop(self) -> None:
        """End soon; join the thread afterwards."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; a fault is logged, counted and tried again."""
        fault = ""
        while not self._stopping.is_set():
            try:
                self._step()
                if fault:
                    _log.info("following Redis again")
                fault = ""
            except Exception as error:  # the thread must outlive any fault of Redis or its data
                self._metrics.feeder_errors.inc()
                self._lost_sight = True
                before, away = fault, isinstance(error, redis.RedisError)
                fault = "Redis is away" if away else repr(error)
                if fault != before and away:
                    _log.warning("Redis is away, serving what is in memory", error=str(error))
                elif fault != before:
                    _log.exception("feeder step failed")
                self._stopping.wait(_BACKOFF_SECONDS)
        self._retired.close()

    def _step(self) -> None:
        if self._changes_after is None or self._must_reload(self._changes_after):
            self._reload()
        self._lost_sight = False
        self._retired.let_go()
        with self._follower.prepared() as prepared:
            if isinstance(prepared, NewRows):
                self._catch_up(self._holder.require(), prepared)
            elif prepared is not None:
                self._swap(prepared)
        self._swap_index()
        self._follow_changes()
        self._catalogue.popularity.publish()
        served = self._holder.current
        if served is not None:
            if not self._resyncing:
                self._follow_deltas(served)
            self._refresher.step(served)

    def _must_reload(self, after: str) -> bool:
        return self._lost_sight and change_stream.was_trimmed(
            self._client, redis_keys.CHANGES, after
        )

    def _reload(self) -> None:
        snapshot = change_stream.read_snapshot(self._client)
        catalogue = self._catalogue
        before = catalogue.slots_in_use()
        complete = snapshot.ad_count >= LOST_SHARE * len(before)
        if complete:
            catalogue.counters.clear()
            catalogue.popularity.clear()
        else:
            _log.warning(
                "Redis has lost ads, those in memory stay",
                ads=snapshot.ad_count,
                in_memory=len(before),
            )
        counters = ads = 0
        for page in snapshot.counters:
            counters += len(page)
            self._apply(stage_counters(catalogue, page))
        revision, reported = catalogue.revision, monotonic()
        for page in snapshot.ads:
            ads += len(page)
            left = page if len(before) else load_page(catalogue, page)
            self._apply(stage_ads(catalogue, left, reload=complete))
            if monotonic() > reported + _REPORT_SECONDS:
                reported = monotonic()
                _log.info("catalogue is loading", ads=ads, of=snapshot.ad_count)
        if complete:
            gone = before[catalogue.arrays.revisions.take(before) <= revision]
            self._remove(map(catalogue.arrays.ids.text, gone.tolist()))
        self._changes_after = snapshot.entry_id
        self._catalogue.sort()
        self._catalogue.set_loaded()
        _log.info("catalogue loaded", ads=ads, counters=counters)

    def _follow_changes(self) -> None:
        entries = change_stream.read_entries(
            self._client,
            redis_keys.CHANGES,
            self._changes_after or "0-0",
            change_stream.ENTRIES_PER_READ,
            None if self._refresher.busy else _BLOCK_MS,
        )
        for entry_id, fields in entries:
            self._apply_entry(fields)
            self._changes_after = entry_id.decode()
        # A reader that lags so far behind waits for nothing else, and may have missed what was cut.
        self._lost_sight = len(entries) == change_stream.ENTRIES_PER_READ

    def _apply_entry(self, fields: dict[bytes, bytes]) -> None:
        try:
            kind, changes = row_changes.from_fields(fields)
        except (ValueError, KeyError) as error:
            self._metrics.changes_refused.inc()
            _log.warning("changes refused", error=str(error))
            return
        stage = stage_ads if kind == "ads" else stage_counters
        staged = stage(self._catalogue, changes)
        self._apply(staged)
        if kind == "counters" and changes and not staged.damaged:
            newest_ms = max(change.version_ms for change in changes)
            self._metrics.counter_to_scorer_seconds.observe((self._now_ms() - newest_ms) / 1000)

    def _apply(self, staged: Staged) -> None:
        served, arrays = self._holder.current, self._catalogue.arrays
        for piece in staged.update.slices(SLICE if served else _PAGE):
            self._catalogue.commit(piece)
            if served is not None:
                new = np.fromiter(piece.entries, np.int32, len(piece.entries))
                served.refresh(np.setdiff1d(piece.slots, new), arrays)
                self._put(new)
        self._remove(staged.removed)
        if staged.damaged:
            self._metrics.changes_refused.inc(staged.damaged)
            _log.warning("changes refused", count=staged.damaged)
        self._metrics.ads.set(self._catalogue.active_ads)

    def _remove(self, ad_ids: Iterable[str]) -> None:
        slots = self._catalogue.remove(ad_ids)
        if len(slots):
            self._put(slots)

    def _put(self, slots: NDArray[np.int32]) -> None:
        served, arrays = self._holder.current, self._catalogue.arrays
        if served is not None:
            self._tell_left_out(served.put(slots, arrays))
        for retired in self._retired:
            retired.put(slots, arrays)

    def _tell_left_out(self, left_out: int) -> None:
        if left_out:
            self._metrics.feeder_errors.inc()
            _log.error("the index is full until it is built again", ads=left_out)

    def _follow_deltas(self, served: ServedModel) -> None:
        version, shape = served.manifest.version, served.model.table.shape
        entries = change_stream.read_entries(
            self._client,
            redis_keys.model_deltas(self._model_name, version),
            served.position.entry_id,
            ENTRIES_PER_READ,
            None if self._refresher.busy or self._lost_sight else _BLOCK_MS,
        )
        for entry_id, fields in entries:
            try:
                new = following(served.position, entry_id, fields, version, shape)
            except DeltaGapError as error:
                self._metrics.delta_resyncs.labels(error.reason).inc()
                _log.warning("rows are reloaded", version=version, reason=str(error))
                self._resyncing = True
                self._follower.request_resync(served.position)
                return
            self._apply_rows(served, new)

    def _catch_up(self, served: ServedModel, new: NewRows) -> None:
        self._resyncing = False  # first: what fails is found missing again
        self._apply_rows(served, new)
        _log.info("rows are complete again", version=served.manifest.version, rows=len(new.ids))

    def _apply_rows(self, served: ServedModel, new: NewRows) -> None:
        new.apply_to(served)
        self._metrics.rows_applied.inc(len(new.ids))
        self._refresher.rows_changed(served, new.ids, new.click_ts)
        served.position = new.position

    def _swap(self, prepared: ServedModel) -> None:
        catalogue, old = self._catalogue, self._holder.current
        changed = catalogue.changed_after(prepared.built_revision)
        for start in range(0, len(changed), SLICE):
            self._tell_left_out(prepared.put(changed[start : start + SLICE], catalogue.arrays))
        version = prepared.manifest.version
        self._holder.current = prepared
        if old is not None:
            self._retired.add(old)
        self._resyncing = False
        self._refresher.reset()
        self._metrics.model_info.clear()
        self._metrics.model_info.labels(version).set(1)
        created_ms, now_ms = prepared.manifest.created_ms, self._now_ms
        self._metrics.model_age_seconds.set_function(lambda: (now_ms() - created_ms) / 1000)
        _log.info(
            "model is served",
            version=version,
            ads=catalogue.active_ads,
            caught_up=int(np.size(changed)),
        )
        self._on_model()
        self._publish(prepared)

    def _swap_index(self) -> None:
        found = self._keeper.take_prepared()
        if found is None:
            return
        served, index, path, revision = found
        if served is not self._holder.current:
            path.unlink(missing_ok=True)
            return
        changed = self._catalogue.changed_after(revision)
        for start in range(0, len(changed), SLICE):
            slots = changed[start : start + SLICE]
            active = self._catalogue.arrays.active.take(slots)
            self._tell_left_out(index.put(slots, served.store.vectors.take(slots, axis=0), active))
        served.index, served.index_path = index, path
        self._publish(served)

    def _publish(self, served: ServedModel) -> None:
        if served.file is not None and served.index_path is not None:
            # First: a worker that takes the model reads them at once.
            publish_popular(self._catalogue.arrays, served.popular)
            self._memory.publish(served.file.path, served.index_path)
