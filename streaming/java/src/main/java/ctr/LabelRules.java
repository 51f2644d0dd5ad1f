package ctr;

import java.io.Serializable;

/**
 * When labels become known. Times are in ms of event time; {@code negativeKeep} is the share of
 * impressions whose NEGATIVE is kept; {@code mature} repeats every final label at the window's end.
 */
public record LabelRules(
    long labelWaitMs, long attributionWindowMs, double negativeKeep, boolean mature)
    implements Serializable {

  /** Event time at which an impression without a click becomes a NEGATIVE. */
  long negativeDueTs(Pending pending) {
    return pending.ts + labelWaitMs;
  }

  /** Event time at which nothing of an impression, or of a click without one, is kept. */
  long forgetTs(Pending pending) {
    return (pending.hasImpression() ? pending.ts : pending.clickTs) + attributionWindowMs;
  }

  /** Event time at which something is next to be done if nothing comes. */
  long nextTs(Pending pending) {
    if (!owesLabel(pending)) {
      return forgetTs(pending);
    }
    return pending.stage == Pending.UNLABELLED ? negativeDueTs(pending) : pending.clickTs;
  }

  /** Whether all is said of an impression, unless a click comes. */
  boolean endsSilently(Pending pending) {
    return pending.hasImpression() && !owesLabel(pending) && !mature;
  }

  private static boolean owesLabel(Pending pending) {
    return pending.hasImpression()
        && (pending.stage == Pending.UNLABELLED
            || pending.stage == Pending.NEGATIVE && pending.hasClick());
  }

  /** Whether the window of an impression at {@code ts} is over. */
  boolean isTooLate(long ts, long now) {
    return ts + attributionWindowMs <= now;
  }

  /** Whether a click belongs to an impression as far as their times tell. */
  boolean isAttributed(long clickTs, long ts) {
    return Math.abs(clickTs - ts) <= attributionWindowMs;
  }

  /** Weight of an impression's NEGATIVE; 0 when down-sampling drops it. */
  float negativeWeight(ImpressionId id) {
    return NegativeSampling.weight(id.requestId(), id.adId(), negativeKeep);
  }
}
