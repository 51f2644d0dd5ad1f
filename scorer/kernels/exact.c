// The model in float32, as it is served: the halves of requests or ads, and the towers on top.
//
// Weights of a layer lie as [outputs / 32][inputs][32], so that they are read as one stream, and
// one that was loaded is used for up to twelve rows. Outputs are multiples of 32.
#include <stdint.h>
#include <string.h>

#include "kernels.h"

// As many floats as a register holds, and as many rows, or pairs of registers of one, as there are
// registers for their sums.
#if defined(__AVX512F__)
enum { LANES = 16, TOGETHER = 12, PAIRS_OF_ONE_ROW = 4 };
#elif defined(__AVX__)
enum { LANES = 8, TOGETHER = 6, PAIRS_OF_ONE_ROW = 4 };
#else
enum { LANES = 4, TOGETHER = 2, PAIRS_OF_ONE_ROW = 2 };
#endif
enum { ROWS = 32, BLOCK = 32, PAIR = 2 * LANES };
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));
#define LANES_AT(at) (*(lanes *)(at))
#define CONST_LANES_AT(at) (*(const lanes *)(at))

// Of `rows` rows `pairs` times two registers of outputs, from `at` on; inlined for each number of
// rows, so that sums stay in registers.
static inline __attribute__((always_inline)) void dense_block(const int rows, const int pairs,
                                                              const float *in, int64_t inputs,
                                                              int64_t outputs, const float *weights,
                                                              const float *start, int64_t at,
                                                              float *out) {
  lanes left[TOGETHER], right[TOGETHER];
  const float *columns[PAIRS_OF_ONE_ROW];
  for (int p = 0; p < pairs; p++) {
    const int64_t column = at + p * PAIR;
    columns[p] = weights + column / BLOCK * BLOCK * inputs + column % BLOCK;
    for (int r = 0; r < rows; r++) {
      left[p * rows + r] = CONST_LANES_AT(start + column);
      right[p * rows + r] = CONST_LANES_AT(start + column + LANES);
    }
  }
  for (int64_t i = 0; i < inputs; i++)
    for (int p = 0; p < pairs; p++) {
      const lanes a = CONST_LANES_AT(columns[p] + BLOCK * i);
      const lanes b = CONST_LANES_AT(columns[p] + BLOCK * i + LANES);
      for (int r = 0; r < rows; r++) {
        left[p * rows + r] += in[r * inputs + i] * a;
        right[p * rows + r] += in[r * inputs + i] * b;
      }
    }
  for (int p = 0; p < pairs; p++)
    for (int r = 0; r < rows; r++) {
      LANES_AT(out + r * outputs + at + p * PAIR) = left[p * rows + r];
      LANES_AT(out + r * outputs + at + p * PAIR + LANES) = right[p * rows + r];
    }
}

typedef void Dense(const float *in, int64_t inputs, int64_t outputs, const float *weights,
                   const float *start, int64_t at, float *out);
// A function of its own has all registers for its sums.
#define DENSE(name, rows, pairs)                                                                  \
  static __attribute__((noinline)) void name(const float *in, int64_t inputs, int64_t outputs,    \
                                             const float *weights, const float *start,            \
                                             int64_t at, float *out) {                            \
    dense_block(rows, pairs, in, inputs, outputs, weights, start, at, out);                       \
  }
DENSE(wide_row, 1, PAIRS_OF_ONE_ROW)
DENSE(dense_1, 1, 1)
DENSE(dense_2, 2, 1)
#if defined(__AVX__)
DENSE(dense_3, 3, 1)
DENSE(dense_4, 4, 1)
DENSE(dense_5, 5, 1)
DENSE(dense_6, 6, 1)
#endif
#if defined(__AVX512F__)
DENSE(dense_7, 7, 1)
DENSE(dense_8, 8, 1)
DENSE(dense_9, 9, 1)
DENSE(dense_10, 10, 1)
DENSE(dense_11, 11, 1)
DENSE(dense_12, 12, 1)
#endif
static Dense *const dense_of[TOGETHER] = {
    dense_1, dense_2,
#if defined(__AVX__)
    dense_3, dense_4, dense_5, dense_6,
#endif
#if defined(__AVX512F__)
    dense_7, dense_8, dense_9, dense_10, dense_11, dense_12,
#endif
};

