package ctr;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.avro.Schema;

/**
 * The part of Confluent's schema registry that readers use: GET /schemas/ids/{id}. The first {@code
 * failures} requests are answered with 503.
 */
final class RegistryServer implements AutoCloseable {
  private static final String PATH = "/schemas/ids/";

  final AtomicInteger requests = new AtomicInteger();
  final AtomicInteger failures = new AtomicInteger();
  private final Map<String, Schema> schemas = new ConcurrentHashMap<>();
  private final HttpServer server;

  RegistryServer() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(PATH, this::answer);
    server.start();
  }

  String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  void put(int id, Schema schema) {
    schemas.put(Integer.toString(id), schema);
  }

  private void answer(HttpExchange exchange) throws IOException {
    requests.incrementAndGet();
    Schema schema = schemas.get(exchange.getRequestURI().getPath().substring(PATH.length()));
    if (failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
      send(exchange, 503, "{}");
    } else if (schema == null) {
      send(exchange, 404, "{\"error_code\": 40403, \"message\": \"Schema not found\"}");
    } else {
      Map<String, String> body = Map.of("schema", schema.toString());
      send(exchange, 200, new ObjectMapper().writeValueAsString(body));
    }
  }

  private static void send(HttpExchange exchange, int status, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
