// model_cache.h - stored bundles, opened for predictions and kept in memory, newest use first.
//
// Thread-safe. A model that somebody still uses lives on after it has left the cache.
#ifndef PREDICTOR_ENGINE_MODEL_CACHE_H
#define PREDICTOR_ENGINE_MODEL_CACHE_H

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "engine/error.h"
#include "engine/model/aligned_bytes.h"
#include "engine/store.h"
#include "plan/predict.h"

namespace predictor::engine {

struct ServedModel {
  BundleName name;
  std::string sha256;
  AlignedBytes bytes;
  Model model;  // reads `bytes` in place
};

class ModelCache {
 public:
  // Keeps at most so many bytes of bundles, but always the last one used.
  ModelCache(Store& store, size_t most_bytes) : store_(store), most_bytes_(most_bytes) {}

  // The bundle that is stored under the name now; reads and verifies it if it is not kept yet.
  Result<std::shared_ptr<const ServedModel>> get(const BundleName& name);

 private:
  std::shared_ptr<const ServedModel> find(const BundleName& name, const std::string& sha256);
  void keep(std::shared_ptr<const ServedModel> model);

  Store& store_;
  const size_t most_bytes_;
  std::mutex mutex_;
  std::list<std::shared_ptr<const ServedModel>> kept_;  // the last used in front
};

}  // namespace predictor::engine

#endif
