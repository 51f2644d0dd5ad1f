// Approximate logits of many ads by 8-bit arithmetic: enough to choose which ads are worth the
// exact tower. Ad rows are gathered, the request's half is added, and the towers run on the sums.
//
// Weights of a layer lie as [inputs / 4][outputs][4]; inputs and outputs are multiples of 16, the
// outputs of a tower's first layer begin at a multiple of 16 in a row.
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512VNNI__)
#include <immintrin.h>
#endif

enum { ROWS = 8, WIDEST = 1024 };

// Activations of one row: max(0, ad * step + request) in units, rounded, at most 255.
static void activate(const int8_t *ad, float step, const float *request, int32_t width,
                     uint8_t *out) {
#if defined(__AVX512VNNI__)
  const __m512 steps = _mm512_set1_ps(step), zero = _mm512_setzero_ps();
  for (int32_t i = 0; i < width; i += 16) {
    __m512 values = _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(ad + i))));
    values = _mm512_max_ps(_mm512_fmadd_ps(values, steps, _mm512_loadu_ps(request + i)), zero);
    _mm_storeu_si128((__m128i *)(out + i), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(values)));
  }
#else
  for (int32_t i = 0; i < width; i++) {
    float value = (float)ad[i] * step + request[i];
    value = value < 0 ? 0 : value > 255 ? 255 : value;
    out[i] = (uint8_t)(value + 0.5f);
  }
#endif
}

// One layer of ROWS rows: out = max(0, scale · (weights · in) + shift).
static void layer(const uint8_t *in, int32_t inputs, int32_t outputs, const int8_t *weights,
                  const float *scales, const float *shifts, float *out) {
#if defined(__AVX512VNNI__)
  // Two blocks of outputs at a time, so that a broadcast is used twice; an odd one is done twice.
  for (int32_t begin = 0; begin < outputs; begin += 32) {
    const int32_t at[2] = {begin, begin + 16 < outputs ? begin + 16 : begin};
    __m512i sums[ROWS][2];
    for (int r = 0; r < ROWS; r++) sums[r][0] = sums[r][1] = _mm512_setzero_si512();
    for (int32_t i = 0; i < inputs / 4; i++) {
      const __m512i left = _mm512_loadu_si512(weights + 4 * (i * outputs + at[0]));
      const __m512i right = _mm512_loadu_si512(weights + 4 * (i * outputs + at[1]));
      for (int r = 0; r < ROWS; r++) {
        int32_t four;
        memcpy(&four, in + r * WIDEST + 4 * i, 4);
        const __m512i broadcast = _mm512_set1_epi32(four);
        sums[r][0] = _mm512_dpbusd_epi32(sums[r][0], broadcast, left);
        sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], broadcast, right);
      }
    }
    for (int b = 0; b < 2; b++) {
      const __m512 scale = _mm512_loadu_ps(scales + at[b]), shift = _mm512_loadu_ps(shifts + at[b]);
      for (int r = 0; r < ROWS; r++)
        _mm512_storeu_ps(out + r * WIDEST + at[b],
                         _mm512_max_ps(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r][b]), scale, shift),
                                       _mm512_setzero_ps()));
    }
  }
#else
  int32_t sums[WIDEST];
  for (int r = 0; r < ROWS; r++) {
    memset(sums, 0, 4 * (size_t)outputs);
    for (int32_t i = 0; i < inputs / 4; i++) {
      const uint8_t *four = in + r * WIDEST + 4 * i;
      const int8_t *w = weights + 4 * i * outputs;
      for (int32_t o = 0; o < outputs; o++)
        sums[o] += four[0] * w[4 * o] + four[1] * w[4 * o + 1] + four[2] * w[4 * o + 2] +
                   four[3] * w[4 * o + 3];
    }
    for (int32_t o = 0; o < outputs; o++) {
      float value = (float)sums[o] * scales[o] + shifts[o];
      out[r * WIDEST + o] = value > 0 ? value : 0;
    }
  }
#endif
}

