package ctr;

import org.apache.flink.core.memory.MemorySegmentFactory;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.NestedRowData;

/**
 * All that is remembered of one impression, or of a click that waits for it. Times are in ms. Rows
 * are bytes: of millions of them every object that they are made of counts.
 */
final class Pending {
  static final long NONE = Long.MIN_VALUE;

  static final byte UNLABELLED = 0;
  static final byte NEGATIVE = 1;

  /** A POSITIVE or a CORRECTION is out: nothing can change any more. */
  static final byte FINAL = 2;

  /** Time of the impression; NONE until it is known. */
  long ts = NONE;

  byte stage;

  /** 1 / keep share, or 0 when down-sampling drops this impression's negative samples. */
  float negativeWeight;

  /** The earliest click; NONE without one. */
  long clickTs = NONE;

  /** A row of {@link JoinedRow#IMPRESSION}; null when no output needs it any more. */
  byte[] impression;

  /** A row of {@link JoinedRow#SOURCE}; null unless a click waits for its impression. */
  byte[] clickSource;

  boolean hasImpression() {
    return ts != NONE;
  }

  boolean hasClick() {
    return clickTs != NONE;
  }

  RowData impression() {
    return row(impression, JoinedRow.IMPRESSION.getFieldCount());
  }

  RowData clickSource() {
    return row(clickSource, JoinedRow.SOURCE.getFieldCount());
  }

  private static RowData row(byte[] bytes, int columns) {
    NestedRowData row = new NestedRowData(columns);
    row.pointTo(MemorySegmentFactory.wrap(bytes), 0, bytes.length);
    return row;
  }

  /** Bytes are never changed in place, so copies share them. */
  Pending copy() {
    Pending copy = new Pending();
    copy.ts = ts;
    copy.stage = stage;
    copy.negativeWeight = negativeWeight;
    copy.clickTs = clickTs;
    copy.impression = impression;
    copy.clickSource = clickSource;
    return copy;
  }
}
