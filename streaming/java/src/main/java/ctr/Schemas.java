package ctr;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;

/**
 * The Avro schemas shipped in this jar: one current schema for each record, and every version, old
 * and current, by its CRC-64-AVRO fingerprint.
 */
final class Schemas {
  static {
    // A poison record may claim any length: refuse it before memory is taken for it.
    System.setProperty("org.apache.avro.limits.bytes.maxLength", "8388608");
    System.setProperty("org.apache.avro.limits.string.maxLength", "8388608");
    System.setProperty("org.apache.avro.limits.collectionItems.maxLength", "100000");
  }

  private static final String SUFFIX = ".avsc";
  private static final String CURRENT = "/avro";
  private static final String HISTORY = "/avro/history";
  private static final Map<String, Schema> CURRENT_BY_RECORD = new HashMap<>();
  private static final Map<Long, Schema> BY_FINGERPRINT = new HashMap<>();

  static {
    read(CURRENT).forEach((name, schema) -> CURRENT_BY_RECORD.put(name, schema));
    read(HISTORY).values().forEach(Schemas::register);
    CURRENT_BY_RECORD.values().forEach(Schemas::register);
  }

  private Schemas() {}

  /** The current schema of a record, by its file's name, e.g. {@code training_sample}. */
  static Schema current(String record) {
    Schema schema = CURRENT_BY_RECORD.get(record);
    if (schema == null) {
      throw new IllegalArgumentException(
          "record '" + record + "' is unknown; known are " + CURRENT_BY_RECORD.keySet());
    }
    return schema;
  }

  /** The schema that wrote a record, or null. */
  static Schema written(long fingerprint) {
    return BY_FINGERPRINT.get(fingerprint);
  }

  static long fingerprint(Schema schema) {
    return SchemaNormalization.parsingFingerprint64(schema);
  }

  private static void register(Schema schema) {
    BY_FINGERPRINT.put(fingerprint(schema), schema);
  }

  private static Map<String, Schema> read(String folder) {
    URL url = Schemas.class.getResource(folder);
    if (url == null) {
      return Map.of();
    }
    try {
      if (url.openConnection() instanceof JarURLConnection connection) {
        connection.setUseCaches(false);
        try (JarFile jar = connection.getJarFile()) {
          return ofJar(jar, folder.substring(1) + "/");
        }
      }
      return parse(Path.of(url.toURI()));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    } catch (URISyntaxException error) {
      throw new IllegalStateException(error);
    }
  }

  /**
   * Not through a FileSystem, whose channels close when the thread is interrupted: a task that is
   * cancelled here would leave a class that can never be initialised.
   */
  private static Map<String, Schema> ofJar(JarFile jar, String folder) throws IOException {
    Map<String, Schema> schemas = new HashMap<>();
    for (JarEntry entry : Collections.list(jar.entries())) {
      String name = entry.getName();
      if (name.startsWith(folder)
          && name.endsWith(SUFFIX)
          && name.indexOf('/', folder.length()) < 0) {
        String record = name.substring(folder.length(), name.length() - SUFFIX.length());
        try (InputStream bytes = jar.getInputStream(entry)) {
          schemas.put(record, new Schema.Parser().parse(bytes));
        }
      }
    }
    return schemas;
  }

  /** Schemas of a folder by the names of their files. */
  static Map<String, Schema> parse(Path folder) throws IOException {
    Map<String, Schema> schemas = new HashMap<>();
    List<Path> files;
    try (Stream<Path> entries = Files.list(folder)) {
      files = entries.filter(file -> file.toString().endsWith(SUFFIX)).toList();
    }
    for (Path file : files) {
      String name = file.getFileName().toString().replace(SUFFIX, "");
      try {
        schemas.put(name, new Schema.Parser().parse(Files.readString(file)));
      } catch (AvroRuntimeException error) {
        throw new IOException(file + " is no Avro schema: " + error.getMessage());
      }
    }
    return schemas;
  }
}
