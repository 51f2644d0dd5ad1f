"""The sliding windows of the counters; the order here is the order in every packed row."""

WINDOWS_MS: dict[str, int] = {
    "15m": 15 * 60_000,
    "1h": 3_600_000,
    "1d": 86_400_000,
    "7d": 7 * 86_400_000,
}
TILES_PER_WINDOW = 15
LAST_CLICKS = 50
