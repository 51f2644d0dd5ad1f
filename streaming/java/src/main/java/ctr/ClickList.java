package ctr;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Clicked ads, newest first by event time (ties by the bytes of the ad id). */
final class ClickList {
  private record Click(byte[] adId, long ts) {}

  private final List<Click> clicks = new ArrayList<>();

  /** A list as {@link #packed} gave it, or an empty one for null. */
  static ClickList of(byte[] packed) {
    ClickList list = new ClickList();
    if (packed != null) {
      ByteBuffer bytes = ByteBuffer.wrap(packed).order(ByteOrder.LITTLE_ENDIAN);
      while (bytes.hasRemaining()) {
        long ts = bytes.getLong();
        byte[] adId = new byte[Short.toUnsignedInt(bytes.getShort())];
        bytes.get(adId);
        list.clicks.add(new Click(adId, ts));
      }
    }
    return list;
  }

  /** Keeps at most {@code length} clicks; an id must have fewer than 2^16 bytes. */
  void insert(byte[] adId, long ts, int length) {
    Click click = new Click(adId, ts);
    int at = 0;
    while (at < clicks.size() && compare(clicks.get(at), click) <= 0) {
      at++;
    }
    clicks.add(at, click);
    if (clicks.size() > length) {
      clicks.remove(length);
    }
  }

  /** Of a list that is not empty. */
  long newestTs() {
    return clicks.get(0).ts;
  }

  /** With times; times and sizes are little-endian, a size has two bytes. */
  byte[] packed() {
    return pack(true);
  }

  /** Without times, as pack_clicks of schemas.redis_values does it. */
  byte[] packedAds() {
    return pack(false);
  }

  private byte[] pack(boolean times) {
    int size = clicks.stream().mapToInt(click -> click.adId.length + (times ? 10 : 2)).sum();
    ByteBuffer bytes = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    for (Click click : clicks) {
      if (times) {
        bytes.putLong(click.ts);
      }
      bytes.putShort((short) click.adId.length).put(click.adId);
    }
    return bytes.array();
  }

  private static int compare(Click one, Click other) {
    int byTime = Long.compare(other.ts, one.ts);
    return byTime != 0 ? byTime : Arrays.compareUnsigned(one.adId, other.adId);
  }
}
