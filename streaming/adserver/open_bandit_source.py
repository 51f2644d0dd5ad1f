"""Real Open Bandit logs as traffic: their times, items, slots and propensities.

Times are moved so that the last row lies just before now; the propensity of the logging policy
goes into the token, which is signed again for it.
"""

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from online_model.datasets.open_bandit import ITEMS_FILE, OpenBanditRow, read_items, read_rows
from schemas.proto.ctr.v1.scorer_pb2 import Candidate, RankResponse, ScoreRequest
from schemas.records import Ad, Impression, User
from schemas.served_token import TokenKeys
from streaming.adserver.draws import exponential_ms
from streaming.adserver.settings import AdServerSettings
from streaming.adserver.source import Ask, Shown, SourceError, with_propensity

#: The rate that the data set's authors report for its campaigns (arXiv 2008.07146, table 1).
PUBLISHED_RATE = 0.005
LONGEST_DELAY = 10.0
PRICE_MICROS = 100_000


def log_file(folder: Path) -> Path:
    """The log in a folder; ``obp`` stands for the package's. Raises SourceError if it has none."""
    if str(folder) == "obp":
        spec = find_spec("obp")
        if spec is None or spec.origin is None:
            raise SourceError("the package obp is not installed: pip install --no-deps obp==0.4.1")
        folder = Path(spec.origin).parent / "dataset" / "obd" / "bts" / "all"
    logs = [
        path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if re.search(r"\.csv(\.gz)?$", path.name) and path.name != ITEMS_FILE
    ]
    if len(logs) != 1 or not (folder / ITEMS_FILE).is_file():
        raise SourceError(
            f"CTR_ADSERVER_OPEN_BANDIT_FOLDER: {folder} does not have one log (.csv or .csv.gz) "
            f"and {ITEMS_FILE}: name a campaign's folder with --file, or install the package obp "
            "(pip install --no-deps obp==0.4.1) and give --file obp"
        )
    return logs[0]


class OpenBanditSource:
    """Plays up to ``open_bandit_rows`` rows of a campaign."""

    history_rate = PUBLISHED_RATE

    def __init__(self, settings: AdServerSettings, keys: TokenKeys) -> None:
        self._settings = settings
        self._keys = keys
        log = log_file(settings.open_bandit_folder)
        self._items = read_items(log.parent / ITEMS_FILE)
        first = settings.open_bandit_first_row
        self._rows: list[OpenBanditRow] = list(
            islice(read_rows(log), first, first + settings.open_bandit_rows)
        )
        if not self._rows:
            raise SourceError(
                f"{log}: nothing is left to play after CTR_ADSERVER_OPEN_BANDIT_FIRST_ROW={first}"
            )
        self._number = 0
        self._start_ms = 0

    def _elapsed_ms(self, row: OpenBanditRow) -> int:
        return int(self._settings.open_bandit_time_scale * (row.ts_ms - self._rows[0].ts_ms))

    def catalogue(self, now_ms: int) -> Iterator[Ad | User]:
        """All items; event time is set to end before ``now_ms``, the last click included."""
        longest_seconds = LONGEST_DELAY * self._settings.open_bandit_click_delay_seconds
        self._start_ms = now_ms - self._elapsed_ms(self._rows[-1]) - int(1000 * longest_seconds)
        for item_id, attributes in self._items.items():
            yield Ad(f"item-{item_id}", self._start_ms, "ACTIVE", PRICE_MICROS, attributes)

    def next_ask(self, now_ms: int) -> Ask | None:
        """The next row; the wall clock plays no part."""
        if self._number == len(self._rows):
            return None
        number, row = self._number, self._rows[self._number]
        self._number += 1
        return Ask(
            number=number,
            ts=self._start_ms + self._elapsed_ms(row),
            request=ScoreRequest(
                request_id=row.request_id,
                user_id=row.user_id,
                context=row.context,
                candidates=[Candidate(ad_id=row.ad_id, attributes=row.ad_attributes)],
            ),
        )

    def changes(self, ask: Ask) -> Sequence[Ad]:
        """None: the log has one catalogue."""
        return ()

    def shown(self, ask: Ask, answer: RankResponse) -> Sequence[Shown]:
        """The item that the logging policy chose, in its slot."""
        row = self._rows[ask.number]
        (ad,) = answer.ads
        click_ts = None
        if row.label:
            mean_seconds = self._settings.open_bandit_click_delay_seconds
            delay_ms = exponential_ms(mean_seconds, self._settings.seed, row.request_id)
            click_ts = ask.ts + min(delay_ms, int(1000 * LONGEST_DELAY * mean_seconds))
        impression = Impression(
            request_id=row.request_id,
            ad_id=row.ad_id,
            user_id=row.user_id,
            ts=ask.ts,
            position=row.position,
            price=PRICE_MICROS,
            token=with_propensity(self._keys, ad, row.propensity),
        )
        return (Shown(impression, click_ts, ad.ctr, None),)

    def due_at_ms(self, ts: int) -> int | None:
        """Never waited for: event time is long past."""
        return None

    def report(self) -> dict[str, float]:
        """Nothing that the validation does not know."""
        return {}
