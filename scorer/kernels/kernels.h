// What the kernels are given, as scorer/kernels/arguments.py packs it, and what one file of them
// takes from another one; each function is described where it is.
#pragma once
#include <stdint.h>
#include <stdlib.h>

// What is kept of each ad: vectors [.., dim + 2], the usual tower [..], first layers
// [.., towers * width] in 8 bits, in `steps` [..].
typedef struct {
  const float *vectors, *usual;
  const int8_t *hidden;
  const float *steps;
} Stored;

// Towers in 8 bits. Layer l goes from widths[l] to widths[l + 1] and its activations are in steps of
// 1 / units[l]; `scales` undo those of weights and input. `last` [towers, widths[layers]] makes the
// logit, which is the mean of all towers, plus `constant`.
typedef struct {
  const int32_t *widths;
  const int8_t *weights;
  const float *scales, *shifts, *units, *last;
  int32_t towers, layers;
  float constant;
} Tower;

// Towers in float32, as above; `first` is widths[0] without its padding.
typedef struct {
  const int32_t *widths;
  const float *weights, *shifts, *last;
  int32_t first, towers, layers;
  float constant;
} ExactTower;

// One side of the model, request or ad: `fields` rows of the table [.., 1 + dim], the mean of a
// sequence's rows if `length` is not 0, numbers, which are standardised; `.._at` is where they are in
// a part, in bytes. `weights` and `start` [width] are of the first layer; `bias` is added to scalars.
typedef struct {
  const float *table, *number_weights, *mean, *std, *weights, *start;
  int32_t dim, ids_at, fields, sequence_at, length, numbers_at, numbers, width;
  float bias;
} Side;

// A calibration, see schemas/calibration.py; probabilities stay `floor` away from 0 and 1.
typedef struct {
  const double *logits, *outputs;
  int64_t count;
  double floor;
} Knots;

// Rows of inverted lists, see list_scan.c; `log_prices` [..] are added as a query weighs them.
typedef struct {
  const uint8_t *codes;
  const float *biases, *log_prices;
  const uint16_t *live;
  int64_t groups;
} Lists;

// An index: `centroids` are rows that stand for `lists` lists, which begin at the blocks `starts`
// [lists + 1]; behind them is an open list with rows until open[0]. There are `blocks` of rows and
// `centroid_blocks`; `slots` [..] are the ads in them. A code is a number in `steps` [dim].
typedef struct {
  Lists rows, centroids;
  const float *steps;
  const int64_t *starts, *open;
  const int32_t *slots;
  int64_t lists, blocks, centroid_blocks, dim;
} Index;

// An array with a row for each ad.
typedef struct {
  const char *begin;
  int64_t row_bytes;
} Column;

typedef struct {
  float low, high;
} Bars;

// The widest layer that tower.c has room for.
extern const int32_t widest_layer;

// Room for one call, to be freed. As large as layers are wide: a stack may be too small.
static inline float *room_for(int64_t floats) {
  float *room = malloc(sizeof(float) * (size_t)floats);
  if (!room) abort();
  return room;
}

int64_t list_scan(const Lists *of, const int64_t *starts, const int64_t *ends, int64_t lists,
                  const int8_t *query, float scale, float weight, const uint16_t *allowed,
                  int64_t wanted, float *scores, int32_t *positions, int64_t capacity);

Bars bars_of(const float *scores, int64_t n, int64_t least, int64_t most);
void sha256_compress(uint32_t *state, const uint8_t *block);
double probability(const Knots *knots, double logit, double floor);
void gathered_products(const float *rows, int32_t width, const int32_t *slots, int64_t n,
                       const float *query, int32_t used, float *products);
void tower_logits(const Tower *tower, const int8_t *hidden, const float *steps,
                  const int32_t *slots, int64_t n, const float *request, float *logits);
