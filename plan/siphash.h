// siphash.h - SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
//
// The one primitive that is written here: signatures use it under a fixed public key, constants of
// users' statements under a secret key of their database.
//
// Describing a plan and finding it in a bundle takes some twenty hashes for each node, nearly all
// of them of a few words: these are inlined, so that hashes which do not depend on each other
// overlap.
#ifndef PREDICTOR_PLAN_SIPHASH_H
#define PREDICTOR_PLAN_SIPHASH_H

#include <bit>
#include <cstddef>
#include <cstdint>

namespace predictor {

struct SipKey {
  uint64_t k0;
  uint64_t k1;
};

// For names and shapes, which are equal everywhere: any two installations agree on them.
inline constexpr SipKey kPublicKey{0x707265646963746fULL, 0x722e7075626c6963ULL};

// PredictorStatement.key_id of records whose constants were hashed under kPublicKey: those that
// offline tools read from trace files.
inline constexpr uint64_t kPublicKeyId = 1;

class SipHash {
 public:
  explicit SipHash(SipKey key)
      : v0_(key.k0 ^ 0x736f6d6570736575ULL),
        v1_(key.k1 ^ 0x646f72616e646f6dULL),
        v2_(key.k0 ^ 0x6c7967656e657261ULL),
        v3_(key.k1 ^ 0x7465646279746573ULL) {}

  void absorb(uint64_t word) {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }

  // `last` holds the bytes that are no whole word, and above them the length of all.
  uint64_t finish(uint64_t last) {
    absorb(last);
    v2_ ^= 0xff;
    round();
    round();
    round();
    round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_;
};

uint64_t siphash24(SipKey key, const void* data, size_t length);

// The same of words, as they lie in memory.
template <size_t count>
inline uint64_t siphash24_words(SipKey key, const uint64_t (&words)[count]) {
  static_assert(std::endian::native == std::endian::little,
                "hashes of words assume little-endian byte order");
  static_assert(count < 32, "the length counts modulo 256");
  SipHash hash(key);
  for (uint64_t word : words) hash.absorb(word);
  return hash.finish(uint64_t{count * sizeof(uint64_t)} << 56);
}

}  // namespace predictor

#endif
