// siphash.h - SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
//
// The one primitive that is written here: signatures use it under a fixed public key, constants of
// users' statements under a secret key of their database.
#ifndef PREDICTOR_PLAN_SIPHASH_H
#define PREDICTOR_PLAN_SIPHASH_H

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

uint64_t siphash24(SipKey key, const void* data, size_t length);

// Convenience for a fixed number of words.
uint64_t siphash24_words(SipKey key, const uint64_t* words, size_t count);

}  // namespace predictor

#endif
