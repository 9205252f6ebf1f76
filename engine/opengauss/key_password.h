// key_password.h - the passphrase of a private key, from the two files in which openGauss's
// gs_guc keeps it beside the key: KEY.cipher and KEY.rand.
//
//   KEY.cipher, 56 bytes: ciphertext[17], salt[17], iv[17], 1 byte, checksum (u32)
//   KEY.rand,   24 bytes: secret[17], 3 bytes, checksum (u32)
//
// Of each field of 17 bytes the first 16 count. The checksum covers everything before it and is
// PostgreSQL's legacy CRC-32, not the standard one. Key = PBKDF2-HMAC-SHA256(secret, salt, 10 000
// rounds, 16 bytes); the passphrase is AES-128-CBC under it, padded as ISO/IEC 7816-4 says.
//
// This is obfuscation, not protection: whoever can read both files has the passphrase. So both must
// pass the check of key files, as the key itself must.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_KEY_PASSWORD_H
#define PREDICTOR_ENGINE_OPENGAUSS_KEY_PASSWORD_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "engine/error.h"

namespace predictor::engine::opengauss {

// PostgreSQL's legacy CRC-32: the reflected table of the polynomial used as if it was not.
uint32_t legacy_crc32(std::span<const std::byte> data);

// Reads KEY.cipher and KEY.rand beside `key`. The error says which file is wrong and how.
Result<std::string> read_key_password(const std::filesystem::path& key);

}  // namespace predictor::engine::opengauss

#endif
