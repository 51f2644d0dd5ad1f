"""Impressions as logs tell them, before encoding, whatever data set they come from."""

from collections.abc import Mapping
from dataclasses import dataclass

from online_model.studies.delayed_stream import NO_CLICK as NO_CLICK


@dataclass(frozen=True, slots=True)
class LoggedRow:
    """What was asked, what was shown, and what came of it.

    ``click_ms`` is NO_CLICK without one; where a log does not tell when, it is ``ts_ms``.
    ``block`` is what the log says of the row's part, 0 where it has none.
    """

    ts_ms: int
    user_id: str
    user_attributes: Mapping[str, str]
    context: Mapping[str, str]
    ad_id: str
    ad_attributes: Mapping[str, str]
    position: int
    label: int
    click_ms: int
    block: int = 0
