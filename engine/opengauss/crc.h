// crc.h - tables of cyclic redundancy checks of 32 bits, least significant bit first.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_CRC_H
#define PREDICTOR_ENGINE_OPENGAUSS_CRC_H

#include <array>
#include <cstdint>

namespace predictor::engine::opengauss {

// What each byte adds to a check; the polynomial's bits are reversed.
constexpr std::array<uint32_t, 256> crc_table(uint32_t polynomial) {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ ((value & 1) != 0 ? polynomial : 0);
    table[i] = value;
  }
  return table;
}

}  // namespace predictor::engine::opengauss

#endif
