#include "engine/opengauss/key_password.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/files.h"
#include "engine/support_test.h"

namespace predictor::engine::opengauss {
namespace {

namespace fs = std::filesystem;

void append_checksum(std::string& content) {
  const uint32_t crc = legacy_crc32(std::as_bytes(std::span(content)));
  content.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
}

// A field as gs_guc writes it: 16 bytes that count, and one that may be anything.
std::string field(const std::string& bytes) { return bytes + "?"; }

struct Files {
  std::string cipher;
  std::string rand;
};

// The other direction of read_key_password(), by OpenSSL's own functions.
Files make_files(const std::string& password) {
  const std::string secret = "0123456789abcdef";
  const std::string salt = "salt of 16 bytes";
  const std::string iv = "fedcba9876543210";
  unsigned char key[16];
  EXPECT_EQ(PKCS5_PBKDF2_HMAC(secret.data(), static_cast<int>(secret.size()),
                              reinterpret_cast<const unsigned char*>(salt.data()),
                              static_cast<int>(salt.size()), 10000, EVP_sha256(), sizeof(key), key),
            1);
  std::string padded = password + '\x80';
  padded.resize(16, '\0');
  std::string encrypted(16, '\0');
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int length = 0;
  EVP_EncryptInit_ex(context, EVP_aes_128_cbc(), nullptr, key,
                     reinterpret_cast<const unsigned char*>(iv.data()));
  EVP_CIPHER_CTX_set_padding(context, 0);
  EVP_EncryptUpdate(context, reinterpret_cast<unsigned char*>(encrypted.data()), &length,
                    reinterpret_cast<const unsigned char*>(padded.data()), 16);
  EVP_CIPHER_CTX_free(context);
  Files files{field(encrypted) + field(salt) + field(iv) + "?", field(secret) + "???"};
  append_checksum(files.cipher);
  append_checksum(files.rand);
  return files;
}

class KeyPassword : public ::testing::Test {
 protected:
  void write(const std::string& suffix, const std::string& content) {
    ASSERT_FALSE(write_file(key().string() + suffix, std::string_view(content)));
  }
  void write(const Files& files) {
    write(".cipher", files.cipher);
    write(".rand", files.rand);
  }
  fs::path key() const { return directory_.path() / "server.key"; }
  std::string problem() {
    const Result<std::string> password = read_key_password(key());
    return password ? "none" : password.error().message;
  }

 private:
  test::TemporaryDirectory directory_;
};

TEST(LegacyCrc32, is_not_the_standard_one) {
  const std::string text = "123456789";
  EXPECT_EQ(legacy_crc32(std::as_bytes(std::span(text))), 0xc40ed0b0U);
}

TEST_F(KeyPassword, is_read_as_it_was_written) {
  for (const std::string password : {"Gauss@123", "x", "fifteen chars.."}) {
    write(make_files(password));
    const Result<std::string> read = read_key_password(key());
    ASSERT_TRUE(read) << problem();
    EXPECT_EQ(read.value(), password);
  }
}

TEST_F(KeyPassword, damaged_files_are_named) {
  Files files = make_files("Gauss@123");
  write(files);
  files.cipher[3] ^= 1;
  write(".cipher", files.cipher);
  EXPECT_NE(problem().find("server.key.cipher is damaged"), std::string::npos) << problem();
  write(".cipher", files.cipher.substr(0, 40));
  EXPECT_NE(problem().find("is not 56 bytes long"), std::string::npos) << problem();
}

TEST_F(KeyPassword, files_of_two_keys_do_not_belong_together) {
  write(make_files("Gauss@123"));
  std::string rand = field("another secret!!") + "???";
  append_checksum(rand);
  write(".rand", rand);
  EXPECT_NE(problem().find("do not belong together"), std::string::npos) << problem();
}

TEST_F(KeyPassword, files_that_others_can_read_are_refused) {
  write(make_files("Gauss@123"));
  fs::permissions(key().string() + ".rand", fs::perms::others_read, fs::perm_options::add);
  EXPECT_NE(problem().find("server.key.rand"), std::string::npos) << problem();
}

}  // namespace
}  // namespace predictor::engine::opengauss
