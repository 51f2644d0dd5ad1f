package ctr;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;

/**
 * Schemas of a Confluent schema registry by their ids, each asked for once. An id that it does not
 * have is a fault of the record. A registry that does not answer is none: the record waits, and
 * after some seconds the job fails, to be started again from its checkpoint. Not thread-safe.
 */
final class SchemaRegistry {
  private static final Duration TIMEOUT = Duration.ofSeconds(5);
  private static final int ATTEMPTS = 6;
  private static final long FIRST_PAUSE_MS = 100;
  private static final long REFUSED_NS = 30_000_000_000L;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String url;
  private final HttpClient http = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
  private final Map<Integer, Schema> known = new HashMap<>();
  private final Map<Integer, Refusal> refusals = new HashMap<>();

  private record Refusal(EventFault fault, long at) {}

  SchemaRegistry(String url) {
    this.url = url.replaceAll("/+$", "");
  }

  Schema schema(int id) throws EventFault {
    Schema schema = known.get(id);
    if (schema != null) {
      return schema;
    }
    // Poison must not become a request for each record.
    Refusal refusal = refusals.get(id);
    if (refusal != null && System.nanoTime() - refusal.at < REFUSED_NS) {
      throw refusal.fault;
    }
    try {
      schema = parse(id, answer(id));
    } catch (EventFault fault) {
      refusals.put(id, new Refusal(fault, System.nanoTime()));
      throw fault;
    }
    known.put(id, schema);
    return schema;
  }

  private String answer(int id) throws EventFault {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url + "/schemas/ids/" + Integer.toUnsignedString(id)))
            .timeout(TIMEOUT)
            .header("Accept", "application/vnd.schemaregistry.v1+json, application/json")
            .build();
    String problem = "";
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      pause(attempt);
      try {
        HttpResponse<String> response = http.send(request, BodyHandlers.ofString());
        if (response.statusCode() == 200) {
          return response.body();
        }
        if (response.statusCode() == 404) {
          throw new EventFault("unknown-schema", "the registry has no " + name(id));
        }
        problem = "HTTP status " + response.statusCode();
      } catch (IOException error) {
        problem = error.toString();
      } catch (InterruptedException error) {
        throw interrupted(error);
      }
    }
    throw new UncheckedIOException(
        new IOException(
            "schema registry "
                + url
                + " does not answer ("
                + problem
                + "); a record with "
                + name(id)
                + " waits for it"));
  }

  private static Schema parse(int id, String answer) throws EventFault {
    try {
      JsonNode json = JSON.readTree(answer);
      String type = json.path("schemaType").asText("AVRO");
      if (!type.equals("AVRO")) {
        throw new EventFault("unknown-schema", name(id) + " is of type " + type);
      }
      return new Schema.Parser().parse(json.path("schema").asText());
    } catch (JsonProcessingException | AvroRuntimeException error) {
      throw new EventFault("unknown-schema", name(id) + " cannot be parsed: " + error.getMessage());
    }
  }

  private static String name(int id) {
    return "schema id " + Integer.toUnsignedString(id);
  }

  private static void pause(int attempt) {
    if (attempt > 0) {
      try {
        Thread.sleep(FIRST_PAUSE_MS << (attempt - 1));
      } catch (InterruptedException error) {
        throw interrupted(error);
      }
    }
  }

  private static IllegalStateException interrupted(InterruptedException error) {
    Thread.currentThread().interrupt();
    return new IllegalStateException("stopped while it waited for the schema registry", error);
  }
}
