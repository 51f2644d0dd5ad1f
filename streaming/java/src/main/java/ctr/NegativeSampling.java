package ctr;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.apache.flink.table.data.StringData;

/**
 * Chooses the impressions whose NEGATIVE is kept: a hash of the impression's identity against the
 * keep share, so that a replay chooses the same ones.
 */
final class NegativeSampling {
  private NegativeSampling() {}

  /**
   * Weight of an impression's NEGATIVE: 1 / keep when it is kept, 0 when it is dropped. The hash is
   * the first 53 bits of SHA-256 over request id, a zero byte and ad id, as a fraction.
   */
  static float weight(StringData requestId, StringData adId, double keep) {
    if (keep >= 1) {
      return 1;
    }
    return fraction(requestId, adId) < keep ? (float) (1 / keep) : 0;
  }

  private static double fraction(StringData requestId, StringData adId) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(requestId.toBytes());
      digest.update((byte) 0);
      digest.update(adId.toBytes());
      long bits = ByteBuffer.wrap(digest.digest()).getLong() >>> 11;
      return bits * 0x1p-53;
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException(error);
    }
  }
}
