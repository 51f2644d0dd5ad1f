package ctr;

import org.apache.flink.table.data.StringData;

/** Kinds of engagements (the first two) and of labelled samples. */
final class Kind {
  static final StringData IMPRESSION = StringData.fromString("IMPRESSION");
  static final StringData CLICK = StringData.fromString("CLICK");
  static final StringData POSITIVE = StringData.fromString("POSITIVE");
  static final StringData NEGATIVE = StringData.fromString("NEGATIVE");
  static final StringData CORRECTION = StringData.fromString("CORRECTION");
  static final StringData MATURE = StringData.fromString("MATURE");

  private Kind() {}
}
