package ctr;

import java.io.IOException;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.table.data.RowData;

/** {@link ImpressionId} as the key of a stream. */
final class ImpressionIdType extends TypeInformation<ImpressionId> {
  static final ImpressionIdType INSTANCE = new ImpressionIdType();

  private static final long serialVersionUID = 1L;

  /** Events with the columns request_id and ad_id, by impression. */
  static KeyedStream<RowData, ImpressionId> keyBy(DataStream<RowData> events, Columns columns) {
    int requestId = columns.index("request_id");
    int adId = columns.index("ad_id");
    return events.keyBy(
        event -> ImpressionId.of(event.getString(requestId), event.getString(adId)), INSTANCE);
  }

  @Override
  public TypeSerializer<ImpressionId> createSerializer(SerializerConfig config) {
    return Serializer.INSTANCE;
  }

  @Override
  public boolean isBasicType() {
    return false;
  }

  @Override
  public boolean isTupleType() {
    return false;
  }

  @Override
  public int getArity() {
    return 1;
  }

  @Override
  public int getTotalFields() {
    return 1;
  }

  @Override
  public Class<ImpressionId> getTypeClass() {
    return ImpressionId.class;
  }

  @Override
  public boolean isKeyType() {
    return true;
  }

  @Override
  public boolean canEqual(Object other) {
    return other instanceof ImpressionIdType;
  }

  @Override
  public boolean equals(Object other) {
    return canEqual(other);
  }

  @Override
  public int hashCode() {
    return ImpressionIdType.class.hashCode();
  }

  @Override
  public String toString() {
    return "ImpressionId";
  }

  /** Length, where the ad id begins, bytes: a change is a change of every savepoint. */
  public static final class Serializer extends TypeSerializerSingleton<ImpressionId> {
    static final Serializer INSTANCE = new Serializer();

    private static final long serialVersionUID = 1L;

    @Override
    public void serialize(ImpressionId id, DataOutputView out) throws IOException {
      out.writeInt(id.bytes.length);
      out.writeInt(id.adStart);
      out.write(id.bytes);
    }

    @Override
    public ImpressionId deserialize(DataInputView in) throws IOException {
      byte[] bytes = new byte[in.readInt()];
      int adStart = in.readInt();
      in.readFully(bytes);
      return new ImpressionId(bytes, adStart);
    }

    @Override
    public ImpressionId deserialize(ImpressionId reuse, DataInputView in) throws IOException {
      return deserialize(in);
    }

    @Override
    public ImpressionId createInstance() {
      return new ImpressionId(new byte[0], 0);
    }

    @Override
    public ImpressionId copy(ImpressionId from) {
      return from;
    }

    @Override
    public ImpressionId copy(ImpressionId from, ImpressionId reuse) {
      return from;
    }

    @Override
    public void copy(DataInputView in, DataOutputView out) throws IOException {
      serialize(deserialize(in), out);
    }

    @Override
    public boolean isImmutableType() {
      return true;
    }

    @Override
    public int getLength() {
      return -1;
    }

    @Override
    public TypeSerializerSnapshot<ImpressionId> snapshotConfiguration() {
      return new Snapshot();
    }
  }

  /** What savepoints say of the serializer; Flink makes it by name. */
  public static final class Snapshot extends SimpleTypeSerializerSnapshot<ImpressionId> {
    public Snapshot() {
      super(() -> Serializer.INSTANCE);
    }
  }
}
