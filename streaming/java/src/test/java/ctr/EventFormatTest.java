package ctr;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.Test;

class EventFormatTest {
  private static final String KEY = "000102030405060708090a0b0c0d0e0f";
  private static final String FINGERPRINT = "0123456789abcdef";
  private static final long TS = 1_700_000_000_000L;
  private static final RowType COLUMNS =
      (RowType)
          DataTypes.ROW(
                  DataTypes.FIELD("request_id", DataTypes.STRING()),
                  DataTypes.FIELD("ad_id", DataTypes.STRING()),
                  DataTypes.FIELD("ts", DataTypes.BIGINT()),
                  DataTypes.FIELD("variant", DataTypes.STRING()),
                  DataTypes.FIELD("counter_keys", DataTypes.ARRAY(DataTypes.STRING())),
                  DataTypes.FIELD("inputs", DataTypes.BYTES()),
                  DataTypes.FIELD("error", DataTypes.STRING()),
                  DataTypes.FIELD("raw", DataTypes.BYTES()),
                  DataTypes.FIELD(
                      "together",
                      DataTypes.ROW(
                          DataTypes.FIELD("inputs", DataTypes.BYTES()),
                          DataTypes.FIELD("position", DataTypes.INT()))))
              .getLogicalType();
  private static final int ERROR = 6;
  private static final int RAW = 7;

  @Test
  void readsAnImpressionAndItsToken() {
    RowData row = decode(impression(TS, token(FINGERPRINT)));
    assertTrue(row.isNullAt(ERROR), () -> row.getString(ERROR).toString());
    assertEquals("r", row.getString(0).toString());
    assertEquals(TS, row.getLong(2));
    assertEquals("arm", row.getString(3).toString());
    assertEquals("ad:1", row.getArray(4).getString(0).toString());
    assertArrayEquals(new byte[] {1, 2, 3}, row.getBinary(5));
    RowData together = row.getRow(8, 2);
    assertArrayEquals(new byte[] {1, 2, 3}, together.getBinary(0));
    assertEquals(1, together.getInt(1));
  }

  @Test
  void saysWhyARecordIsRefused() {
    byte[] good = impression(TS, token(FINGERPRINT));
    byte[] unknown = good.clone();
    unknown[5] ^= 1;
    byte[] forged = token(FINGERPRINT);
    forged[20] ^= 1;
    assertRefused("not-avro: ", "poison".getBytes());
    assertRefused("not-avro: ", new byte[0]);
    assertRefused("unknown-schema: fingerprint ", unknown);
    assertRefused("truncated: ", Arrays.copyOf(good, good.length - 1));
    assertRefused("truncated: ", Arrays.copyOf(good, good.length + 1));
    assertRefused("impossible-time: ", impression(-5, token(FINGERPRINT)));
    assertRefused("impossible-time: ", impression(Long.MAX_VALUE, token(FINGERPRINT)));
    assertRefused("forged-token: wrong MAC", impression(TS, forged));
    assertRefused("bad-token: ", impression(TS, new byte[3]));
    assertRefused("wrong-fingerprint: expected " + FINGERPRINT + " got x", impression(TS, token("x")));
    assertRefused(
        "too-long: field counter_keys has 65536 bytes",
        impression(TS, token(FINGERPRINT, "k".repeat(65_536))));
    assertRefused("wrong-record: expected Impression, got Click", click());
  }

  @Test
  void neverThrowsOnRandomDamage() {
    byte[] good = impression(TS, token(FINGERPRINT));
    Random random = new Random(7);
    EventDecoder decoder = decoder();
    for (int i = 0; i < 20_000; i++) {
      byte[] damaged = Arrays.copyOf(good, 11 + random.nextInt(good.length));
      for (int n = random.nextInt(4); n >= 0; n--) {
        damaged[10 + random.nextInt(damaged.length - 10)] = (byte) random.nextInt();
      }
      assertArrayEquals(damaged, decoder.deserialize(damaged).getBinary(RAW));
    }
  }

  @Test
  void aTombstoneIsARowOfNulls() {
    RowData row = decode(null);
    assertTrue(row.isNullAt(ERROR) && row.isNullAt(RAW) && row.isNullAt(0));
  }

  @Test
  void writesWhatItReads() throws EventFault {
    EventEncoder encoder =
        new EventEncoder(
            "click",
            List.of("ad_id", "request_id", "ts"),
            List.of(
                DataTypes.STRING().getLogicalType(),
                DataTypes.STRING().getLogicalType(),
                DataTypes.BIGINT().getLogicalType()));
    encoder.open(null);
    byte[] bytes =
        encoder.serialize(
            GenericRowData.of(StringData.fromString("é"), StringData.fromString("r"), TS));
    GenericRecord click = new SingleObject("click").decode(bytes, bytes.length);
    assertEquals("é", click.get("ad_id").toString());
    assertEquals(TS, click.get("ts"));
    assertNull(Schemas.written(1));
  }

  private static void assertRefused(String reason, byte[] message) {
    RowData row = decode(message);
    String error = row.getString(ERROR).toString();
    assertTrue(error.startsWith(reason), error);
    assertTrue(row.isNullAt(0));
    assertArrayEquals(message, row.getBinary(RAW));
  }

  private static RowData decode(byte[] message) {
    return decoder().deserialize(message);
  }

  private static EventDecoder decoder() {
    EventDecoder decoder = new EventDecoder("impression", COLUMNS, "3:" + KEY, FINGERPRINT, "", "", null);
    decoder.open(null);
    return decoder;
  }

  private static byte[] click() {
    GenericRecord value = new GenericData.Record(Schemas.current("click"));
    value.put("request_id", "r");
    value.put("ad_id", "a");
    value.put("ts", TS);
    return new SingleObject("click").encode(value);
  }

  private static byte[] impression(long ts, byte[] token) {
    GenericRecord value = new GenericData.Record(Schemas.current("impression"));
    value.put("request_id", "r");
    value.put("ad_id", "a");
    value.put("user_id", "u");
    value.put("ts", ts);
    value.put("position", 1);
    value.put("price", 5L);
    value.put("token", ByteBuffer.wrap(token));
    return new SingleObject("impression").encode(value);
  }

  private static byte[] token(String fingerprint) {
    return token(fingerprint, "ad:1");
  }

  private static byte[] token(String fingerprint, String counterKey) {
    GenericRecord value = new GenericData.Record(Schemas.current("served"));
    value.put("request_id", "r");
    value.put("ad_id", "a");
    value.put("variant", "arm");
    value.put("model_version", "v");
    value.put("predicted_ctr", 0.1f);
    value.put("propensity", 1f);
    value.put("feature_fingerprint", fingerprint);
    value.put("counter_keys", List.of(counterKey));
    value.put("inputs", ByteBuffer.wrap(new byte[] {1, 2, 3}));
    byte[] body = new SingleObject("served").encode(value);
    byte[] token = Arrays.copyOf(body, body.length + 17);
    token[body.length] = 3;
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(java.util.HexFormat.of().parseHex(KEY), "HmacSHA256"));
      mac.update(token, 0, body.length + 1);
      System.arraycopy(mac.doFinal(), 0, token, body.length + 1, 16);
    } catch (java.security.GeneralSecurityException error) {
      throw new IllegalStateException(error);
    }
    return token;
  }
}
