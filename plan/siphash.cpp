#include "plan/siphash.h"

#include <cstring>

namespace predictor {

uint64_t siphash24(SipKey key, const void* data, size_t length) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  SipHash hash(key);
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= length; at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, bytes + at, sizeof word);
    hash.absorb(word);
  }
  uint64_t last = uint64_t{length & 0xff} << 56;
  for (int shift = 0; at < length; at++, shift += 8) last |= uint64_t{bytes[at]} << shift;
  return hash.finish(last);
}

}  // namespace predictor
