#include "engine/opengauss/key_password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "engine/files.h"
#include "engine/opengauss/crc.h"

namespace predictor::engine::opengauss {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFieldSize = 17;
constexpr size_t kUsedSize = 16;
constexpr size_t kCipherFileSize = 56;
constexpr size_t kRandFileSize = 24;
constexpr int kRounds = 10000;
static_assert(std::endian::native == std::endian::little, "the files are in this byte order");

using Block = std::array<unsigned char, kUsedSize>;

Error key_error(const fs::path& path, const std::string& what) {
  return Error{"certificates", path.string() + " " + what +
                                   "; make it again with gs_guc encrypt, or name the passphrase's "
                                   "command in passphrase_command"};
}

Result<std::vector<std::byte>> read_checked(const fs::path& path, size_t size) {
  if (Failure failure = check_private_key_file(path)) return *failure;
  Result<std::vector<std::byte>> content = read_file(path, size);
  if (!content) return content;
  if (content.value().size() != size) {
    return key_error(path, "is not " + std::to_string(size) + " bytes long");
  }
  const std::span<const std::byte> bytes(content.value());
  uint32_t stored;
  std::memcpy(&stored, bytes.data() + size - sizeof(stored), sizeof(stored));
  if (legacy_crc32(bytes.first(size - sizeof(stored))) != stored) {
    return key_error(path, "is damaged: its checksum does not fit");
  }
  return content;
}

Block field(std::span<const std::byte> content, size_t index) {
  Block block;
  std::memcpy(block.data(), content.data() + index * kFieldSize, block.size());
  return block;
}

struct ContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// The block in clear, or false.
bool decrypt(const Block& secret, const Block& salt, const Block& iv, const Block& from,
             Block& clear) {
  Block key;
  const std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter> context(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool done =
      context &&
      PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(secret.data()), secret.size(), salt.data(),
                        salt.size(), kRounds, EVP_sha256(), key.size(), key.data()) == 1 &&
      EVP_DecryptInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, key.data(), iv.data()) == 1 &&
      EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
      EVP_DecryptUpdate(context.get(), clear.data(), &length, from.data(), from.size()) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  return done && length == static_cast<int>(clear.size());
}

// Without the 0x80 and the zeros after the text; nothing if there is no such padding.
std::optional<std::string> unpad(const Block& block) {
  size_t end = block.size();
  while (end > 0 && block[end - 1] == 0) end--;
  if (end == 0 || block[end - 1] != 0x80) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(block.data()), end - 1);
}

}  // namespace

uint32_t legacy_crc32(std::span<const std::byte> data) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table(0xedb88320U);
  uint32_t crc = 0xffffffffU;
  for (const std::byte byte : data) {
    crc = kTable[(crc >> 24) ^ std::to_integer<uint32_t>(byte)] ^ (crc << 8);
  }
  return crc ^ 0xffffffffU;
}

Result<std::string> read_key_password(const fs::path& key) {
  const fs::path cipher_path = key.string() + ".cipher";
  const fs::path rand_path = key.string() + ".rand";
  const Result<std::vector<std::byte>> cipher = read_checked(cipher_path, kCipherFileSize);
  if (!cipher) return cipher.error();
  const Result<std::vector<std::byte>> rand = read_checked(rand_path, kRandFileSize);
  if (!rand) return rand.error();

  Block clear;
  if (!decrypt(field(rand.value(), 0), field(cipher.value(), 1), field(cipher.value(), 2),
               field(cipher.value(), 0), clear)) {
    return key_error(cipher_path, "could not be decrypted: OpenSSL refused");
  }
  std::optional<std::string> password = unpad(clear);
  OPENSSL_cleanse(clear.data(), clear.size());
  if (!password) {
    return key_error(cipher_path, "and " + rand_path.string() + " do not belong together");
  }
  return *password;
}

}  // namespace predictor::engine::opengauss
