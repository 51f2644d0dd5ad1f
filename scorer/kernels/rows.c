// Rows of ads that are copied out of memory that another process writes.
#include <string.h>

#include "kernels.h"

enum { LINE = 64 };

static const char *row_of(const Column *column, int32_t slot) {
  return column->begin + column->row_bytes * slot;
}

static uint32_t sequence_of(const Column *sequences, int32_t slot) {
  return __atomic_load_n((const uint32_t *)row_of(sequences, slot), __ATOMIC_ACQUIRE);
}

// Rows `slots` [n] of `count` columns, one column after the other, into `out`. Of the first one each
// is a number that is odd while its ad is written, and another one afterwards. Returns whether none
// was written meanwhile.
int32_t read_rows(const Column *columns, int64_t count, const int32_t *slots, int64_t n, char *out) {
  // Each row is elsewhere in memory: asked for at once they come together.
  for (int64_t c = 0; c < count; c++)
    for (int64_t i = 0; i < n; i++)
      for (int64_t z = 0; z < columns[c].row_bytes; z += LINE)
        __builtin_prefetch(row_of(columns + c, slots[i]) + z);
  char *const sequences = out;
  for (int64_t i = 0; i < n; i++, out += sizeof(uint32_t)) {
    const uint32_t sequence = sequence_of(columns, slots[i]);
    if (sequence & 1) return 0;
    memcpy(out, &sequence, sizeof sequence);
  }
  for (int64_t c = 1; c < count; c++)
    for (int64_t i = 0; i < n; i++, out += columns[c].row_bytes)
      memcpy(out, row_of(columns + c, slots[i]), (size_t)columns[c].row_bytes);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  for (int64_t i = 0; i < n; i++) {
    const uint32_t sequence = sequence_of(columns, slots[i]);
    if (memcmp(sequences + i * (int64_t)sizeof sequence, &sequence, sizeof sequence)) return 0;
  }
  return 1;
}
