"""Small logs in the formats of public data sets, and logged rows, made from a seed."""

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bootstrap.logged_rows import NO_CLICK, LoggedRow
from online_model.datasets import criteo, open_bandit

DAY_MS = 86_400_000


def logged_row(
    ts_ms: int,
    user_id: str = "u1",
    ad_id: str = "a1",
    click_ms: int = NO_CLICK,
    segment: str = "s0",
    advertiser: str = "v0",
    position: int = 1,
) -> LoggedRow:
    """An impression of the world's features."""
    return LoggedRow(
        ts_ms=ts_ms,
        user_id=user_id,
        user_attributes={"segment": segment, "country": f"c{len(user_id) % 3}"},
        context={"hour": str(ts_ms // 1000 % 24), "device": f"d{ts_ms // 1000 % 3}"},
        ad_id=ad_id,
        ad_attributes={"category": "k1", "advertiser": advertiser},
        position=position,
        label=int(click_ms != NO_CLICK),
        click_ms=click_ms,
    )


def world_log(count: int, seed: int = 0) -> list[LoggedRow]:
    """Rows one second apart; users like every other ad and click it after a minute."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        ad, user = int(random.integers(20)), int(random.integers(30))
        likely = 0.6 if ad % 2 else 0.1
        ts_ms = 10 * DAY_MS + 1000 * number
        click_ms = ts_ms + 60_000 if random.random() < likely else NO_CLICK
        rows.append(logged_row(ts_ms, f"u{user}", f"a{ad}", click_ms, f"s{user % 4}", f"v{ad % 3}"))
    return rows


def write_criteo(path: Path, rows: int, block_rows: int = 100, seed: int = 0) -> Path:
    """C1 tells whether a click is likely; the last of the columns are often empty."""
    random = np.random.default_rng(seed)
    lines: list[Sequence[object]] = [criteo.COLUMNS]
    for number in range(rows):
        kind = int(random.integers(4))
        label = int(random.random() < (0.7 if kind % 2 else 0.1))
        integers = [int(value) for value in random.integers(0, 50, 12)]
        categories = [f"{value:08x}" for value in random.integers(0, 9, 24)]
        block = 1 + number // block_rows
        lines.append([number, block, label, *integers, "", f"kind{kind}", *categories, ""])
    return _write(path, lines, "\t")


def write_open_bandit(folder: Path, clicks: Sequence[int], name: str = "all.csv") -> Path:
    """One slot a second from 2019-11-24 00:00 UTC; items 0 to 2 in turn."""
    items: list[Sequence[object]] = [("", "item_id", *open_bandit.ITEM_FEATURES)]
    items += [(item, item, 0.5 * item, f"x{item}", "y", "z") for item in range(3)]
    _write(folder / open_bandit.ITEMS_FILE, items, ",")
    header = ("", "timestamp", "item_id", "position", "click", "propensity_score")
    lines: list[Sequence[object]] = [(*header, *open_bandit.USER_FEATURES)]
    for number, click in enumerate(clicks):
        moment = f"2019-11-24 00:{number // 60:02}:{number % 60:02}.500000+00:00"
        slot = (number, moment, number % 3, 1 + number % 3, click, 0.25)
        lines.append((*slot, f"p{number % 2}", "q", "r", "s"))
    return _write(folder / name, lines, ",")


def _write(path: Path, lines: Sequence[Sequence[object]], delimiter: str) -> Path:
    if path.suffix == ".gz":
        with gzip.open(path, "wt", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(lines)
    else:
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(lines)
    return path
