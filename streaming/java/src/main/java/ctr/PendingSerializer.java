package ctr;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * {@link Pending} as bytes, in state and in savepoints: a byte of layout version, a byte that tells
 * which parts follow, then these parts. A new layout gets a new version, and old ones stay readable.
 */
public final class PendingSerializer extends TypeSerializerSingleton<Pending> {
  static final PendingSerializer INSTANCE = new PendingSerializer();

  private static final long serialVersionUID = 1L;
  private static final int VERSION = 1;
  private static final int HAS_TS = 1;
  private static final int HAS_CLICK = 2;
  private static final int HAS_IMPRESSION = 4;
  private static final int HAS_CLICK_SOURCE = 8;

  @Override
  public void serialize(Pending pending, DataOutputView out) throws IOException {
    out.writeByte(VERSION);
    out.writeByte(
        (pending.hasImpression() ? HAS_TS : 0)
            | (pending.hasClick() ? HAS_CLICK : 0)
            | (pending.impression != null ? HAS_IMPRESSION : 0)
            | (pending.clickSource != null ? HAS_CLICK_SOURCE : 0));
    if (pending.hasImpression()) {
      out.writeLong(pending.ts);
      out.writeByte(pending.stage);
      out.writeFloat(pending.negativeWeight);
    }
    if (pending.hasClick()) {
      out.writeLong(pending.clickTs);
    }
    if (pending.impression != null) {
      write(pending.impression, out);
    }
    if (pending.clickSource != null) {
      write(pending.clickSource, out);
    }
  }

  @Override
  public Pending deserialize(DataInputView in) throws IOException {
    int version = in.readByte();
    if (version != VERSION) {
      throw new IOException("pending impressions of layout " + version + " are of a newer release");
    }
    int parts = in.readByte();
    Pending pending = new Pending();
    if ((parts & HAS_TS) != 0) {
      pending.ts = in.readLong();
      pending.stage = in.readByte();
      pending.negativeWeight = in.readFloat();
    }
    if ((parts & HAS_CLICK) != 0) {
      pending.clickTs = in.readLong();
    }
    if ((parts & HAS_IMPRESSION) != 0) {
      pending.impression = read(in);
    }
    if ((parts & HAS_CLICK_SOURCE) != 0) {
      pending.clickSource = read(in);
    }
    return pending;
  }

  private static void write(byte[] row, DataOutputView out) throws IOException {
    out.writeInt(row.length);
    out.write(row);
  }

  private static byte[] read(DataInputView in) throws IOException {
    byte[] row = new byte[in.readInt()];
    in.readFully(row);
    return row;
  }

  @Override
  public Pending createInstance() {
    return new Pending();
  }

  @Override
  public Pending copy(Pending from) {
    return from.copy();
  }

  @Override
  public Pending copy(Pending from, Pending reuse) {
    return from.copy();
  }

  @Override
  public Pending deserialize(Pending reuse, DataInputView in) throws IOException {
    return deserialize(in);
  }

  @Override
  public void copy(DataInputView in, DataOutputView out) throws IOException {
    serialize(deserialize(in), out);
  }

  @Override
  public boolean isImmutableType() {
    return false;
  }

  @Override
  public int getLength() {
    return -1;
  }

  @Override
  public TypeSerializerSnapshot<Pending> snapshotConfiguration() {
    return new Snapshot();
  }

  /** What savepoints say of this serializer; Flink makes it by name. */
  public static final class Snapshot extends SimpleTypeSerializerSnapshot<Pending> {
    public Snapshot() {
      super(() -> INSTANCE);
    }
  }
}
