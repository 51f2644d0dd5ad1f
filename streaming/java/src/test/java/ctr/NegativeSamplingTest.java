package ctr;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.data.StringData;
import org.junit.jupiter.api.Test;

class NegativeSamplingTest {
  private static float weight(String requestId, String adId, double keep) {
    return NegativeSampling.weight(
        StringData.fromString(requestId), StringData.fromString(adId), keep);
  }

  private static final int IMPRESSIONS = 100_000;

  @Test
  void keepsItsShareAndWeighsWhatItKeeps() {
    for (double keep : new double[] {0.01, 0.1, 0.5, 0.9}) {
      int kept = 0;
      for (int i = 0; i < IMPRESSIONS; i++) {
        float weight = weight("request-" + i, "ad-" + i % 7, keep);
        assertTrue(weight == 0 || weight == (float) (1 / keep));
        kept += weight > 0 ? 1 : 0;
      }
      double deviation = Math.sqrt(IMPRESSIONS * keep * (1 - keep));
      assertEquals(IMPRESSIONS * keep, kept, 5 * deviation);
    }
  }

  @Test
  void whoIsKeptByASmallShareIsKeptByALargerOne() {
    for (int i = 0; i < 10_000; i++) {
      String id = "request-" + i;
      if (weight(id, "ad", 0.1) > 0) {
        assertEquals(2, weight(id, "ad", 0.5));
      }
      assertEquals(1, weight(id, "ad", 1));
    }
  }

  /** These are also what tests/streaming/jobs/expected.py computes: a replay must choose the same. */
  @Test
  void choosesTheSameForEver() {
    assertEquals(KEPT, kept("request-", "ad"));
  }

  @Test
  void bothIdsDecideAndTheirBorderMatters() {
    assertNotEquals(kept("request-", "ad"), kept("request-", "ae"));
    int different = 0;
    for (int i = 0; i < 100; i++) {
      boolean one = weight("a" + i, "b", 0.5) > 0;
      different += one != weight("a", i + "b", 0.5) > 0 ? 1 : 0;
    }
    assertTrue(different > 20, () -> "the ids run into each other");
  }

  private static final String KEPT = "01100101100100010011010001101001";

  private static String kept(String prefix, String adId) {
    StringBuilder bits = new StringBuilder();
    for (int i = 0; i < 32; i++) {
      bits.append(weight(prefix + i, adId, 0.5) > 0 ? '1' : '0');
    }
    return bits.toString();
  }
}
