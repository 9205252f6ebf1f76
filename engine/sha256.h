// sha256.h - SHA-256 of data that comes in pieces, by OpenSSL.
#ifndef PREDICTOR_ENGINE_SHA256_H
#define PREDICTOR_ENGINE_SHA256_H

#include <cstddef>
#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;

namespace predictor::engine {

class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> data);
  // Lower-case hexadecimal digits of everything so far; the object is used up afterwards.
  std::string finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

std::string sha256_hex(std::span<const std::byte> data);

}  // namespace predictor::engine

#endif
