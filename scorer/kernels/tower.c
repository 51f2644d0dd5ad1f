// Approximate logits of many ads by 8-bit arithmetic: enough to choose which ads are worth the
// exact tower. Ad rows are gathered, the request's half is added, and the towers run on the sums.
//
// Weights of a layer lie as [outputs / 32][inputs / 4][32][4]; inputs and outputs are multiples of
// 32. Rows go through a layer by batches, so that 32 outputs' weights serve them all from the cache.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

// A product of vectors is done sooner than a first layer: more of them are asked for ahead.
enum { ROWS = 64, AHEAD = 16, VECTORS_AHEAD = 64, BLOCK = 32, WIDEST = 1024 };
const int32_t widest_layer = WIDEST;
#if defined(__AVX512VNNI__)
enum { TOGETHER = 8 };
typedef uint8_t Activation;
#else
// As wide as a product of bytes: without VNNI, bytes cannot be multiplied without overflow.
enum { TOGETHER = 4 };
typedef int16_t Activation;
#endif

// One activation: max(0, value) in units, rounded, at most 255.
static inline Activation rounded(float value, float units) {
  value *= units;
  value = value > 0 ? value : 0;
  return (Activation)((value < 255 ? value : 255) + 0.5f);
}

#if defined(__AVX512VNNI__)
// 32 activations of values in units, as `rounded`.
static inline void store_rounded(__m512 first, __m512 second, Activation *to) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
  // The first keeps what is negative so, the second makes it 0; both work within quarters.
  const __m512i words = _mm512_packs_epi32(_mm512_cvtps_epi32(first), _mm512_cvtps_epi32(second));
  const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words, words));
  _mm256_storeu_si256((__m256i *)to, _mm512_castsi512_si256(bytes));
}
#endif

// Activations of one row: max(0, ad * step + request) in units, rounded, at most 255.
static void activate(const int8_t *ad, float step, const float *request, int32_t width,
                     Activation *out) {
#if defined(__AVX512VNNI__)
  const __m512 steps = _mm512_set1_ps(step);
  for (int32_t i = 0; i < width; i += BLOCK) {
    __m512 values[2];
    for (int half = 0; half < 2; half++) {
      const int32_t at = i + 16 * half;
      const __m128i bytes = _mm_loadu_si128((const __m128i *)(ad + at));
      values[half] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), steps,
                                     _mm512_loadu_ps(request + at));
    }
    store_rounded(values[0], values[1], out + i);
  }
#else
  for (int32_t i = 0; i < width; i++) out[i] = rounded((float)ad[i] * step + request[i], 1);
#endif
}

#if defined(__AVX512VNNI__)
// Products of four unsigned and four signed bytes each join the sums. Written as an instruction: GCC 12
// copies the sums before each that it writes itself, which takes as long as the products.
static inline __attribute__((always_inline)) __m512i add_products(__m512i sums, __m512i bytes,
                                                                  __m512i weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(bytes), "v"(weights));
  return sums;
}
#elif defined(__AVX2__)
// Sums of two products each join the sums: an instruction for the same reason as above.
static inline __attribute__((always_inline)) __m256i add_products(__m256i sums, __m256i words,
                                                                  __m256i weights) {
  __asm__("vpaddd %1, %0, %0" : "+x"(sums) : "x"(_mm256_madd_epi16(words, weights)));
  return sums;
}

// Sums of 32 outputs of TOGETHER rows.
static inline void block_sums(const Activation *in, int64_t inputs, const int8_t *block,
                              int32_t sums[TOGETHER][BLOCK]) {
  for (int first = 0; first < BLOCK; first += 8) {
    // Two sums for each of four outputs: of inputs 0 and 1, and of 2 and 3.
    __m256i left[TOGETHER], right[TOGETHER];
    for (int r = 0; r < TOGETHER; r++) left[r] = right[r] = _mm256_setzero_si256();
    int64_t i = 0;
    do {  // there are inputs; with a test at the beginning, GCC keeps sums in memory
      const __m128i *weights = (const __m128i *)(block + BLOCK * i + 4 * first);
      const __m256i a = _mm256_cvtepi8_epi16(_mm_loadu_si128(weights));
      const __m256i b = _mm256_cvtepi8_epi16(_mm_loadu_si128(weights + 1));
      for (int r = 0; r < TOGETHER; r++) {
        int64_t four;
        memcpy(&four, in + r * inputs + i, sizeof four);
        const __m256i values = _mm256_set1_epi64x(four);
        left[r] = add_products(left[r], values, a);
        right[r] = add_products(right[r], values, b);
      }
      i += 4;
    } while (i < inputs);
    for (int r = 0; r < TOGETHER; r++) {
      const __m256i added = _mm256_hadd_epi32(left[r], right[r]);
      // Outputs 0 1 4 5 2 3 6 7 until here.
      _mm256_storeu_si256((__m256i *)(sums[r] + first), _mm256_permute4x64_epi64(added, 0xd8));
    }
  }
}
#else
static inline void block_sums(const Activation *in, int64_t inputs, const int8_t *block,
                              int32_t sums[TOGETHER][BLOCK]) {
  memset(sums, 0, sizeof(int32_t) * TOGETHER * BLOCK);
  for (int r = 0; r < TOGETHER; r++)
    for (int64_t i = 0; i < inputs; i += 4) {
      const Activation *four = in + r * inputs + i;
      const int8_t *w = block + BLOCK * i;
      for (int o = 0; o < BLOCK; o++)
        sums[r][o] += four[0] * w[4 * o] + four[1] * w[4 * o + 1] + four[2] * w[4 * o + 2] +
                      four[3] * w[4 * o + 3];
    }
}
#endif

