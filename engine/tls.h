// tls.h - the server's side of trust: its certificate, who may sign clients', and who is revoked.
//
// Knows OpenSSL only, not the network. The CA directory holds ca.crt (one or more authorities that
// sign clients), server.crt (our certificate, with its chain), server.key, and, if certificates
// are to be revoked, ca.crl (a list from each authority). A directory that was made for openGauss
// has other files and other rules: opengauss/ca_folder.h.
#ifndef PREDICTOR_ENGINE_TLS_H
#define PREDICTOR_ENGINE_TLS_H

#include <ctime>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/settings.h"

struct ssl_ctx_st;
struct ssl_st;

namespace predictor::engine {

// Something that ends by itself.
struct Expiry {
  std::string name;  // "certificate", "authority" or "revocation_list"
  std::filesystem::path file;
  std::time_t ends_at = 0;

  // Whole days that are left, rounded down; negative once it has ended.
  long days_left(std::time_t now = std::time(nullptr)) const;
};

// What is about to end, in words with the next step; one line for each, nothing if all is well.
std::vector<std::string> expiry_warnings(const std::vector<Expiry>& expiries,
                                         std::time_t now = std::time(nullptr));

// The certificates in use. Thread-safe; connections keep what they began with.
class ServerTls {
 public:
  // Reads the files anew. If any of them is not as it should be, everything stays as it was.
  Failure load(const Settings& settings);

  // For a new connection.
  std::shared_ptr<ssl_ctx_st> current() const;

  // Whether the client of an established connection would be let in by the certificates in use now;
  // if not, why. Its handshake may have been with those of before.
  std::string verify_again(ssl_st* connection) const;

  std::vector<Expiry> expiries() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
  bool is_opengauss_ca_ = false;
  std::vector<Expiry> expiries_;
};

// Why a handshake failed, and what to do: `library_error` is OpenSSL's number, 0 if it was not
// OpenSSL that ended it.
std::string handshake_problem(ssl_st* connection, unsigned long library_error);

}  // namespace predictor::engine

#endif
