// store.h - finished bundles on disk: DATA/models/NAMESPACE/MODEL/VERSION.bundle, with facts about
// each in VERSION.json beside it.
//
// A bundle is immutable: it is written whole (files.h) and verified every time it is read. One that
// does not verify is renamed to *.quarantined with a line in the log, and the service goes on.
// The database is the authority on version numbers; a later training of the same version replaces
// the bundle, and the job that made it knows its checksum.
//
// DATA/format holds the version of all this; a store of a later version is not touched.
//
// Thread-safe; nobody who only asks waits for the disk. Namespaces, model ids and versions must be
// checked by the caller (text.h).
#ifndef PREDICTOR_ENGINE_STORE_H
#define PREDICTOR_ENGINE_STORE_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
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

  // Of each model, from the next put() on.
  void keep_versions(size_t count) { versions_kept_ = count; }

  // Reads what is there, and quarantines what does not verify.
  Failure open();

  // Verifies, writes and prunes the oldest beyond the number kept.
  Result<BundleFacts> put(const BundleName& name, std::span<const std::byte> bytes,
                          const std::string& job);
  // What is known of it; reads nothing.
  Result<BundleFacts> facts(const BundleName& name);
  // The version of the model that was made last.
  std::optional<uint32_t> newest(const std::string& space, const std::string& model);
  Result<StoredBundle> get(const BundleName& name);
  Failure remove(const BundleName& name);
  // How many bundles there are, and their bytes.
  void measure(size_t& bundles, uint64_t& bytes);
  // Of these namespaces, in the order of their names.
  std::vector<std::pair<BundleName, BundleFacts>> list(const std::vector<std::string>& spaces);

 private:
  std::filesystem::path path_of(const BundleName& name, const char* suffix) const;
  void open_model(const std::string& space, const std::string& model);
  void quarantine(const BundleName& name, const std::string& reason);
  Failure check_format();
  std::vector<BundleName> beyond_kept(const BundleName& newest);
  void remove_files(const BundleName& name);

  const std::filesystem::path root_;
  std::atomic<size_t> versions_kept_;
  std::mutex disk_mutex_;  // whoever changes files holds it, and takes mutex_ after it
  std::mutex mutex_;
  std::map<BundleName, BundleFacts> index_;  // guarded by mutex_
};

}  // namespace predictor::engine

#endif
