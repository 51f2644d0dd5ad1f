// Inner products of a quantised query with the quantised rows of inverted lists, and the best k.
//
// Rows lie in blocks of 16: codes[block][group][row][4], four dimensions to a group, as unsigned
// bytes (value + 128), so that one instruction adds a group of 16 rows. A row's score is
// scale * (codes · query) + bias, plus weight * log_price where that is asked for.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

// Blocks come from memory in a stream, AHEAD of where they are read.
enum { BLOCK = 16, AHEAD = 32 };

static void swap(float *scores, int32_t *positions, int64_t i, int64_t j) {
  float score = scores[i];
  scores[i] = scores[j];
  scores[j] = score;
  int32_t position = positions[i];
  positions[i] = positions[j];
  positions[j] = position;
}

// Moves the k best of n to the front, in no order (Hoare's quickselect); 0 < k < n.
// Returns the worst score among them.
static float keep_best(float *scores, int32_t *positions, int64_t n, int64_t k) {
  int64_t low = 0, high = n - 1;
  while (low < high) {
    float pivot = scores[low + (high - low) / 2];
    int64_t i = low, j = high;
    while (i <= j) {
      while (scores[i] > pivot) i++;
      while (scores[j] < pivot) j--;
      if (i <= j) swap(scores, positions, i++, j--);
    }
    if (k - 1 <= j) high = j;
    else if (k - 1 >= i) low = i;
    else break;
  }
  return scores[k - 1];
}

typedef struct {
  float *scores;
  int32_t *positions;
  int64_t count, capacity, wanted;
  float threshold;
} Best;

static int64_t count_above(const float *scores, int64_t n, float bar) {
  int32_t count = 0;
  for (int64_t i = 0; i < n; i++) count += scores[i] > bar;
  return count;
}

// A bar, twice, that `least` to `most` of n scores exceed; if there is none, as scores are equal, the
// nearest ones that too many and too few exceed. Counting what exceeds a bar is faster than sorting
// out the best: no branch depends on a score.
Bars bars_of(const float *scores, int64_t n, int64_t least, int64_t most) {
  Bars bars = {scores[0], scores[0]};
  for (int64_t i = 1; i < n; i++) {
    bars.low = scores[i] < bars.low ? scores[i] : bars.low;
    bars.high = scores[i] > bars.high ? scores[i] : bars.high;
  }
  for (int step = 0; step < 32 && bars.low < bars.high; step++) {
    const float bar = 0.5f * bars.low + 0.5f * bars.high;
    const int64_t above = count_above(scores, n, bar);
    if (above > most) bars.low = bar;
    else if (above < least) bars.high = bar;
    else return (Bars){bar, bar};
  }
  return bars;
}

// Drops rows until only a few more than the wanted ones are left.
static void make_room(Best *best) {
  if (best->count + BLOCK <= best->capacity) return;
  const int64_t most = best->wanted + best->wanted / 4;
  const Bars bars = bars_of(best->scores, best->count, best->wanted, most);
  // What ties where the bar should be does not exceed it: some of those must be kept, too.
  if (bars.low < bars.high || count_above(best->scores, best->count, bars.high) < best->wanted) {
    best->threshold = keep_best(best->scores, best->positions, best->count, best->wanted);
    best->count = best->wanted;
    return;
  }
  int64_t kept = 0;
  for (int64_t i = 0; i < best->count; i++) {
    const float score = best->scores[i];
    best->scores[kept] = score;
    best->positions[kept] = best->positions[i];
    kept += score > bars.high;
  }
  best->count = kept;
  best->threshold = bars.high;
}

#if defined(__AVX512VNNI__)
static inline void scan_block(const uint8_t *codes, int32_t groups, const int32_t *query,
                              __m512i start, __m512 scale, const float *biases,
                              const float *log_prices, __m512 weight, uint16_t mask, int32_t first,
                              Best *best) {
  __m512i even = start, odd = _mm512_setzero_si512();
  int32_t group = 0;
  for (; group + 1 < groups; group += 2) {
    even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(codes + 64 * group),
                               _mm512_set1_epi32(query[group]));
    odd = _mm512_dpbusd_epi32(odd, _mm512_loadu_si512(codes + 64 * group + 64),
                              _mm512_set1_epi32(query[group + 1]));
  }
  if (group < groups)
    even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(codes + 64 * group),
                               _mm512_set1_epi32(query[group]));
  __m512 products = _mm512_cvtepi32_ps(_mm512_add_epi32(even, odd));
  __m512 scores = _mm512_fmadd_ps(products, scale, _mm512_loadu_ps(biases));
  if (log_prices) scores = _mm512_fmadd_ps(_mm512_loadu_ps(log_prices), weight, scores);
  __mmask16 better = _mm512_cmp_ps_mask(scores, _mm512_set1_ps(best->threshold), _CMP_GT_OQ) & mask;
  if (!better) return;
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  make_room(best);
  // Compressed in a register first: compressing stores are slow on Zen.
  _mm512_storeu_ps(best->scores + best->count, _mm512_maskz_compress_ps(better, scores));
  _mm512_storeu_si512(best->positions + best->count,
                      _mm512_maskz_compress_epi32(better, _mm512_add_epi32(lanes, _mm512_set1_epi32(first))));
  best->count += __builtin_popcount(better);
}
#else
// Products [16] of a block's rows with the query, whose words are two bytes each.
static inline void block_products(const uint8_t *codes, int32_t groups, const int16_t *query,
                                  int32_t start, int32_t products[BLOCK]) {
#if defined(__AVX2__)
  // Four rows to a register, two sums for each.
  __m256i sums[4];
  for (int four = 0; four < 4; four++) sums[four] = _mm256_setzero_si256();
  for (int32_t group = 0; group < groups; group++) {
    int64_t word;
    memcpy(&word, query + 4 * group, sizeof word);
    for (int four = 0; four < 4; four++) {
      const __m128i *rows = (const __m128i *)(codes + 64 * group + 16 * four);
      sums[four] = _mm256_add_epi32(
          sums[four], _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(rows)),
                                        _mm256_set1_epi64x(word)));
    }
  }
  for (int half = 0; half < 2; half++) {
    const __m256i added = _mm256_hadd_epi32(sums[2 * half], sums[2 * half + 1]);
    // Rows 0 1 4 5 2 3 6 7 until here.
    _mm256_storeu_si256((__m256i *)(products + 8 * half),
                        _mm256_add_epi32(_mm256_permute4x64_epi64(added, 0xd8),
                                         _mm256_set1_epi32(start)));
  }