// in [rows][inputs] · weights + start -> out [rows][outputs], without activation.
static void dense(const float *in, int rows, int64_t inputs, int64_t outputs, const float *weights,
                  const float *start, float *out) {
  int64_t at = 0;
  // One row alone has too few sums to keep the processor busy, unless it has many of its outputs.
  for (; rows == 1 && at + PAIRS_OF_ONE_ROW * PAIR <= outputs; at += PAIRS_OF_ONE_ROW * PAIR)
    wide_row(in, inputs, outputs, weights, start, at, out);
  // As equal as can be: the fewer rows, the more of the time goes into reading weights.
  const int passes = (rows + TOGETHER - 1) / TOGETHER;
  for (; at < outputs; at += PAIR)
    for (int pass = 0; pass < passes; pass++) {
      const int first = rows * pass / passes, count = rows * (pass + 1) / passes - first;
      dense_of[count - 1](in + first * inputs, inputs, outputs, weights, start, at,
                          out + first * outputs);
    }
}

// One field of a row: its weight and its embedding [dim] join the sums.
static inline void add_field(const float *entry, int32_t dim, float *embedding, float *sums,
                             float *squares, float *scalar) {
  *scalar += entry[0];
  for (int32_t d = 0; d < dim; d++) {
    float value = entry[1 + d];
    embedding[d] = value;
    sums[d] += value;
    squares[d] += value * value;
  }
}

// Width of the first layer's input.
static int64_t inputs_of(const Side *side) {
  return (int64_t)side->dim * (side->fields + (side->length > 0)) + side->numbers;
}

// Floats of room that `halves` takes.
static int64_t halves_room(const Side *side) { return ROWS * inputs_of(side) + 3 * side->dim + 1; }

static inline void fetch(const float *row, int64_t entry) {
  for (int64_t z = 0; z < entry + 15; z += 16) __builtin_prefetch(row + (z < entry ? z : entry - 1));
}

// See side_halves.
static void halves(const Side *side, const uint8_t *parts, int64_t stride, int64_t n, float *sums,
                   float *scalars, float *hidden, float *room) {
  const int32_t dim = side->dim, fields = side->fields, length = side->length, numbers = side->numbers;
  const float *table = side->table;
  const int64_t entry = dim + 1, inputs = inputs_of(side);
  float *in = room, *squares = room + ROWS * inputs, *pooled = squares + dim;
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    // The rows of these parts if they are the first ones, and always those of the next ones.
    for (int64_t ahead = begin ? begin + ROWS : 0; ahead < begin + 2 * ROWS && ahead < n; ahead++) {
      const int32_t *ids = (const int32_t *)(parts + ahead * stride + side->ids_at);
      for (int32_t f = 0; f < fields; f++) fetch(table + ids[f] * entry, entry);
      const int32_t *sequence = (const int32_t *)(parts + ahead * stride + side->sequence_at);
      for (int32_t s = 0; s < length; s++)
        if (sequence[s] >= 0) fetch(table + sequence[s] * entry, entry);
    }
    for (int r = 0; r < rows; r++) {
      const uint8_t *part = parts + (begin + r) * stride;
      const int32_t *ids = (const int32_t *)(part + side->ids_at);
      float *row = in + r * inputs, *sum = sums + (begin + r) * dim, scalar = 0;
      memset(sum, 0, sizeof(float) * (size_t)dim);
      memset(squares, 0, sizeof(float) * (size_t)dim);
      for (int32_t f = 0; f < fields; f++, row += dim)
        add_field(table + ids[f] * entry, dim, row, sum, squares, &scalar);
      if (length) {
        const int32_t *sequence = (const int32_t *)(part + side->sequence_at);
        int32_t known = 0;
        memset(pooled, 0, sizeof(float) * (size_t)entry);
        for (int32_t s = 0; s < length; s++) {
          if (sequence[s] < 0) continue;
          known++;
          for (int64_t d = 0; d < entry; d++) pooled[d] += table[sequence[s] * entry + d];
        }
        for (int64_t d = 0; known && d < entry; d++) pooled[d] /= (float)known;
        add_field(pooled, dim, row, sum, squares, &scalar);
        row += dim;
      }
      const float *given = (const float *)(part + side->numbers_at);
      for (int32_t i = 0; i < numbers; i++) {
        row[i] = (given[i] - side->mean[i]) / side->std[i];
        scalar += row[i] * side->number_weights[i];
      }
      float pairs = 0;
      for (int32_t d = 0; d < dim; d++) pairs += sum[d] * sum[d] - squares[d];
      scalars[begin + r] = scalar + 0.5f * pairs + side->bias;
    }
    dense(in, rows, inputs, side->width, side->weights, side->start, hidden + begin * side->width);
  }
}