// 32 outputs of TOGETHER rows, see layer: `block` are their weights. A function of its own has
// registers enough for the sums.
static __attribute__((noinline)) void block_of_layer(const Activation *in, int64_t inputs,
                                                     int64_t outputs, const int8_t *block,
                                                     const float *scales, const float *shifts,
                                                     float units, float *floats,
                                                     Activation *steps) {
#if defined(__AVX512VNNI__)
  __m512i lefts[TOGETHER], rights[TOGETHER];
#pragma GCC unroll 8  // or they are zeroed in memory first
  for (int r = 0; r < TOGETHER; r++) lefts[r] = rights[r] = _mm512_setzero_si512();
  int64_t i = 0;
  do {
    const __m512i left = _mm512_loadu_si512(block + BLOCK * i);
    const __m512i right = _mm512_loadu_si512(block + BLOCK * i + 64);
    for (int r = 0; r < TOGETHER; r++) {
      int32_t four;
      memcpy(&four, in + r * inputs + i, sizeof four);
      const __m512i broadcast = _mm512_set1_epi32(four);
      lefts[r] = add_products(lefts[r], broadcast, left);
      rights[r] = add_products(rights[r], broadcast, right);
    }
    i += 4;
  } while (i < inputs);
  // Only what is not rounded is to be made positive.
  const __m512 unit = _mm512_set1_ps(steps ? units : 1), zero = _mm512_setzero_ps();
  const __m512 left_scale = _mm512_mul_ps(_mm512_loadu_ps(scales), unit);
  const __m512 right_scale = _mm512_mul_ps(_mm512_loadu_ps(scales + 16), unit);
  const __m512 left_shift = _mm512_mul_ps(_mm512_loadu_ps(shifts), unit);
  const __m512 right_shift = _mm512_mul_ps(_mm512_loadu_ps(shifts + 16), unit);
#pragma GCC unroll 8
  for (int r = 0; r < TOGETHER; r++) {
    const __m512 left = _mm512_fmadd_ps(_mm512_cvtepi32_ps(lefts[r]), left_scale, left_shift);
    const __m512 right = _mm512_fmadd_ps(_mm512_cvtepi32_ps(rights[r]), right_scale, right_shift);
    if (steps) {
      store_rounded(left, right, steps + r * outputs);
    } else {
      _mm512_storeu_ps(floats + r * outputs, _mm512_max_ps(left, zero));
      _mm512_storeu_ps(floats + r * outputs + 16, _mm512_max_ps(right, zero));
    }
  }
#else
  int32_t sums[TOGETHER][BLOCK];
  block_sums(in, inputs, block, sums);
  for (int r = 0; r < TOGETHER; r++) {
    float values[BLOCK];
    for (int o = 0; o < BLOCK; o++) values[o] = (float)sums[r][o] * scales[o] + shifts[o];
    if (steps)
      for (int o = 0; o < BLOCK; o++) steps[r * outputs + o] = rounded(values[o], units);
    else
      for (int o = 0; o < BLOCK; o++) floats[r * outputs + o] = values[o] > 0 ? values[o] : 0;
  }
#endif
}

// One layer: max(0, scale · (weights · in) + shift) as `floats` [rows][outputs], or in units as
// `steps` [rows][outputs] if that is not NULL. `rows` is a multiple of TOGETHER.
static void layer(const Activation *in, int rows, int64_t inputs, int64_t outputs,
                  const int8_t *weights, const float *scales, const float *shifts, float units,
                  float *floats, Activation *steps) {
  for (int64_t at = 0; at < outputs; at += BLOCK)
    for (int r = 0; r < rows; r += TOGETHER)
      block_of_layer(in + r * inputs, inputs, outputs, weights + at * inputs, scales + at,
                     shifts + at, units, floats + r * outputs + at,
                     steps ? steps + r * outputs + at : NULL);
}

