// The model in float32, as it is served: the halves of requests or ads, and the towers on top.
//
// Weights of a layer lie as [outputs / 32][inputs][32], so that they are read as one stream, and
// one that was loaded is used for up to eight rows. Outputs are multiples of 32.
#include <stdint.h>
#include <string.h>

// As many floats as a register holds, and as many rows as there are registers for their sums.
#if defined(__AVX512F__)
enum { LANES = 16, TOGETHER = 8 };
#elif defined(__AVX__)
enum { LANES = 8, TOGETHER = 4 };
#else
enum { LANES = 4, TOGETHER = 4 };
#endif
enum { ROWS = 32, BLOCK = 32 };
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));
#define LANES_AT(at) (*(lanes *)(at))
#define CONST_LANES_AT(at) (*(const lanes *)(at))

// Two registers of outputs of `rows` rows; inlined for each number of rows, so that sums stay in
// registers.
static inline __attribute__((always_inline)) void dense_block(const int rows, const float *in,
                                                              int64_t inputs, const float *weights,
                                                              const float *start, float *out,
                                                              int64_t outputs) {
  lanes left[TOGETHER], right[TOGETHER];
  for (int r = 0; r < rows; r++) left[r] = CONST_LANES_AT(start), right[r] = CONST_LANES_AT(start + LANES);
  for (int64_t i = 0; i < inputs; i++) {
    const lanes a = CONST_LANES_AT(weights + BLOCK * i), b = CONST_LANES_AT(weights + BLOCK * i + LANES);
    for (int r = 0; r < rows; r++) {
      left[r] += in[r * inputs + i] * a;
      right[r] += in[r * inputs + i] * b;
    }
  }
  for (int r = 0; r < rows; r++) {
    LANES_AT(out + r * outputs) = left[r];
    LANES_AT(out + r * outputs + LANES) = right[r];
  }
}

// in [rows][inputs] · weights + start -> out [rows][outputs], without activation.
static void dense(const float *in, int rows, int64_t inputs, int64_t outputs, const float *weights,
                  const float *start, float *out) {
  for (int64_t at = 0; at < outputs; at += 2 * LANES) {
    const float *block = weights + at / BLOCK * BLOCK * inputs + at % BLOCK;
    int r = 0;
    for (; r + TOGETHER <= rows; r += TOGETHER)
      dense_block(TOGETHER, in + r * inputs, inputs, block, start + at, out + r * outputs + at, outputs);
    for (; r + 2 <= rows; r += 2)
      dense_block(2, in + r * inputs, inputs, block, start + at, out + r * outputs + at, outputs);
    for (; r < rows; r++)
      dense_block(1, in + r * inputs, inputs, block, start + at, out + r * outputs + at, outputs);
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

// Halves of n parts, `stride` bytes apart: rows of the table [.., 1 + dim] by their ids, the mean
// of a sequence's rows if `length` is not 0, then the numbers, standardised.
// `sums` [n, dim], `scalars` [n], `hidden` [n, width]; `room` [ROWS * inputs + 3 * dim + 1].
void side_halves(const float *table, int32_t dim, const uint8_t *parts, int64_t stride, int64_t n,
                 int32_t ids_at, int32_t fields, int32_t sequence_at, int32_t length,
                 int32_t numbers_at, int32_t numbers, const float *number_weights,
                 const float *mean, const float *std, const float *weights, const float *start,
                 float bias, int32_t width, float *sums, float *scalars, float *hidden,
                 float *room) {
  const int64_t entry = dim + 1;
  const int64_t inputs = (int64_t)dim * (fields + (length > 0)) + numbers;
  float *in = room, *squares = room + ROWS * inputs, *pooled = squares + dim;
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    // The rows of these parts if they are the first ones, and always those of the next ones.
    for (int64_t ahead = begin ? begin + ROWS : 0; ahead < begin + 2 * ROWS && ahead < n; ahead++) {
      const int32_t *ids = (const int32_t *)(parts + ahead * stride + ids_at);
      for (int32_t f = 0; f < fields; f++)
        for (int64_t z = 0; z < entry + 15; z += 16)
          __builtin_prefetch(table + ids[f] * entry + (z < entry ? z : entry - 1));
    }
    for (int r = 0; r < rows; r++) {
      const uint8_t *part = parts + (begin + r) * stride;
      const int32_t *ids = (const int32_t *)(part + ids_at);
      float *row = in + r * inputs, *sum = sums + (begin + r) * dim, scalar = 0;
      memset(sum, 0, sizeof(float) * (size_t)dim);
      memset(squares, 0, sizeof(float) * (size_t)dim);
      for (int32_t f = 0; f < fields; f++, row += dim)
        add_field(table + ids[f] * entry, dim, row, sum, squares, &scalar);
      if (length) {
        const int32_t *sequence = (const int32_t *)(part + sequence_at);
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
      const float *given = (const float *)(part + numbers_at);
      for (int32_t i = 0; i < numbers; i++) {
        row[i] = (given[i] - mean[i]) / std[i];
        scalar += row[i] * number_weights[i];
      }
      float pairs = 0;
      for (int32_t d = 0; d < dim; d++) pairs += sum[d] * sum[d] - squares[d];
      scalars[begin + r] = scalar + 0.5f * pairs + bias;
    }
    dense(in, rows, inputs, width, weights, start, hidden + begin * width);
  }
}

// ReLU; what is not a number stays so, and is seen by who reads the logits.
static inline float active(float value) { return value < 0 ? 0 : value; }

// Logits [n] of first layers before their activation, hidden [n][towers * first]: the mean of
// `towers` towers, plus `constant`. Layer l goes from widths[l] to widths[l + 1], where widths[0]
// is `first` up to a multiple of 32; weights and shifts of each layer of each tower in turn;
// `last` [towers][widths[layers]]; `room` [2 * ROWS * the widest].
void exact_tower(const float *hidden, int64_t n, int32_t first, int32_t towers, int32_t layers,
                 const int32_t *widths, const float *weights, const float *shifts,
                 const float *last, float constant, float *logits, float *room) {
  int64_t widest = 0;
  for (int32_t l = 0; l <= layers; l++) widest = widths[l] > widest ? widths[l] : widest;
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    const float *w = weights, *b = shifts;
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
        for (int64_t i = 0; i < width; i++) sums[r] += in[r * width + i] * last[tower * width + i];
    }
    for (int r = 0; r < rows; r++) logits[begin + r] = sums[r] / (float)towers + constant;
  }
}
