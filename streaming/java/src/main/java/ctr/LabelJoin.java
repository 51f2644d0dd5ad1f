package ctr;

import static org.apache.flink.table.annotation.ArgumentTrait.SET_SEMANTIC_TABLE;

import java.time.Instant;
import org.apache.flink.table.annotation.ArgumentHint;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.StateHint;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.types.Row;

/**
 * Joins impressions and clicks of one (request_id, ad_id) and labels them. Every impression gives
 * one IMPRESSION engagement and exactly one first label: POSITIVE as soon as a click within the
 * label wait is known, else NEGATIVE when the wait is over. A click within the attribution window
 * gives one CLICK engagement and, after a NEGATIVE, one CORRECTION. Order of arrival does not
 * matter: event times decide. A click without an impression becomes a dead letter when the window is
 * over, and so do rows that came with an error and impressions that are older than the window, of
 * which it is no longer known whether they were labelled. Of several clicks that come before their
 * impression only the earliest is remembered; the others are repetitions.
 */
@DataTypeHint(JoinedRow.TYPE)
public final class LabelJoin extends ProcessTableFunction<Row> {
  private static final int UNLABELLED = 0;
  private static final int NEGATIVE = 1;
  private static final int FINAL = 2;

  /** All that is remembered of one impression or of a click that waits for it. */
  public static class Pending {
    // The impression; null until it is known. After the final label only ts and stage are left.
    public Long ts;
    public Integer stage;
    public String request_id;
    public String ad_id;
    public String user_id;
    public Integer position;
    public Long price;
    public String variant;
    public String model_version;
    public Float predicted_ctr;
    public Float propensity;
    public String feature_fingerprint;
    public String[] counter_keys;
    public byte[] inputs;

    /** 1 / keep share, or 0 when down-sampling drops this impression's NEGATIVE. */
    public Float negative_weight;

    public Long negative_due_ts;
    public Long click_ts;

    // Where the click came from, kept only while it waits for its impression.
    public String click_topic;
    public Integer click_partition;
    public Long click_offset;
    public byte[] click_key;
    public byte[] click_raw;

    /** Event time at which all of this is dropped. */
    public Long forget_ts;
  }

  public void eval(
      Context context,
      @StateHint Pending pending,
      @ArgumentHint(value = SET_SEMANTIC_TABLE, name = "impressions") Row impression,
      @ArgumentHint(value = SET_SEMANTIC_TABLE, name = "clicks") Row click,
      @ArgumentHint(name = "label_wait_ms") Long labelWaitMs,
      @ArgumentHint(name = "attribution_window_ms") Long attributionWindowMs,
      @ArgumentHint(name = "negative_keep") Double negativeKeep) {
    Row event = impression != null ? impression : click;
    String error = (String) event.getField("error");
    if (error != null) {
      collect(JoinedRow.deadLetter(event, error));
      return;
    }
    TimeContext<Long> time = context.timeContext(Long.class);
    long watermark = watermark(time);
    if (impression != null) {
      onImpression(
          pending, impression, labelWaitMs, attributionWindowMs, negativeKeep, watermark);
    } else {
      onClick(pending, click, attributionWindowMs, watermark);
    }
    settle(context, time, pending, watermark);
  }

  /** Labels that become due when the watermark passes, and the end of the window. */
  public void onTimer(OnTimerContext context, Pending pending) {
    TimeContext<Long> time = context.timeContext(Long.class);
    settle(context, time, pending, watermark(time));
  }

  private void onImpression(
      Pending pending,
      Row row,
      long labelWaitMs,
      long attributionWindowMs,
      double negativeKeep,
      long watermark) {
    if (pending.ts != null) {
      return;
    }
    long ts = (Long) row.getField("ts");
    if (ts + attributionWindowMs <= watermark) {
      collect(
          JoinedRow.deadLetter(
              row,
              "too-late: older than the attribution window at event time "
                  + Instant.ofEpochMilli(watermark)));
      return;
    }
    pending.ts = ts;
    pending.stage = UNLABELLED;
    pending.request_id = (String) row.getField("request_id");
    pending.ad_id = (String) row.getField("ad_id");
    pending.user_id = (String) row.getField("user_id");
    pending.position = (Integer) row.getField("position");
    pending.price = (Long) row.getField("price");
    pending.variant = (String) row.getField("variant");
    pending.model_version = (String) row.getField("model_version");
    pending.predicted_ctr = (Float) row.getField("predicted_ctr");
    pending.propensity = (Float) row.getField("propensity");
    pending.feature_fingerprint = (String) row.getField("feature_fingerprint");
    pending.counter_keys = (String[]) row.getField("counter_keys");
    pending.inputs = (byte[]) row.getField("inputs");
    pending.negative_weight =
        NegativeSampling.weight(pending.request_id, pending.ad_id, negativeKeep);
    pending.negative_due_ts = ts + labelWaitMs;
    pending.forget_ts = ts + attributionWindowMs;
    collect(JoinedRow.engagement("IMPRESSION", pending, ts));
    if (pending.click_ts != null) {
      if (Math.abs(pending.click_ts - ts) > attributionWindowMs) {
        refuseWaitingClick(pending);
      } else {
        collect(JoinedRow.engagement("CLICK", pending, pending.click_ts));
      }
      forgetClickSource(pending);
    }
  }

