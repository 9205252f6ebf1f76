// store.h - finished bundles on disk: DATA/models/NAMESPACE/MODEL/VERSION.bundle, with facts about
// each in VERSION.json beside it.
//
// A bundle is immutable: it is written whole (files.h) and verified every time it is read. One that
// does not verify is renamed to *.quarantined with a line in the log, and the service goes on.
// The database is the authority on version numbers; a later training of the same version replaces
// the bundle, and the job that made it knows its checksum.
//
// Thread-safe. Namespaces, model ids and versions must be checked by the caller (text.h).
#ifndef PREDICTOR_ENGINE_STORE_H
#define PREDICTOR_ENGINE_STORE_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"

namespace predictor::engine {

struct BundleName {
  std::string space;
  std::string model;
  uint32_t version = 0;

  auto operator<=>(const BundleName&) const = default;
};

struct BundleFacts {
  uint64_t size = 0;
  std::string sha256;      // of the whole file
  int64_t created_at = 0;  // ms since 1970
  std::string job;         // that made it; empty if that is not known
};

struct StoredBundle {
  std::vector<std::byte> bytes;
  BundleFacts facts;
};

class Store {
 public:
  Store(std::filesystem::path data_dir, size_t versions_kept);

  // Reads what is there, and quarantines what does not verify.
  Failure open();

  // Verifies, writes and prunes the oldest beyond the number kept.
  Result<BundleFacts> put(const BundleName& name, std::span<const std::byte> bytes,
                          const std::string& job);
  Result<StoredBundle> get(const BundleName& name);
  Failure remove(const BundleName& name);
  // Of these namespaces, in the order of their names.
  std::vector<std::pair<BundleName, BundleFacts>> list(const std::vector<std::string>& spaces);

 private:
  std::filesystem::path path_of(const BundleName& name, const char* suffix) const;
  void open_model(const std::string& space, const std::string& model);
  void quarantine(const BundleName& name, const std::string& reason);
  void prune(const BundleName& newest);

  const std::filesystem::path root_;
  const size_t versions_kept_;
  std::mutex mutex_;
  std::map<BundleName, BundleFacts> index_;  // guarded by mutex_
};

}  // namespace predictor::engine

#endif
