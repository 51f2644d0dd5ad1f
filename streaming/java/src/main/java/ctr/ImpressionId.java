package ctr;

import java.util.Arrays;
import org.apache.flink.table.data.StringData;

/** The identity of an impression, (request_id, ad_id), as bytes: no string is decoded for it. */
public final class ImpressionId {
  final byte[] bytes;
  final int adStart;
  private final int hash;

  /** {@code bytes} are those of the request id and, from {@code adStart} on, of the ad id. */
  ImpressionId(byte[] bytes, int adStart) {
    this.bytes = bytes;
    this.adStart = adStart;
    hash = 31 * Arrays.hashCode(bytes) + adStart;
  }

  static ImpressionId of(StringData requestId, StringData adId) {
    byte[] request = requestId.toBytes();
    byte[] ad = adId.toBytes();
    byte[] bytes = Arrays.copyOf(request, request.length + ad.length);
    System.arraycopy(ad, 0, bytes, request.length, ad.length);
    return new ImpressionId(bytes, request.length);
  }

  StringData requestId() {
    return StringData.fromBytes(bytes, 0, adStart);
  }

  StringData adId() {
    return StringData.fromBytes(bytes, adStart, bytes.length - adStart);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ImpressionId that
        && adStart == that.adStart
        && Arrays.equals(bytes, that.bytes);
  }

  @Override
  public int hashCode() {
    return hash;
  }

  @Override
  public String toString() {
    return requestId() + "/" + adId();
  }
}