#if defined(__AVX512VNNI__)
// The sums of each of 16 vectors.
static inline __m512 sums_of(const __m512 of[16]) {
  __m512 two[8], four[4], eight[2];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++)
    two[i] = _mm512_add_ps(_mm512_unpacklo_ps(of[2 * i], of[2 * i + 1]),
                           _mm512_unpackhi_ps(of[2 * i], of[2 * i + 1]));
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    four[i] = _mm512_add_ps(_mm512_shuffle_ps(two[2 * i], two[2 * i + 1], 0x44),
                            _mm512_shuffle_ps(two[2 * i], two[2 * i + 1], 0xee));
  for (int i = 0; i < 2; i++)
    eight[i] = _mm512_add_ps(_mm512_shuffle_f32x4(four[2 * i], four[2 * i + 1], 0x88),
                             _mm512_shuffle_f32x4(four[2 * i], four[2 * i + 1], 0xdd));
  return _mm512_add_ps(_mm512_shuffle_f32x4(eight[0], eight[1], 0x88),
                       _mm512_shuffle_f32x4(eight[0], eight[1], 0xdd));
}
#endif

// Inner products of `rows` rows [width] with `last`, added to the sums. There is room up
// to a multiple of 16 rows.
static void add_last(const float *in, int rows, int64_t width, const float *last, float *sums) {
#if defined(__AVX512VNNI__)
  for (int begin = 0; begin < rows; begin += 16) {
    __m512 products[16];
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++) products[r] = _mm512_setzero_ps();
    for (int64_t i = 0; i < width; i += 16) {
      const __m512 weights = _mm512_loadu_ps(last + i);
#pragma GCC unroll 16
      for (int r = 0; r < 16; r++)
        products[r] = _mm512_fmadd_ps(_mm512_loadu_ps(in + (begin + r) * width + i), weights, products[r]);
    }
    _mm512_storeu_ps(sums + begin, _mm512_add_ps(_mm512_loadu_ps(sums + begin), sums_of(products)));
  }
#else
  for (int r = 0; r < rows; r++)
    for (int64_t i = 0; i < width; i++) sums[r] += in[r * width + i] * last[i];
#endif
}

static inline void fetch_row(const int8_t *hidden, const float *steps, int64_t slot, int64_t width) {
  for (int64_t z = 0; z < width; z += 64) __builtin_prefetch(hidden + slot * width + z);
  __builtin_prefetch(steps + slot);
}

// Logits [n] of the ads in `slots` [n].
// hidden [.., towers * width] with steps [..] are the ads' first layers; request [towers * width] is
// the request's.
void tower_logits(const Tower *of, const int8_t *hidden, const float *steps, const int32_t *slots,
                  int64_t n, const float *request, float *logits) {
  _Alignas(64) Activation room[2][ROWS * WIDEST];
  _Alignas(64) float out[ROWS * WIDEST];
  const int32_t towers = of->towers, layers = of->layers, *widths = of->widths;
  const int64_t width = widths[0], row = towers * width, last_width = widths[layers];
  const float *units = of->units;
  float scaled[row];
  for (int64_t i = 0; i < row; i++) scaled[i] = request[i] * units[0];
  for (int64_t i = 0; i < n && i < AHEAD; i++) fetch_row(hidden, steps, slots[i], row);
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    float sums[ROWS] = {0};
    const int8_t *w = of->weights;
    const float *s = of->scales, *b = of->shifts;
    for (int32_t tower = 0; tower < towers; tower++) {
      Activation *in = room[0], *other = room[1];
      for (int r = 0; r < rows; r++) {
        const int64_t slot = slots[begin + r], ahead = begin + r + AHEAD;
        if (tower == 0 && ahead < n) fetch_row(hidden, steps, slots[ahead], row);
        activate(hidden + slot * row + tower * width, steps[slot] * units[0],
                 scaled + tower * width, (int32_t)width, in + r * width);
      }
      for (int32_t l = 0; l < layers; l++) {
        layer(in, (rows + TOGETHER - 1) / TOGETHER * TOGETHER, widths[l], widths[l + 1], w, s, b,
              units[l + 1], out, l + 1 < layers ? other : NULL);
        w += widths[l] * widths[l + 1];
        s += widths[l + 1];
        b += widths[l + 1];
        Activation *swapped = in;
        in = other;
        other = swapped;
      }
      if (layers == 0)
        for (int64_t i = 0; i < rows * width; i++) out[i] = in[i] / units[0];
      add_last(out, rows, last_width, of->last + tower * last_width, sums);
    }
    for (int r = 0; r < rows; r++) logits[begin + r] = sums[r] / (float)towers + of->constant;
  }
}

static inline void fetch_vector(const float *rows, int32_t width, int32_t slot) {
  for (int32_t z = 0; z < width; z += 16) __builtin_prefetch(rows + (int64_t)slot * width + z);
}

// Inner products [n] of a query [used] with the first numbers of the rows [.., width] in `slots`.
void gathered_products(const float *rows, int32_t width, const int32_t *slots, int64_t n,
                       const float *query, int32_t used, float *products) {
  for (int64_t i = 0; i < n && i < VECTORS_AHEAD; i++) fetch_vector(rows, width, slots[i]);
  for (int64_t i = 0; i < n; i++) {
    if (i + VECTORS_AHEAD < n) fetch_vector(rows, width, slots[i + VECTORS_AHEAD]);
    const float *row = rows + (int64_t)slots[i] * width;
    float sum = 0;
    for (int32_t d = 0; d < used; d++) sum += row[d] * query[d];
    products[i] = sum;
  }
}