#else
  for (int row = 0; row < BLOCK; row++) products[row] = start;
  for (int32_t group = 0; group < groups; group++)
    for (int row = 0; row < BLOCK; row++)
      for (int d = 0; d < 4; d++)
        products[row] += (int32_t)codes[64 * group + 4 * row + d] * (int32_t)query[4 * group + d];
#endif
}

static inline void scan_block(const uint8_t *codes, int32_t groups, const int16_t *query,
                              int32_t start, float scale, const float *biases,
                              const float *log_prices, float weight, uint16_t mask, int32_t first,
                              Best *best) {
  int32_t products[BLOCK];
  float scores[BLOCK];
  block_products(codes, groups, query, start, products);
  for (int row = 0; row < BLOCK; row++) scores[row] = scale * (float)products[row] + biases[row];
  if (log_prices)
    for (int row = 0; row < BLOCK; row++) scores[row] += weight * log_prices[row];
  int any = 0;
  for (int row = 0; row < BLOCK; row++) any |= scores[row] > best->threshold;
  if (!any) return;
  make_room(best);
  for (int row = 0; row < BLOCK; row++)
    if ((mask >> row & 1) && scores[row] > best->threshold) {
      best->scores[best->count] = scores[row];
      best->positions[best->count++] = first + row;
    }
}
#endif

// Where the fetching of blocks has come to.
typedef struct {
  int64_t list, block;
} Fetched;

static inline void fetch_next(Fetched *at, const Lists *of, const int64_t *starts,
                              const int64_t *ends, int64_t lists) {
  while (at->list < lists && at->block >= ends[at->list])
    if (++at->list < lists) at->block = starts[at->list];
  if (at->list == lists) return;
  const uint8_t *codes = of->codes + 64 * of->groups * at->block;
  for (int64_t z = 0; z < of->groups; z++) __builtin_prefetch(codes + 64 * z);
  __builtin_prefetch(of->biases + BLOCK * at->block);
  __builtin_prefetch(of->live + at->block++);
}

// The best `wanted` rows of blocks [starts[i], ends[i]) of `lists` lists, in no order; returns how
// many there are. Row 16b + r counts if bit r of live[b] is set, and of allowed[b] unless NULL.
// `scores` and `positions` have room for `capacity` rows, at least wanted + 32.
int64_t list_scan(const Lists *of, const int64_t *starts, const int64_t *ends, int64_t lists,
                  const int8_t *query, float scale, float weight, const uint16_t *allowed,
                  int64_t wanted, float *scores, int32_t *positions, int64_t capacity) {
  const int32_t groups = (int32_t)of->groups;
  const float *log_prices = weight != 0 ? of->log_prices : NULL;
  Best best = {scores, positions, 0, capacity, wanted, -INFINITY};
  int32_t sum = 0;
  for (int32_t d = 0; d < 4 * groups; d++) sum += query[d];
#if defined(__AVX512VNNI__)
  int32_t words[groups];
  memcpy(words, query, 4 * (size_t)groups);
  const __m512i start = _mm512_set1_epi32(-128 * sum);
  const __m512 scales = _mm512_set1_ps(scale), weights = _mm512_set1_ps(weight);
#else
  int16_t words[4 * groups];
  for (int32_t d = 0; d < 4 * groups; d++) words[d] = query[d];
  const int32_t start = -128 * sum;
  const float scales = scale, weights = weight;
#endif
  Fetched fetched = {0, lists ? starts[0] : 0};
  for (int i = 0; i < AHEAD; i++) fetch_next(&fetched, of, starts, ends, lists);
  for (int64_t list = 0; list < lists; list++)
    for (int64_t block = starts[list]; block < ends[list]; block++) {
      fetch_next(&fetched, of, starts, ends, lists);
      uint16_t mask = of->live[block];
      if (allowed) mask &= allowed[block];
      if (!mask) continue;
      scan_block(of->codes + 64 * groups * block, groups, words, start, scales,
                 of->biases + BLOCK * block, log_prices ? log_prices + BLOCK * block : NULL, weights,
                 mask, (int32_t)(BLOCK * block), &best);
    }
  if (best.count > wanted) {
    keep_best(scores, positions, best.count, wanted);
    best.count = wanted;
  }
  return best.count;
}
