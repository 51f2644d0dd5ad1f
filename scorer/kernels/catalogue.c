// Ads as Redis has them, to columns: a page of them at a time, each text that they share once.
#include <stdint.h>
#include <string.h>

enum { VERSION_BYTES = 8, HEADER_BYTES = 10 };

// What is left of a value; `bad` once it was cut or is none.
typedef struct {
  const uint8_t *at, *end;
  int bad;
} In;

typedef struct {
  const uint8_t *data;
  int64_t size;
} Text;

// Avro's long: zigzag, seven bits a byte.
static int64_t take_long(In *in) {
  uint64_t value = 0;
  for (int shift = 0; shift < 70 && in->at < in->end; shift += 7) {
    const uint8_t byte = *in->at++;
    if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
  }
  in->bad = 1;
  return 0;
}

static Text take_text(In *in) {
  const int64_t size = take_long(in);
  if (in->bad || size < 0 || size > in->end - in->at) {
    in->bad = 1;
    return (Text){in->at, 0};
  }
  in->at += size;
  return (Text){in->at - size, size};
}

// Different texts by number: where they lie in `blob`; `cells` [mask + 1] are numbers plus 1.
typedef struct {
  const uint8_t *blob;
  int64_t *offsets;
  int32_t *lengths, *cells;
  int64_t count, room, mask;
} Texts;

// The number of a text, -1 if there is no room for another one. FNV-1a; linear probing.
static int64_t number_of(Texts *texts, Text text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < text.size; i++) hash = (hash ^ text.data[i]) * 0x100000001b3u;
  int64_t cell = (int64_t)((hash ^ hash >> 32) & (uint64_t)texts->mask);
  for (; texts->cells[cell]; cell = (cell + 1) & texts->mask) {
    const int64_t number = texts->cells[cell] - 1;
    if (texts->lengths[number] == text.size &&
        !memcmp(texts->blob + texts->offsets[number], text.data, (size_t)text.size))
      return number;
  }
  if (texts->count == texts->room) return -1;
  texts->offsets[texts->count] = text.data - texts->blob;
  texts->lengths[texts->count] = (int32_t)text.size;
  texts->cells[cell] = (int32_t)++texts->count;
  return texts->count - 1;
}

// Values [n] that end at `ends` in `blob`, with keys that end at `key_ends` in `keys`.
//
// An ad that was understood has 1 in `read`; one that was not (deleted, damaged, of another version
// of the record, whose `header` is another one) has 0, and a row of `items` [.., 3] for none of its
// attributes: ad, number of the name, number of the value. `counts` are those of items and texts.
// Returns 0, or -1 if there is too little room; cells [mask + 1] are zero, mask > text_room.
int64_t parse_ads(const uint8_t *blob, const int64_t *ends, const uint8_t *keys,
                  const int64_t *key_ends, int64_t n, const uint8_t *header, uint8_t *read,
                  uint8_t *active, int64_t *versions, int64_t *prices, int32_t *items,
                  int64_t item_room, int64_t *offsets, int32_t *lengths, int64_t text_room,
                  int32_t *cells, int64_t mask, int64_t *counts) {
  Texts texts = {blob, offsets, lengths, cells, 0, text_room, mask};
  int64_t item = 0;
  for (int64_t i = 0; i < n; i++) {
    In in = {blob + (i ? ends[i - 1] : 0), blob + ends[i], 0};
    const int64_t first = item, key_begin = i ? key_ends[i - 1] : 0;
    read[i] = active[i] = 0;
    versions[i] = prices[i] = 0;
    if (in.end - in.at < VERSION_BYTES + HEADER_BYTES) continue;
    if (memcmp(in.at + VERSION_BYTES, header, HEADER_BYTES)) continue;
    for (int b = 0; b < VERSION_BYTES; b++)
      versions[i] = (int64_t)((uint64_t)versions[i] << 8 | in.at[b]);
    in.at += VERSION_BYTES + HEADER_BYTES;
    const Text ad_id = take_text(&in);
    take_long(&in);
    const int64_t status = take_long(&in);
    prices[i] = take_long(&in);
    if (status < 0 || status > 1 || ad_id.size != key_ends[i] - key_begin ||
        memcmp(ad_id.data, keys + key_begin, (size_t)ad_id.size))
      in.bad = 1;
    // Blocks of attributes, each with how many there are; a negative one has its size in bytes, too.
    for (int64_t left; !in.bad && (left = take_long(&in)) != 0;) {
      if (left < 0) {
        left = -left;
        take_long(&in);
      }
      for (; left > 0 && !in.bad; left--) {
        const Text name = take_text(&in), value = take_text(&in);
        if (in.bad) break;
        const int64_t name_number = number_of(&texts, name);
        const int64_t value_number = number_of(&texts, value);
        if (item == item_room || name_number < 0 || value_number < 0) return -1;
        items[3 * item] = (int32_t)i;
        items[3 * item + 1] = (int32_t)name_number;
        items[3 * item++ + 2] = (int32_t)value_number;
      }
    }
    if (in.bad) {
      item = first;
      continue;
    }
    read[i] = 1;
    active[i] = status == 0;
  }
  counts[0] = item;
  counts[1] = texts.count;
  return 0;
}
