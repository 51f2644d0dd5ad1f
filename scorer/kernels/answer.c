// The ads of an answer as they go over the network: `ads` of RankResponse in scorer.proto, each with
// its token, which is Served in Avro's single-object encoding, a key's id and 16 bytes of a MAC.
#include <stdint.h>
#include <string.h>

enum { SHA_BLOCK = 64, SHA_WORDS = 8, MAC_BYTES = 16, SOURCE_BYTES = 16 };
// Where a piece of a counter's key comes from, besides the columns of attributes.
enum { CONSTANT = -1, AD_ID = -2, END = -3 };

static inline uint32_t turned(uint32_t x, int by) { return x >> by | x << (32 - by); }

// SHA-256 (FIPS 180-4, section 6.2.2): one block joins the state.
static void compress(uint32_t *state, const uint8_t *block) {
  static const uint32_t constants[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
      0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
      0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
      0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
      0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
      0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
      0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
      0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
      0xc67178f2};
  uint32_t words[64], s[SHA_WORDS];
  for (int t = 0; t < 16; t++)
    words[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
  for (int t = 16; t < 64; t++) {
    const uint32_t a = words[t - 15], b = words[t - 2];
    words[t] = words[t - 16] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3) + words[t - 7] +
               (turned(b, 17) ^ turned(b, 19) ^ b >> 10);
  }
  memcpy(s, state, sizeof s);
  for (int t = 0; t < 64; t += 8)
    // Each round moves every word one place on: here the names of the places move instead.
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) {
      uint32_t *const h = &s[7 - r], *const d = &s[(11 - r) % 8];
      const uint32_t a = s[(8 - r) % 8], b = s[(9 - r) % 8], c = s[(10 - r) % 8];
      const uint32_t e = s[(12 - r) % 8], f = s[(13 - r) % 8], g = s[(14 - r) % 8];
      const uint32_t first = *h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) +
                             ((e & f) ^ (~e & g)) + constants[t + r] + words[t + r];
      *d += first;
      *h = first + (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) +
           ((a & b) ^ (a & c) ^ (b & c));
    }
  for (int i = 0; i < SHA_WORDS; i++) state[i] += s[i];
}

// The last `size` bytes of a message of `total` bytes join the state; `digest` has 32 bytes.
static void finish(uint32_t *state, const uint8_t *data, int64_t size, int64_t total,
                   uint8_t *digest) {
  for (; size >= SHA_BLOCK; data += SHA_BLOCK, size -= SHA_BLOCK) compress(state, data);
  uint8_t tail[2 * SHA_BLOCK] = {0};
  memcpy(tail, data, (size_t)size);
  tail[size] = 0x80;
  const int blocks = size + 9 > SHA_BLOCK ? 2 : 1;
  for (int i = 0; i < 8; i++)
    tail[blocks * SHA_BLOCK - 1 - i] = (uint8_t)((uint64_t)(8 * total) >> 8 * i);
  for (int b = 0; b < blocks; b++) compress(state, tail + b * SHA_BLOCK);
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
  compress(made.inner, pad);
  for (int i = 0; i < SHA_BLOCK; i++) pad[i] = key[i] ^ 0x5c;
  compress(made.outer, pad);
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
