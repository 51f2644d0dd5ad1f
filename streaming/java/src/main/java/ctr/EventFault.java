package ctr;

/**
 * Why a record is refused: a code, a colon and details, e.g. {@code unknown-schema: fingerprint
 * 00ff}. It becomes the reason of a dead letter and never leaves the format.
 */
final class EventFault extends Exception {
  EventFault(String code, String details) {
    super(code + ": " + details, null, false, false);
  }
}