// Halves of n parts, `stride` bytes apart: `sums` [n, dim], `scalars` [n], `hidden` [n, width].
void side_halves(const Side *side, const uint8_t *parts, int64_t stride, int64_t n, float *sums,
                 float *scalars, float *hidden) {
  float *room = room_for(halves_room(side));
  halves(side, parts, stride, n, sums, scalars, hidden, room);
  free(room);
}

// ReLU; what is not a number stays so, and is seen by who reads the logits.
static inline float active(float value) { return value < 0 ? 0 : value; }

// Width of the widest layer.
static int64_t widest_of(const ExactTower *of) {
  int64_t widest = 0;
  for (int32_t l = 0; l <= of->layers; l++) widest = of->widths[l] > widest ? of->widths[l] : widest;
  return widest;
}

// See exact_tower. `room` [2 * ROWS * the widest].
static void towers_of(const ExactTower *of, const float *hidden, int64_t n, float *logits, float *room) {
  const int32_t first = of->first, towers = of->towers, layers = of->layers, *widths = of->widths;
  const int64_t widest = widest_of(of);
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    const float *w = of->weights, *b = of->shifts;
    float sums[ROWS] = {0};
    for (int32_t tower = 0; tower < towers; tower++) {
      float *in = room, *out = room + ROWS * widest;
      for (int r = 0; r < rows; r++) {
        const float *values = hidden + ((begin + r) * towers + tower) * first;
        float *row = in + r * widths[0];
        for (int32_t i = 0; i < first; i++) row[i] = active(values[i]);
        for (int32_t i = first; i < widths[0]; i++) row[i] = 0;
      }
      for (int32_t l = 0; l < layers; l++) {
        dense(in, rows, widths[l], widths[l + 1], w, b, out);
        for (int64_t i = 0; i < (int64_t)rows * widths[l + 1]; i++) out[i] = active(out[i]);
        w += (int64_t)widths[l] * widths[l + 1];
        b += widths[l + 1];
        float *other = in;
        in = out;
        out = other;
      }
      const int64_t width = widths[layers];
      for (int r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++) sums[r] += in[r * width + i] * of->last[tower * width + i];
    }
    for (int r = 0; r < rows; r++) logits[begin + r] = sums[r] / (float)towers + of->constant;
  }
}

// Logits [n] of first layers before their activation, hidden [n][towers * first]; weights and shifts
// of each layer of each tower in turn.
void exact_tower(const ExactTower *of, const float *hidden, int64_t n, float *logits) {
  float *room = room_for(2 * ROWS * widest_of(of));
  towers_of(of, hidden, n, logits, room);
  free(room);
}

// Of the ads of parts [n], see side_halves, for a request, which is its sums [dim], its scalar, its
// first layer: calibrated probabilities [n] with `knots`, logits [n] without.
void exact_scores(const Side *side, const ExactTower *of, const uint8_t *parts, int64_t stride,
                  int64_t n, const float *request, const Knots *knots, double *scores) {
  const int32_t dim = side->dim;
  const int64_t side_room = halves_room(side), tower_room = 2 * ROWS * widest_of(of);
  float *room = room_for(ROWS * (dim + side->width + 2) +
                         (side_room > tower_room ? side_room : tower_room));
  float *sums = room, *scalars = sums + ROWS * dim, *tower = scalars + ROWS;
  float *hidden = tower + ROWS, *rest = hidden + ROWS * side->width;
  const int64_t used = (int64_t)of->towers * of->first;
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    halves(side, parts + begin * stride, stride, rows, sums, scalars, hidden, rest);
    // Without the padding of rows: they move to the front.
    for (int r = 0; r < rows; r++)
      for (int64_t i = 0; i < used; i++)
        hidden[r * used + i] = hidden[r * (int64_t)side->width + i] + request[dim + 1 + i];
    towers_of(of, hidden, rows, tower, rest);
    for (int r = 0; r < rows; r++) {
      float pairs = 0;
      for (int32_t d = 0; d < dim; d++) pairs += sums[r * dim + d] * request[d];
      const float logit = pairs + scalars[r] + request[dim] + tower[r];
      scores[begin + r] = knots ? probability(knots, logit, knots->floor) : logit;
    }
  }
  free(room);
}
