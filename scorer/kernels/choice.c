// Which of a request's candidates may be among its best: by what retrieval knows of them, then by
// the towers in 8 bits. And the calibration: from a logit to a probability.
#include <math.h>
#include <string.h>

#include "kernels.h"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

enum { LANES = 16 };

// Logits beyond are no different from it.
#define LARGEST 30.0f

// Piecewise linear between the knots, with a slope of 1 outside of them. What is not a number is as
// the worst.
double probability(const Knots *knots, double logit, double floor) {
  const double *logits = knots->logits, *outputs = knots->outputs;
  int64_t low = 0, high = knots->count - 1;
  double mapped;
  if (isnan(logit)) logit = -LARGEST;
  if (!(logit > logits[0])) mapped = outputs[0] + (logit - logits[0]);
  else if (logit >= logits[high]) mapped = outputs[high] + (logit - logits[high]);
  else {
    while (low + 1 < high) {
      const int64_t middle = (low + high) / 2;
      if (logits[middle] <= logit) low = middle;
      else high = middle;
    }
    const double slope = (outputs[low + 1] - outputs[low]) / (logits[low + 1] - logits[low]);
    mapped = slope * (logit - logits[low]) + outputs[low];
  }
  mapped = mapped < -LARGEST ? -LARGEST : mapped > LARGEST ? LARGEST : mapped;
  const double found = 1 / (1 + exp(-mapped));
  return found < floor ? floor : found > 1 - floor ? 1 - floor : found;
}

// Calibrated probabilities [n] of logits [n].
void probabilities(const Knots *knots, const double *logits, int64_t n, double *found) {
  for (int64_t i = 0; i < n; i++) found[i] = probability(knots, logits[i], knots->floor);
}

// What is known of n candidates; `worths` is room.
typedef struct {
  int32_t *slots;
  float *logits, *worths;
  int64_t n;
} Candidates;

// Only the `count` best go on, in the order they had. With `prices` [..] those are of the highest
// expected value.
static void keep(Candidates *of, int64_t count, const Knots *knots, const int64_t *prices) {
  if (count >= of->n) return;
  for (int64_t i = 0; i < of->n; i++) {
    // What is not a number is the worst.
    const float logit = of->logits[i] > -LARGEST ? of->logits[i] : -LARGEST;
    of->worths[i] = logit < LARGEST ? logit : LARGEST;
  }
  // Without the floor: below it, too, one is better than another.
  for (int64_t i = 0; prices && i < of->n; i++)
    of->worths[i] = (float)(probability(knots, of->worths[i], 0) * (double)prices[of->slots[i]]);
  const Bars bars = bars_of(of->worths, of->n, count, count);
  int64_t equal = count, kept = 0;
  int64_t i = 0;
#if defined(__AVX512F__)
  // Nearly always there is a bar that so many exceed. A store goes beyond what is kept, but not beyond
  // what was read.
  for (; bars.low == bars.high && i + LANES <= of->n; i += LANES) {
    const __mmask16 kept_here = _mm512_cmp_ps_mask(
        _mm512_loadu_ps(of->worths + i), _mm512_set1_ps(bars.high), _CMP_GT_OQ);
    const __m512i slots = _mm512_loadu_si512(of->slots + i);
    const __m512 logits = _mm512_loadu_ps(of->logits + i);
    _mm512_storeu_si512(of->slots + kept, _mm512_maskz_compress_epi32(kept_here, slots));
    _mm512_storeu_ps(of->logits + kept, _mm512_maskz_compress_ps(kept_here, logits));
    kept += __builtin_popcount(kept_here);
  }
#endif
  for (int64_t j = 0; j < of->n; j++) equal -= of->worths[j] > bars.high;
  for (; i < of->n; i++) {
    const float worth = of->worths[i];
    // If scores are equal where the bar should be: as many of them as there is room for.
    const int taken = (worth > bars.high) | ((worth <= bars.high) & (worth >= bars.low) & (equal > 0));
    equal -= taken & (worth <= bars.high);
    of->logits[kept] = of->logits[i];
    of->slots[kept] = of->slots[i];
    kept += taken;
  }
  of->n = kept;
}

// The `wanted` best of the candidates in slots [n], in the order they have there: chosen [wanted].
// 0 < wanted < n.
//
// `request` is its sums [dim], its scalar, its first layer. A candidate's logit is the product of its vector with the request's sums, plus the vector's next
// number, which has its usual tower, plus the request's scalar. With a tower, `shortlist` of them
// have it instead of the usual one.
void finalists(const Stored *stored, const float *request, int32_t dim, const Tower *tower,
               const Knots *knots, const int64_t *prices, const int32_t *slots, int64_t n, int64_t shortlist,
               int64_t wanted, int32_t *chosen) {
  float *room = room_for(4 * n);
  Candidates left = {(int32_t *)(room + 3 * n), room, room + n, n};
  memcpy(left.slots, slots, sizeof(int32_t) * (size_t)n);
  float query[dim + 1], *towers = room + 2 * n;
  memcpy(query, request, sizeof(float) * (size_t)dim);
  query[dim] = 1;
  gathered_products(stored->vectors, dim + 2, slots, n, query, dim + 1, left.logits);
  for (int64_t i = 0; i < n; i++) left.logits[i] += request[dim];
  if (tower) {
    keep(&left, shortlist, knots, prices);
    for (int64_t i = 0; i < left.n; i++) __builtin_prefetch(stored->usual + left.slots[i]);
    tower_logits(tower, stored->hidden, stored->steps, left.slots, left.n, request + dim + 1, towers);
    for (int64_t i = 0; i < left.n; i++)
      left.logits[i] += towers[i] - stored->usual[left.slots[i]];
  }
  keep(&left, wanted, knots, prices);
  memcpy(chosen, left.slots, sizeof(int32_t) * (size_t)left.n);
  free(room);
}
