package ctr;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.Schema;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the schema that a record was written with: the versions shipped in this jar, those in a
 * folder, which is looked at again when a fingerprint is unknown, and those of a registry. So a
 * producer may be ahead of this job. Not thread-safe.
 */
final class WriterSchemas {
  private static final Logger LOG = LoggerFactory.getLogger(WriterSchemas.class);
  private static final long REREAD_NS = 10_000_000_000L;

  private final Path folder;
  private final SchemaRegistry registry;
  private final long rereadNs;
  private Map<Long, Schema> ofFolder = Map.of();
  private long readAt;

  /** Both may be null or empty: there is none. */
  WriterSchemas(String folder, String registryUrl) {
    this(folder, registryUrl, REREAD_NS);
  }

  /** {@code rereadNs}: how long a folder is not read again. */
  WriterSchemas(String folder, String registryUrl, long rereadNs) {
    this.rereadNs = rereadNs;
    this.folder = isGiven(folder) ? Path.of(folder) : null;
    this.registry = isGiven(registryUrl) ? new SchemaRegistry(registryUrl) : null;
    if (this.folder != null) {
      read();
    }
  }

  /** Those of this jar only. */
  static WriterSchemas shipped() {
    return new WriterSchemas(null, null);
  }

  boolean hasRegistry() {
    return registry != null;
  }

  /** By CRC-64-AVRO. */
  Schema of(long fingerprint) throws EventFault {
    Schema schema = known(fingerprint);
    if (schema == null && folder != null && System.nanoTime() - readAt > rereadNs) {
      readAgain();
      schema = known(fingerprint);
    }
    if (schema == null) {
      throw new EventFault(
          "unknown-schema",
          "fingerprint " + String.format("%016x", Long.reverseBytes(fingerprint)));
    }
    return schema;
  }

  /** By the registry's id; only if there is a registry. */
  Schema ofId(int id) throws EventFault {
    return registry.schema(id);
  }

  private Schema known(long fingerprint) {
    Schema shipped = Schemas.written(fingerprint);
    return shipped == null ? ofFolder.get(fingerprint) : shipped;
  }

  private void read() {
    Map<Long, Schema> found = new HashMap<>();
    try {
      Schemas.parse(folder).values().forEach(each -> found.put(Schemas.fingerprint(each), each));
    } catch (IOException error) {
      throw new UncheckedIOException("folder of schemas " + folder + " cannot be read", error);
    }
    ofFolder = found;
    readAt = System.nanoTime();
  }

  /** A file that is being written, or a folder that is away, must not end a job that runs. */
  private void readAgain() {
    try {
      read();
    } catch (UncheckedIOException error) {
      readAt = System.nanoTime();
      LOG.warn("schemas stay as they were: {}", error.getCause().getMessage());
    }
  }

  private static boolean isGiven(String text) {
    return text != null && !text.isEmpty();
  }
}
