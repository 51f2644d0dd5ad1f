package ctr;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.avro.generic.GenericRecord;

/**
 * Verifies and reads tokens: single-object encoded Served, 1 byte key id, first 16 bytes of
 * HMAC-SHA256 over everything before them. A token is refused when it is malformed, signed by
 * nobody we know, made for another impression, or encoded with other features. Not thread-safe.
 */
final class TokenReader {
  private static final int MAC_BYTES = 16;
  private static final int TRAILER_BYTES = 1 + MAC_BYTES;
  private static final String ALGORITHM = "HmacSHA256";

  private final SingleObject served;
  private final Map<Byte, Mac> macs;
  private final String featureFingerprint;

  /**
   * @param keys {@code id:hex[,id:hex…]}
   * @param featureFingerprint the one that is accepted, or null for any
   */
  TokenReader(String keys, String featureFingerprint, WriterSchemas writers) {
    this.served = new SingleObject(Schemas.current("served"), writers);
    this.macs = parse(keys);
    this.featureFingerprint = featureFingerprint;
  }

  GenericRecord read(byte[] token, Object requestId, Object adId) throws EventFault {
    if (token.length <= TRAILER_BYTES) {
      throw new EventFault("bad-token", token.length + " bytes are too few");
    }
    int signed = token.length - MAC_BYTES;
    verify(token, signed);
    GenericRecord record = body(token, signed - 1);
    if (!record.get("request_id").equals(requestId) || !record.get("ad_id").equals(adId)) {
      throw new EventFault(
          "token-mismatch",
          "it was made for request " + record.get("request_id") + " ad " + record.get("ad_id"));
    }
    String fingerprint = record.get("feature_fingerprint").toString();
    if (featureFingerprint != null && !featureFingerprint.equals(fingerprint)) {
      throw new EventFault(
          "wrong-fingerprint", "expected " + featureFingerprint + " got " + fingerprint);
    }
    return record;
  }

  private void verify(byte[] token, int signed) throws EventFault {
    byte keyId = token[signed - 1];
    Mac mac = macs.get(keyId);
    if (mac == null) {
      throw new EventFault("forged-token", "unknown key id " + Byte.toUnsignedInt(keyId));
    }
    mac.update(token, 0, signed);
    byte[] expected = Arrays.copyOf(mac.doFinal(), MAC_BYTES);
    if (!MessageDigest.isEqual(expected, Arrays.copyOfRange(token, signed, token.length))) {
      throw new EventFault("forged-token", "wrong MAC");
    }
  }

  private GenericRecord body(byte[] token, int length) throws EventFault {
    try {
      return served.decode(token, length);
    } catch (EventFault fault) {
      throw new EventFault("bad-token", fault.getMessage());
    }
  }

  private static Map<Byte, Mac> parse(String keys) {
    Map<Byte, Mac> macs = new HashMap<>();
    for (String part : keys.split(",")) {
      int colon = part.indexOf(':');
      if (colon < 0) {
        throw new IllegalArgumentException("token-keys: expected id:hex[,id:hex…]");
      }
      try {
        Mac mac = Mac.getInstance(ALGORITHM);
        byte[] key = HexFormat.of().parseHex(part.substring(colon + 1).trim());
        mac.init(new SecretKeySpec(key, ALGORITHM));
        macs.put((byte) Integer.parseInt(part.substring(0, colon).trim()), mac);
      } catch (GeneralSecurityException error) {
        throw new IllegalStateException(error);
      }
    }
    return macs;
  }
}