static void quantise(const float *in, int32_t width, float units, uint8_t *out) {
#if defined(__AVX512VNNI__)
  const __m512 unit = _mm512_set1_ps(units);
  for (int32_t i = 0; i < width; i += 16)
    _mm_storeu_si128((__m128i *)(out + i), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(
                                               _mm512_mul_ps(_mm512_loadu_ps(in + i), unit))));
#else
  for (int32_t i = 0; i < width; i++) {
    float value = in[i] * units;
    out[i] = (uint8_t)((value > 255 ? 255 : value) + 0.5f);
  }
#endif
}

static float product(const float *a, const float *b, int32_t width) {
  float sums[16] = {0};
  for (int32_t i = 0; i < width; i += 16)
    for (int j = 0; j < 16; j++) sums[j] += a[i + j] * b[i + j];
  for (int half = 8; half; half /= 2)
    for (int j = 0; j < half; j++) sums[j] += sums[j + half];
  return sums[0];
}

// Logits [n] of the ads in `slots` [n].
// hidden [.., towers * widths[0]] with steps [..] are the ad rows; request [towers * widths[0]] in
// units of the first activation, units[0]. Layer l goes from widths[l] to widths[l + 1] and its
// activations are in steps of 1 / units[l]; `scales` undo those of weights and input. `last`
// [towers, widths[layers]] makes the logit, which is the mean of all towers, plus `constant`.
void tower_logits(const int8_t *hidden, const float *steps, const int32_t *slots, int64_t n,
                  const float *request, int32_t towers, int32_t layers, const int32_t *widths,
                  const int8_t *weights, const float *scales, const float *shifts,
                  const float *units, const float *last, float constant, float *logits) {
  _Alignas(64) uint8_t in[ROWS * WIDEST];
  _Alignas(64) float out[ROWS * WIDEST];
  const int64_t width = widths[0], row = towers * width;
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    for (int64_t ahead = begin + 2 * ROWS; ahead < begin + 3 * ROWS && ahead < n; ahead++) {
      for (int64_t z = 0; z < row; z += 64) __builtin_prefetch(hidden + slots[ahead] * row + z);
      __builtin_prefetch(steps + slots[ahead]);
    }
    float sums[ROWS] = {0};
    const int8_t *w = weights;
    const float *s = scales, *b = shifts;
    for (int32_t tower = 0; tower < towers; tower++) {
      for (int r = 0; r < ROWS; r++) {
        const int64_t slot = slots[begin + (r < rows ? r : 0)];
        activate(hidden + slot * row + tower * width, steps[slot] * units[0],
                 request + tower * width, (int32_t)width, in + r * WIDEST);
      }
      for (int32_t l = 0; l < layers; l++) {
        layer(in, widths[l], widths[l + 1], w, s, b, out);
        w += widths[l] * widths[l + 1];
        s += widths[l + 1];
        b += widths[l + 1];
        if (l + 1 < layers)
          for (int r = 0; r < ROWS; r++)
            quantise(out + r * WIDEST, widths[l + 1], units[l + 1], in + r * WIDEST);
      }
      if (layers == 0)
        for (int r = 0; r < ROWS; r++)
          for (int64_t i = 0; i < width; i++) out[r * WIDEST + i] = in[r * WIDEST + i] / units[0];
      for (int r = 0; r < ROWS; r++)
        sums[r] += product(out + r * WIDEST, last + tower * widths[layers], widths[layers]);
    }
    for (int r = 0; r < rows; r++) logits[begin + r] = sums[r] / (float)towers + constant;
  }
}

// Inner products [n] of a query [width] with the rows [.., width] in `slots` [n].
void gathered_products(const float *rows, int32_t width, const int32_t *slots, int64_t n,
                       const float *query, float *products) {
  for (int64_t i = 0; i < n; i++) {
    if (i + 16 < n)
      for (int32_t z = 0; z < width; z += 16)
        __builtin_prefetch(rows + (int64_t)slots[i + 16] * width + z);
    const float *row = rows + (int64_t)slots[i] * width;
    float sum = 0;
    for (int32_t d = 0; d < width; d++) sum += row[d] * query[d];
    products[i] = sum;
  }
}
