#include "engine/sha256.h"

#include <openssl/evp.h>

#include <cstdint>
#include <new>
#include <stdexcept>

#include "engine/text.h"

namespace predictor::engine {

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  if (!context_) throw std::bad_alloc();
  if (EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL offers no SHA-256");
  }
}

void Sha256::update(std::span<const std::byte> data) {
  if (EVP_DigestUpdate(context_.get(), data.data(), data.size()) != 1) {
    throw std::runtime_error("SHA-256 could not be computed");
  }
}

std::string Sha256::finish() {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context_.get(), digest, &length) != 1) {
    throw std::runtime_error("SHA-256 could not be computed");
  }
  return to_hex({digest, length});
}

std::string sha256_hex(std::span<const std::byte> data) {
  Sha256 sum;
  sum.update(data);
  return sum.finish();
}

}  // namespace predictor::engine
