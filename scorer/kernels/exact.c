// The model in float32, as it is served: the halves of requests or ads, and the towers on top.
//
// Weights of a layer lie as [inputs][outputs]; outputs are multiples of 16. Eight rows go through
// a layer at a time, so that a weight that was loaded is used eight times.
#include <stdint.h>
#include <string.h>

enum { ROWS = 8, LANES = 16 };
// On processors with narrower registers the compiler splits it.
typedef float lanes __attribute__((vector_size(64), aligned(4)));

#define LOAD(at) (*(const lanes *)(at))

// Outputs [ROWS][LANES * BLOCKS] of one part of a layer; a macro, so that sums stay in registers.
#define DENSE_PART(BLOCKS)                                                          \
  do {                                                                              \
    lanes sums[ROWS][BLOCKS];                                                       \
    for (int r = 0; r < ROWS; r++)                                                  \
      for (int b = 0; b < BLOCKS; b++) sums[r][b] = LOAD(start + at + LANES * b);   \
    for (int64_t i = 0; i < inputs; i++) {                                          \
      const float *row = weights + i * outputs + at;                                \
      lanes weight[BLOCKS];                                                         \
      for (int b = 0; b < BLOCKS; b++) weight[b] = LOAD(row + LANES * b);           \
      for (int r = 0; r < ROWS; r++)                                                \
        for (int b = 0; b < BLOCKS; b++) sums[r][b] += in[r * inputs + i] * weight[b]; \
    }                                                                               \
    for (int r = 0; r < rows; r++)                                                  \
      for (int b = 0; b < BLOCKS; b++)                                              \
        *(lanes *)(out + r * outputs + at + LANES * b) = sums[r][b];                \
  } while (0)

// in [ROWS][inputs] · weights + start -> out [rows][outputs], without activation.
static void dense(const float *in, int rows, int64_t inputs, int64_t outputs, const float *weights,
                  const float *start, float *out) {
  int64_t at = 0;
  for (; at + 2 * LANES <= outputs; at += 2 * LANES) DENSE_PART(2);
  if (at < outputs) DENSE_PART(1);
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
  memset(in, 0, sizeof(float) * ROWS * (size_t)inputs);
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    for (int64_t ahead = begin + ROWS; ahead < begin + 2 * ROWS && ahead < n; ahead++) {
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

// Logits [n] of first layers before their activation, hidden [n][towers * first]: the mean of
// `towers` towers, plus `constant`. Layer l goes from widths[l] to widths[l + 1], where widths[0]
// is `first` up to a multiple of 16; weights and shifts of each layer of each tower in turn;
// `last` [towers][widths[layers]]; `room` [2 * ROWS * the widest].
void exact_tower(const float *hidden, int64_t n, int32_t first, int32_t towers, int32_t layers,
                 const int32_t *widths, const float *weights, const float *shifts,
                 const float *last, float constant, float *logits, float *room) {
  int64_t widest = 0;
  for (int32_t l = 0; l <= layers; l++) widest = widths[l] > widest ? widths[l] : widest;
  memset(room, 0, sizeof(float) * 2 * ROWS * (size_t)widest);
  for (int64_t begin = 0; begin < n; begin += ROWS) {
    const int rows = n - begin < ROWS ? (int)(n - begin) : ROWS;
    const float *w = weights, *b = shifts;
    float sums[ROWS] = {0};
    for (int32_t tower = 0; tower < towers; tower++) {
      float *in = room, *out = room + ROWS * widest;
      for (int r = 0; r < rows; r++) {
        const float *values = hidden + ((begin + r) * towers + tower) * first;
        float *row = in + r * widths[0];
        for (int32_t i = 0; i < first; i++) row[i] = values[i] > 0 ? values[i] : 0;
        for (int32_t i = first; i < widths[0]; i++) row[i] = 0;
      }
      for (int32_t l = 0; l < layers; l++) {
        dense(in, rows, widths[l], widths[l + 1], w, b, out);
        for (int64_t i = 0; i < (int64_t)rows * widths[l + 1]; i++) out[i] = out[i] > 0 ? out[i] : 0;
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
