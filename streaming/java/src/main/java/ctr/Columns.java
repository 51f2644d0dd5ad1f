package ctr;

import java.io.Serializable;
import java.util.List;

/** Names of a table's columns, in their order. */
record Columns(List<String> names) implements Serializable {
  /** From names with commas between them. */
  static Columns parse(String names) {
    return new Columns(List.of(names.split(",")));
  }

  int index(String name) {
    int index = names.indexOf(name);
    if (index < 0) {
      throw new IllegalArgumentException("no column '" + name + "' among " + names);
    }
    return index;
  }

  int[] indexes(List<String> wanted) {
    return wanted.stream().mapToInt(this::index).toArray();
  }
}
