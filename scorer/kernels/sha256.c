// SHA-256 (FIPS 180-4, section 6.2.2): one block joins the state.
#include <string.h>

#include "kernels.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static inline uint32_t turned(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void compress_anywhere(uint32_t *state, const uint8_t *block) {
  uint32_t words[64], s[8];
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
  for (int i = 0; i < 8; i++) state[i] += s[i];
}

#if defined(__AVX2__)
// By the processor's own instructions, which keep the state as ABEF and CDGH (Gulley et al., Intel
// SHA Extensions, 2013).
__attribute__((target("sha,sse4.1"))) static void compress_by_processor(uint32_t *state,
                                                                        const uint8_t *block) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i dcba = _mm_loadu_si128((const __m128i *)state);
  const __m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  const __m128i first = _mm_alignr_epi8(cdab, efgh, 8), second = _mm_blend_epi16(efgh, cdab, 0xf0);
  __m128i abef = first, cdgh = second, words[4];
  for (int i = 0; i < 4; i++)
    words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + i), big_endian);
#pragma GCC unroll 16
  for (int four = 0; four < 16; four++) {
    __m128i *const now = &words[four % 4], *const last = &words[(four + 3) % 4];
    if (four >= 4) {
      const __m128i seven_back = _mm_alignr_epi8(*last, words[(four + 2) % 4], 4);
      const __m128i begun = _mm_sha256msg1_epu32(*now, words[(four + 1) % 4]);
      *now = _mm_sha256msg2_epu32(_mm_add_epi32(begun, seven_back), *last);
    }
    const __m128i added =
        _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(constants + 4 * four)));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, added);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(added, 0x0e));
  }
  abef = _mm_add_epi32(abef, first);
  cdgh = _mm_add_epi32(cdgh, second);
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

void sha256_compress(uint32_t *state, const uint8_t *block) {
#if defined(__AVX2__)
  if (__builtin_cpu_supports("sha")) {
    compress_by_processor(state, block);
    return;
  }
#endif
  compress_anywhere(state, block);
}
