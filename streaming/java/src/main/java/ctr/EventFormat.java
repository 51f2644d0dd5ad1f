package ctr;

import java.util.List;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.format.EncodingFormat;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.factories.SerializationFormatFactory;
import org.apache.flink.table.types.DataType;

/**
 * Flink table format {@code ctr-event}: records of schemas/avro in single-object encoding. Unlike
 * Flink's own Avro format it knows each writer's schema, checks tokens, and turns what it cannot
 * read into a row with an error instead of an exception that restarts the job for ever.
 */
public final class EventFormat
    implements DeserializationFormatFactory, SerializationFormatFactory {
  private static final ConfigOption<String> RECORD =
      ConfigOptions.key("record")
          .stringType()
          .noDefaultValue()
          .withDescription("name of a schema file without its suffix, e.g. impression");
  private static final ConfigOption<String> TOKEN_KEYS =
      ConfigOptions.key("token-keys")
          .stringType()
          .noDefaultValue()
          .withDescription("id:hex[,id:hex…]; when set, the field 'token' is verified and read");
  private static final ConfigOption<String> FEATURE_FINGERPRINT =
      ConfigOptions.key("feature-fingerprint")
          .stringType()
          .noDefaultValue()
          .withDescription("fingerprint that every token must carry");
  private static final ConfigOption<String> SCHEMA_FOLDER =
      ConfigOptions.key("schema-folder")
          .stringType()
          .defaultValue("")
          .withDescription("folder of further writers' schemas, *.avsc");
  private static final ConfigOption<String> SCHEMA_REGISTRY =
      ConfigOptions.key("schema-registry")
          .stringType()
          .defaultValue("")
          .withDescription("URL of a Confluent schema registry, whose wire format is then read");

  @Override
  public String factoryIdentifier() {
    return "ctr-event";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(RECORD);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(TOKEN_KEYS, FEATURE_FINGERPRINT, SCHEMA_FOLDER, SCHEMA_REGISTRY);
  }

  @Override
  public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
      DynamicTableFactory.Context context, ReadableConfig options) {
    FactoryUtil.validateFactoryOptions(this, options);
    return new DecodingFormat<>() {
      @Override
      public DeserializationSchema<RowData> createRuntimeDecoder(
          DynamicTableSource.Context runtime, DataType type) {
        return new EventDecoder(
            options.get(RECORD),
            List.copyOf(DataType.getFieldNames(type)),
            options.get(TOKEN_KEYS),
            options.get(FEATURE_FINGERPRINT),
            options.get(SCHEMA_FOLDER),
            options.get(SCHEMA_REGISTRY),
            runtime.createTypeInformation(type));
      }

      @Override
      public ChangelogMode getChangelogMode() {
        return ChangelogMode.insertOnly();
      }
    };
  }

  @Override
  public EncodingFormat<SerializationSchema<RowData>> createEncodingFormat(
      DynamicTableFactory.Context context, ReadableConfig options) {
    FactoryUtil.validateFactoryOptions(this, options);
    return new EncodingFormat<>() {
      @Override
      public SerializationSchema<RowData> createRuntimeEncoder(
          DynamicTableSink.Context runtime, DataType type) {
        return new EventEncoder(
            options.get(RECORD),
            List.copyOf(DataType.getFieldNames(type)),
            List.copyOf(type.getLogicalType().getChildren()));
      }

      @Override
      public ChangelogMode getChangelogMode() {
        return ChangelogMode.insertOnly();
      }
    };
  }
}
