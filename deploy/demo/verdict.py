"""Decides whether a run was good: a list of what failed, empty if nothing did."""

from collections.abc import Collection

from deploy.demo.accounting import Accounts
from deploy.demo.report import Kill
from deploy.demo.watch import Sight
from streaming.adserver.summary import PlaySummary

UNANSWERED_SHARE = 0.01


def failures(
    play: PlaySummary,
    accounts: Accounts,
    sight: Sight,
    kill: Kill | None,
    *,
    kill_wanted: bool,
    learnable: bool,
    expected_reasons: Collection[str],
) -> list[str]:
    """What failed; ``learnable`` tells whether the data hold a signal that must be learnt,
    ``kill_wanted`` whether a part was to be killed."""
    failed = [f"accounting: {fault}" for fault in accounts.faults]
    if not play.answered:
        failed.append("scorer: it answered no request")
    missed = sum(play.unanswered.values())
    if missed > UNANSWERED_SHARE * play.asked:
        codes = ", ".join(f"{code} {count}" for code, count in play.unanswered.items())
        failed.append(f"scorer: {missed:,} of {play.asked:,} requests unanswered ({codes})")
    if play.clicks_not_sent:
        failed.append(f"ad server: stopped with {play.clicks_not_sent} clicks not sent")
    unexpected = {
        reason: count
        for reason, count in accounts.dead_letter_reasons.items()
        if reason not in expected_reasons
    }
    if unexpected:
        counts = ", ".join(f"{reason} {count}" for reason, count in unexpected.items())
        failed.append(f"events job: unexpected dead-letters: {counts}")
    if not accounts.samples:
        failed.append("events job: no training samples")
    if sight.click_to_counter is None or not sight.click_to_counter.total:
        failed.append("events job: no click was ever seen in a counter")
    if sight.click_to_score is None or not sight.click_to_score.total:
        failed.append("learning job or scorer: no click ever changed a score")
    if kill_wanted and kill is None:
        failed.append("learning job: it never learnt enough to be killed")
    if kill is not None and kill.back_after_seconds is None:
        failed.append(f"{kill.part} job: not ready again after kill -9")
    if learnable:
        failed += _not_learnt(play)
    return failed


def _not_learnt(play: PlaySummary) -> list[str]:
    validation = play.validation
    if validation is None or validation.frozen is None:
        return ["learning: nothing to compare with"]
    served, others = (
        validation.served,
        (
            ("the constant predictor", validation.constant),
            ("the model that never learnt", validation.frozen),
        ),
    )
    return [
        f"learning: log loss {served.log_loss:.4f} is no better than that of {name} "
        f"({other.log_loss:.4f})"
        for name, other in others
        if served.log_loss >= other.log_loss
    ]
