// access.h - who a client is, as its certificate says, and which namespaces it may use.
//
// A client's identity is one DNS or URI name (subject alternative name) of its certificate, DNS
// names in lower case; its common name counts for nothing, except with certificates that were made
// for openGauss (opengauss/ca_folder.h), where it is all there is. Thread-safe: change() may come
// at any time, and holds for whoever is identified after it.
#ifndef PREDICTOR_ENGINE_ACCESS_H
#define PREDICTOR_ENGINE_ACCESS_H

#include <mutex>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/settings.h"

struct ssl_st;

namespace predictor::engine {

// Who asks, and what it may touch.
struct Caller {
  std::string name;
  std::vector<std::string> spaces;
  bool is_opengauss_only = false;  // may reach openGauss's routes alone
};

class Access {
 public:
  explicit Access(const Settings& settings) { change(settings); }

  void change(const Settings& settings);

  // For a connection whose handshake is done. A certificate without a name of the configured kind,
  // or with several of them, is refused with a 403: which of them should count?
  Result<Caller> identify(ssl_st* connection) const;

  // What a name may touch.
  Caller caller(const std::string& name) const;

 private:
  Result<Caller> identify_by_common_name(const std::string& name) const;

  mutable std::mutex mutex_;
  NameKind kind_ = NameKind::kAny;
  bool is_opengauss_ca_ = false;
  std::map<std::string, std::set<std::string>> grants_;
};

}  // namespace predictor::engine

#endif
