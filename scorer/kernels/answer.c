// The ads of an answer as they go over the network: `ads` of RankResponse in scorer.proto, each with
// its token, which is Served in Avro's single-object encoding, a key's id and 16 bytes of a MAC.
#include <stdint.h>
#include <string.h>

#include "kernels.h"

enum { SHA_BLOCK = 64, SHA_WORDS = 8, MAC_BYTES = 16, SOURCE_BYTES = 16 };
// Where a piece of a counter's key comes from, besides the columns of attributes.
enum { CONSTANT = -1, AD_ID = -2, END = -3 };

// The last `size` bytes of a message of `total` bytes join the state; `digest` has 32 bytes.
static void finish(uint32_t *state, const uint8_t *data, int64_t size, int64_t total,
                   uint8_t *digest) {
  for (; size >= SHA_BLOCK; data += SHA_BLOCK, size -= SHA_BLOCK) sha256_compress(state, data);
  uint8_t tail[2 * SHA_BLOCK] = {0};
  memcpy(tail, data, (size_t)size);
  tail[size] = 0x80;
  const int blocks = size + 9 > SHA_BLOCK ? 2 : 1;
  for (int i = 0; i < 8; i++)
    tail[blocks * SHA_BLOCK - 1 - i] = (uint8_t)((uint64_t)(8 * total) >> 8 * i);
  for (int b = 0; b < blocks; b++) sha256_compress(state, tail + b * SHA_BLOCK);
  for (int i = 0; i < 4 * SHA_WORDS; i++) digest[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
}

// What HMAC (RFC 2104) begins with, for a key of one block, padded with zeros.
typedef struct {
  uint32_t inner[SHA_WORDS], outer[SHA_WORDS];
} Key;

static Key prepared(const uint8_t *key) {
  static const uint32_t start[SHA_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  Key made;
  uint8_t pad[SHA_BLOCK];
  memcpy(made.inner, start, sizeof start);
  memcpy(made.outer, start, sizeof start);
  for (int i = 0; i < SHA_BLOCK; i++) pad[i] = key[i] ^ 0x36;
  sha256_compress(made.inner, pad);
  for (int i = 0; i < SHA_BLOCK; i++) pad[i] = key[i] ^ 0x5c;
  sha256_compress(made.outer, pad);
  return made;
}

static void mac(const Key *key, const uint8_t *data, int64_t size, uint8_t *out) {
  uint8_t inner[4 * SHA_WORDS], outer[4 * SHA_WORDS];
  Key used = *key;
  finish(used.inner, data, size, SHA_BLOCK + size, inner);
  finish(used.outer, inner, sizeof inner, SHA_BLOCK + sizeof inner, outer);
  memcpy(out, outer, MAC_BYTES);
}

// Bytes that are written one after the other; what does not fit is left out, and `full` says so.
typedef struct {
  uint8_t *begin, *at, *end;
  int full;
} Out;

static void put(Out *out, const void *data, int64_t size) {
  if (size < 0 || size > out->end - out->at) {
    out->full = 1;
    return;
  }
  memcpy(out->at, data, (size_t)size);
  out->at += size;
}

static void put_byte(Out *out, uint8_t byte) { put(out, &byte, 1); }

static void put_varint(Out *out, uint64_t value) {
  for (; value > 0x7f; value >>= 7) put_byte(out, (uint8_t)(value | 0x80));
  put_byte(out, (uint8_t)value);
}

// Avro's sizes are signed: zigzag.
static void put_size(Out *out, int64_t size) { put_varint(out, (uint64_t)size << 1); }

static void put_field(Out *out, uint8_t tag, const void *data, int64_t size) {
  put_byte(out, tag);
  put_varint(out, (uint64_t)size);
  put(out, data, size);
}

// A zero is not written, as proto3 says.
static void put_double(Out *out, uint8_t tag, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (bits == 0) return;
  put_byte(out, tag);
  put(out, &bits, sizeof bits);
}

typedef struct {
  const uint8_t *data;
  int64_t size;
} Text;

typedef struct {
  const int64_t *offsets;
  const int32_t *lengths;
  const uint8_t *heap;
} Table;

static Text text_of(const Table *table, int64_t number) {
  return (Text){table->heap + table->offsets[number], table->lengths[number]};
}

// Keys of counters: each is a size and its pieces, [source, size of a constant] pairs until END.
static void put_keys(Out *out, const int32_t *pieces, int64_t count, const uint8_t *constants,
                     Text ad_id, const Table *values, const int32_t *codes, int64_t names) {
  for (int64_t begin = 0; begin < count;) {
    uint8_t *const key = out->at;
    // A size of one byte, moved up below if it takes more.
    put_byte(out, 0);
    for (; pieces[2 * begin] != END; begin++) {
      const int32_t source = pieces[2 * begin];
      Text piece = {constants, pieces[2 * begin + 1]};
      if (source == CONSTANT) constants += piece.size;
      else if (source == AD_ID) piece = ad_id;
      else if (source < names && codes[source]) piece = text_of(values, codes[source] - 1);
      else continue;
      put(out, piece.data, piece.size);
    }
    begin++;
    if (out->full) return;
    const int64_t size = out->at - key - 1;
    uint8_t varint[10];
    Out head = {varint, varint, varint + sizeof varint, 0};
    put_size(&head, size);
    const int64_t more = head.at - varint - 1;
    if (more > out->end - out->at) {
      out->full = 1;
      return;
    }
    memmove(key + 1 + more, key + 1, (size_t)size);
    memcpy(key, varint, (size_t)more + 1);
    out->at += more;
  }
}

// Ads [n] of an answer into `out`, which has `room` bytes, as has `token`; the bytes that were
// written, or -1 if there is too little room.
//
// Texts of ads are numbered by `slots` [n], values of attributes by `codes` [n, names], from 1 on,
// 0 for none. A token is `head`, the ad's id, `middle`, probability and propensity, `after`, keys of
// counters by `pieces`, `request_part` and the ad's part [part_size], signed with `key` [64].
// `sources` [n] are numbers of `source_names` [.., 16], which end with zeros.
int64_t ranked_ads(const int64_t *id_offsets, const int32_t *id_lengths, const uint8_t *id_heap,
                   const int64_t *value_offsets, const int32_t *value_lengths,
                   const uint8_t *value_heap, const uint8_t *head, int64_t head_size,
                   const uint8_t *middle, int64_t middle_size, const uint8_t *after,
                   int64_t after_size, const int32_t *pieces, int64_t piece_count,
                   const uint8_t *constants, const uint8_t *request_part, int64_t request_size,
                   int32_t key_id, const uint8_t *key, int64_t n, const int32_t *slots,
                   const int32_t *codes, int64_t names, const uint8_t *parts, int64_t part_size,
                   const double *ctrs, const double *propensities, const double *values,
                   const uint8_t *sources, const char *source_names, uint8_t *token, uint8_t *out,
                   int64_t room) {
  const Table ids = {id_offsets, id_lengths, id_heap};
  const Table texts = {value_offsets, value_lengths, value_heap};
  const Key signing = prepared(key);
  Out answer = {out, out, out + room, 0};
  for (int64_t i = 0; i < n; i++) {
    const Text ad_id = text_of(&ids, slots[i]);
    const float numbers[2] = {(float)ctrs[i], (float)propensities[i]};
    const uint8_t id_byte = (uint8_t)key_id;
    Out body = {token, token, token + room - MAC_BYTES, 0};
    put(&body, head, head_size);
    put_size(&body, ad_id.size);
    put(&body, ad_id.data, ad_id.size);
    put(&body, middle, middle_size);
    put(&body, numbers, sizeof numbers);
    put(&body, after, after_size);
    put_keys(&body, pieces, piece_count, constants, ad_id, &texts, codes + i * names, names);
    put_byte(&body, 0);
    put_size(&body, request_size + part_size);
    put(&body, request_part, request_size);
    put(&body, parts + i * part_size, part_size);
    put_byte(&body, id_byte);
    if (body.full) return -1;
    const int64_t body_size = body.at - token;
    mac(&signing, token, body_size, token + body_size);

    const char *source = source_names + SOURCE_BYTES * sources[i];
    uint8_t *const begin = answer.at;
    // Behind the room that the size of this ad may take.
    answer.at = answer.end - answer.at > 12 ? answer.at + 12 : answer.end;
    uint8_t *const fields = answer.at;
    put_field(&answer, 0x0a, ad_id.data, ad_id.size);
    put_double(&answer, 0x11, ctrs[i]);
    put_double(&answer, 0x19, propensities[i]);
    put_field(&answer, 0x22, source, (int64_t)strnlen(source, SOURCE_BYTES));
    put_double(&answer, 0x29, values[i]);
    put_field(&answer, 0x32, token, body_size + MAC_BYTES);
    if (answer.full) return -1;
    const int64_t size = answer.at - fields;
    answer.at = begin;
    put_byte(&answer, 0x2a);
    put_varint(&answer, (uint64_t)size);
    memmove(answer.at, fields, (size_t)size);
    answer.at += size;
  }
  return answer.at - out;
}
