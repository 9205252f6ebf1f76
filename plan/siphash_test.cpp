#include "plan/siphash.h"

#include <gtest/gtest.h>

#include <vector>

namespace predictor {
namespace {

// The first vectors of the reference implementation (SipHash-2-4, 64 bits): key 00 01 .. 0f,
// input 00 01 .. n-1.
TEST(SipHash, matches_the_reference_vectors) {
  constexpr SipKey kKey{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
  constexpr uint64_t kExpected[] = {
      0x726fdb47dd0e0e31ULL, 0x74f839c593dc67fdULL, 0x0d6c8009d9a94f5aULL,
      0x85676696d7fb7e2dULL, 0xcf2794e0277187b7ULL, 0x18765564cd99a68dULL,
      0xcbc9466e58fee3ceULL, 0xab0200f58b01d137ULL, 0x93f5f5799a932462ULL};
  std::vector<unsigned char> input;
  for (uint64_t expected : kExpected) {
    EXPECT_EQ(siphash24(kKey, input.data(), input.size()), expected) << input.size();
    input.push_back(static_cast<unsigned char>(input.size()));
  }
  // The example of the paper's appendix A: 15 bytes.
  std::vector<unsigned char> fifteen(15);
  for (size_t i = 0; i < fifteen.size(); i++) fifteen[i] = static_cast<unsigned char>(i);
  EXPECT_EQ(siphash24(kKey, fifteen.data(), fifteen.size()), 0xa129ca6149be45e5ULL);
}

TEST(SipHash, words_are_their_bytes) {
  uint64_t words[] = {1, 2, 3};
  EXPECT_EQ(siphash24_words(kPublicKey, words), siphash24(kPublicKey, words, sizeof words));
}

}  // namespace
}  // namespace predictor
