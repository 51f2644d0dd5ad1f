// A search of an index: the query in 8 bits, the lists whose centroids are nearest, their best rows.
#include <math.h>
#include <stddef.h>

#include "kernels.h"

enum { BLOCK = 16, SORTED = 1024 };

// Places [n] by scores [n], the highest first: each goes to the rank that counting gives it, which
// takes no branches.
static void by_score(const float *scores, const int32_t *places, int64_t n, int32_t *sorted) {
  for (int64_t i = 0; i < n; i++) {
    int32_t rank = 0;
    for (int64_t j = 0; j < i; j++) rank += scores[j] >= scores[i];
    for (int64_t j = i + 1; j < n; j++) rank += scores[j] > scores[i];
    sorted[rank] = places[i];
  }
}

// About the best `wanted` rows for a query [dim + 2] of which the last is the price's weight, in no
// order: slots and scores, which have room for `capacity`, at least wanted + 32. The `probes` nearest
// lists are searched, and the open one. Returns how many rows there are.
int64_t index_search(const Index *index, const float *query, int64_t wanted, int64_t probes,
                     const uint16_t *allowed, int32_t *slots, float *scores, int64_t capacity) {
  const int64_t groups = index->rows.groups, lists = index->lists;
  const float weight = query[index->dim + 1];
  int8_t codes[4 * groups];
  float largest = 1e-12f;
  for (int64_t d = 0; d < index->dim; d++) largest = fmaxf(largest, fabsf(query[d] * index->steps[d]));
  const float scale = largest / 127;
  for (int64_t d = 0; d < 4 * groups; d++)
    codes[d] = (int8_t)(d < index->dim ? rintf(query[d] * index->steps[d] / scale) : 0);

  if (probes > lists) probes = lists;
  const int64_t room = 2 * probes + 32;
  float nearness[room];
  int32_t found[room], nearest[room];
  int64_t starts[probes + 1], ends[probes + 1], count = 0;
  if (lists) {
    const int64_t zero = 0;
    count = list_scan(&index->centroids, &zero, &index->centroid_blocks, 1, codes, scale, weight, NULL,
                      probes, nearness, found, room);
    // The nearest first: then few rows of later ones are better than what was found. Of so many
    // lists it does not matter.
    const int32_t *order = found;
    if (count <= SORTED) by_score(nearness, found, count, nearest), order = nearest;
    for (int64_t i = 0; i < count; i++) {
      starts[i] = index->starts[order[i]];
      ends[i] = index->starts[order[i] + 1];
    }
  }
  starts[count] = index->starts[lists];
  ends[count] = index->open[0] / BLOCK + 1;
  if (ends[count] > index->blocks) ends[count] = index->blocks;
  const int64_t rows = list_scan(&index->rows, starts, ends, count + 1, codes, scale, weight, allowed,
                                 wanted, scores, slots, capacity);
  for (int64_t i = 0; i < rows; i++) slots[i] = index->slots[slots[i]];
  return rows;
}
