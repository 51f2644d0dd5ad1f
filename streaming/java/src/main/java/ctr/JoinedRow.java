package ctr;

import org.apache.flink.types.Row;

/**
 * The rows that {@link LabelJoin} gives: three kinds in one type, told apart by {@code output}
 * (ENGAGEMENT, SAMPLE, DEAD_LETTER); columns of the other kinds are null. The impression's identity
 * is among the columns because Flink 2.3.0 mixes up the partition columns that it puts before them
 * when there are two tables and two such columns.
 */
final class JoinedRow {
  static final String TYPE =
      "ROW<`output` STRING, kind STRING, user_id STRING, ts BIGINT, `position` INT, price BIGINT,"
          + " `variant` STRING, model_version STRING, predicted_ctr FLOAT, propensity FLOAT,"
          + " feature_fingerprint STRING, counter_keys ARRAY<STRING>, inputs BYTES, label INT,"
          + " label_ts BIGINT, click_ts BIGINT, sample_weight FLOAT, topic STRING,"
          + " `partition` INT, `offset` BIGINT, reason STRING, message_key BYTES, `raw` BYTES,"
          + " of_request_id STRING, of_ad_id STRING>";
  static final String ORPHAN = "orphan-click: no impression within the attribution window";
  private static final int COLUMNS = 25;

  private JoinedRow() {}

  static Row engagement(String kind, LabelJoin.Pending of, long ts) {
    Row row = impression("ENGAGEMENT", kind, of, ts);
    row.setField(11, of.counter_keys);
    return row;
  }

  static Row sample(String kind, LabelJoin.Pending of, long labelTs) {
    boolean negative = kind.equals("NEGATIVE");
    Row row = impression("SAMPLE", kind, of, of.ts);
    row.setField(10, of.feature_fingerprint);
    row.setField(12, of.inputs);
    row.setField(13, negative ? 0 : 1);
    row.setField(14, labelTs);
    row.setField(15, negative ? null : of.click_ts);
    row.setField(16, negative ? of.negative_weight : 1f);
    return row;
  }

  static Row deadLetter(Row event, String reason) {
    return deadLetter(
        (String) event.getField("topic"),
        (Integer) event.getField("partition"),
        (Long) event.getField("offset"),
        reason,
        (byte[]) event.getField("message_key"),
        (byte[]) event.getField("raw"));
  }

  static Row orphan(LabelJoin.Pending of) {
    return deadLetter(
        of.click_topic, of.click_partition, of.click_offset, ORPHAN, of.click_key, of.click_raw);
  }

  private static Row deadLetter(
      String topic, Integer partition, Long offset, String reason, byte[] key, byte[] raw) {
    Row row = new Row(COLUMNS);
    row.setField(0, "DEAD_LETTER");
    row.setField(17, topic);
    row.setField(18, partition);
    row.setField(19, offset);
    row.setField(20, reason);
    row.setField(21, key);
    row.setField(22, raw);
    return row;
  }

  private static Row impression(String output, String kind, LabelJoin.Pending of, long ts) {
    Row row = new Row(COLUMNS);
    row.setField(0, output);
    row.setField(1, kind);
    row.setField(2, of.user_id);
    row.setField(3, ts);
    row.setField(4, of.position);
    row.setField(5, of.price);
    row.setField(6, of.variant);
    row.setField(7, of.model_version);
    row.setField(8, of.predicted_ctr);
    row.setField(9, of.propensity);
    row.setField(23, of.request_id);
    row.setField(24, of.ad_id);
    return row;
  }
}
