#include "plan/siphash.h"

#include <bit>
#include <cstring>

namespace predictor {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }

  void absorb(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t siphash24(SipKey key, const void* data, size_t length) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  State s{key.k0 ^ 0x736f6d6570736575ULL, key.k1 ^ 0x646f72616e646f6dULL,
          key.k0 ^ 0x6c7967656e657261ULL, key.k1 ^ 0x7465646279746573ULL};
  size_t whole = length & ~size_t{7};
  for (size_t i = 0; i < whole; i += 8) {
    uint64_t word = 0;
    for (int b = 0; b < 8; b++) word |= uint64_t{bytes[i + b]} << (8 * b);
    s.absorb(word);
  }
  uint64_t last = uint64_t{length & 0xff} << 56;
  for (size_t b = 0; whole + b < length; b++) last |= uint64_t{bytes[whole + b]} << (8 * b);
  s.absorb(last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; i++) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t siphash24_words(SipKey key, const uint64_t* words, size_t count) {
  static_assert(std::endian::native == std::endian::little,
                "hashes of words assume little-endian byte order");
  return siphash24(key, words, count * sizeof(uint64_t));
}

}  // namespace predictor