  private void onClick(Pending pending, Row row, long attributionWindowMs, long watermark) {
    long ts = (Long) row.getField("ts");
    if (pending.ts == null) {
      if (pending.click_ts == null || ts < pending.click_ts) {
        pending.click_ts = ts;
        pending.click_topic = (String) row.getField("topic");
        pending.click_partition = (Integer) row.getField("partition");
        pending.click_offset = (Long) row.getField("offset");
        pending.click_key = (byte[]) row.getField("message_key");
        pending.click_raw = (byte[]) row.getField("raw");
        pending.forget_ts = ts + attributionWindowMs;
      }
    } else if (Math.abs(ts - pending.ts) > attributionWindowMs) {
      // Also after the final label: whether that is still remembered depends on the order of arrival.
      collect(JoinedRow.deadLetter(row, JoinedRow.ORPHAN));
    } else if (pending.stage != FINAL) {
      if (pending.click_ts == null) {
        pending.click_ts = ts;
        collect(JoinedRow.engagement("CLICK", pending, ts));
        if (pending.stage == NEGATIVE) {
          correct(pending);
        }
      } else {
        pending.click_ts = Math.min(pending.click_ts, ts);
      }
    }
  }

  /** Emits all that is due by {@code now}, drops what is no longer needed, sets the next timer. */
  private void settle(Context context, TimeContext<Long> time, Pending pending, long now) {
    if (pending.forget_ts == null) {
      return;
    }
    if (pending.ts == null) {
      if (pending.forget_ts <= now) {
        refuseWaitingClick(pending);
        context.clearAllState();
      } else {
        time.registerOnTime(pending.forget_ts);
      }
      return;
    }
    label(pending, now);
    if (pending.forget_ts <= now) {
      context.clearAllState();
    } else {
      time.registerOnTime(nextDue(pending));
    }
  }

  private void label(Pending pending, long now) {
    Long clickTs = pending.click_ts;
    if (pending.stage == UNLABELLED) {
      if (clickTs != null && clickTs <= pending.negative_due_ts) {
        collect(JoinedRow.sample("POSITIVE", pending, Math.max(clickTs, pending.ts)));
        finish(pending);
      } else if (pending.negative_due_ts <= now) {
        if (pending.negative_weight > 0) {
          collect(JoinedRow.sample("NEGATIVE", pending, pending.negative_due_ts));
        }
        pending.stage = NEGATIVE;
      }
    }
    // A late click may be known before the NEGATIVE is due, as in a replay: the correction then
    // waits for the click's own time.
    if (pending.stage == NEGATIVE && clickTs != null && clickTs <= now) {
      correct(pending);
    }
  }

  private void correct(Pending pending) {
    long labelTs = Math.max(pending.click_ts, pending.negative_due_ts);
    collect(JoinedRow.sample("CORRECTION", pending, labelTs));
    finish(pending);
  }

  private static long nextDue(Pending pending) {
    if (pending.stage == UNLABELLED) {
      return pending.negative_due_ts;
    }
    if (pending.stage == NEGATIVE && pending.click_ts != null) {
      return pending.click_ts;
    }
    return pending.forget_ts;
  }

  /** The impression stays known until its window ends, so that a repetition is recognised. */
  private static void finish(Pending pending) {
    pending.stage = FINAL;
    pending.request_id = null;
    pending.ad_id = null;
    pending.user_id = null;
    pending.position = null;
    pending.price = null;
    pending.variant = null;
    pending.model_version = null;
    pending.predicted_ctr = null;
    pending.propensity = null;
    pending.feature_fingerprint = null;
    pending.counter_keys = null;
    pending.inputs = null;
    pending.negative_weight = null;
    pending.negative_due_ts = null;
    pending.click_ts = null;
  }

  private void refuseWaitingClick(Pending pending) {
    collect(JoinedRow.orphan(pending));
    pending.click_ts = null;
  }

  private static void forgetClickSource(Pending pending) {
    pending.click_topic = null;
    pending.click_partition = null;
    pending.click_offset = null;
    pending.click_key = null;
    pending.click_raw = null;
  }

  private static long watermark(TimeContext<Long> time) {
    Long watermark = time.currentWatermark();
    return watermark == null ? Long.MIN_VALUE : watermark;
  }
}
