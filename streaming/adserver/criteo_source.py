"""Real Criteo rows as traffic: each is scored before its label is known to anyone.

Rows are evenly spaced in event time and end long enough before now for the last click to lie in
the past. Clicks come after an exponential delay; those later than the attribution window are sent
as well, for a real click does not know of our windows: the engine must refuse them.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from online_model.datasets.criteo import CriteoRow, read_rows
from schemas.proto.ctr.v1.scorer_pb2 import Candidate, RankResponse, ScoreRequest
from schemas.records import Ad, Impression, User
from streaming.adserver.draws import exponential_ms
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.source import Ask, Shown, SourceError

#: Of the mean delay; e^-10 of the clicks would come later, and are cut to this.
LONGEST_DELAY = 10.0


class CriteoSource:
    """Plays ``criteo_rows`` rows from ``criteo_first_row`` on; rows before that are history."""

    def __init__(self, settings: AdServerSettings) -> None:
        if not settings.criteo_file.is_file():
            raise SourceError(
                f"CTR_ADSERVER_CRITEO_FILE: {settings.criteo_file} does not exist: name a file of "
                "Criteo display ads (header row_id block label I1..I13 C1..C26) with --file"
            )
        self._settings = settings
        self._rows = read_rows(settings.criteo_file)
        labels = [row.label for row in islice(self._rows, settings.criteo_first_row)]
        if len(labels) < settings.criteo_first_row:
            raise SourceError(
                f"{settings.criteo_file} has {len(labels)} rows: nothing is left to play after "
                f"CTR_ADSERVER_CRITEO_FIRST_ROW={settings.criteo_first_row}"
            )
        self.history_rate = (sum(labels) + 1.0) / (len(labels) + 4.0)
        self._rows = islice(self._rows, settings.criteo_rows)
        self._asked: dict[int, CriteoRow] = {}
        self._number = 0
        self._start_ms = 0

    def catalogue(self, now_ms: int) -> Iterator[Ad | User]:
        """Nothing: ads come with their attributes. Event time is set to end before ``now_ms``."""
        settings = self._settings
        stream_seconds = settings.criteo_rows * settings.criteo_row_seconds
        longest_seconds = LONGEST_DELAY * settings.criteo_click_delay_seconds
        self._start_ms = now_ms - int(1000 * (stream_seconds + longest_seconds))
        return iter(())

    def next_ask(self, now_ms: int) -> Ask | None:
        """The next row; the wall clock plays no part."""
        row = next(self._rows, None)
        if row is None:
            return None
        number = self._number
        self._number += 1
        self._asked[number] = row
        candidate = Candidate(ad_id=row.ad_id, attributes=row.ad_attributes)
        return Ask(
            number=number,
            ts=self._start_ms + int(1000 * number * self._settings.criteo_row_seconds),
            request=ScoreRequest(
                request_id=row.request_id,
                user_id=row.user_id,
                context=row.context,
                candidates=[candidate],
            ),
        )

    def changes(self, ask: Ask) -> Sequence[Ad]:
        """None: there is no catalogue."""
        return ()

    def shown(self, ask: Ask, answer: RankResponse) -> Sequence[Shown]:
        """The one ad of the row; only now is its label looked at."""
        row = self._asked.pop(ask.number)
        (ad,) = answer.ads
        click_ts = None
        if row.label:
            mean_seconds = self._settings.criteo_click_delay_seconds
            delay_ms = exponential_ms(mean_seconds, self._settings.seed, row.request_id)
            click_ts = ask.ts + min(delay_ms, int(1000 * LONGEST_DELAY * mean_seconds))
        impression = Impression(
            request_id=row.request_id,
            ad_id=row.ad_id,
            user_id=row.user_id,
            ts=ask.ts,
            position=1,
            price=0,
            token=ad.token,
        )
        return (Shown(impression, click_ts, ad.ctr, None),)

    def due_at_ms(self, ts: int) -> int | None:
        """Never waited for: event time is long past."""
        return None

    def report(self) -> dict[str, float]:
        """Nothing that the validation does not know."""
        return {}
