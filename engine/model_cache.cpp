#include "engine/model_cache.h"

#include <algorithm>

#include "engine/model/model.h"

namespace predictor::engine {

Result<std::shared_ptr<const ServedModel>> ModelCache::get(const BundleName& name) {
  const Result<BundleFacts> facts = store_.facts(name);
  if (!facts) return facts.error();
  if (auto kept = find(name, facts.value().sha256)) return kept;
  Result<StoredBundle> stored = store_.get(name);
  if (!stored) return stored.error();
  auto served = std::make_shared<ServedModel>();
  served->name = name;
  served->sha256 = stored.value().facts.sha256;
  served->bytes = AlignedBytes(stored.value().bytes);
  const BundleStatus status = served->model.open(served->bytes.span(), openssl_sha256);
  if (status != BundleStatus::kOk) {
    return Error{"bundle_corrupt",
                 std::string("the bundle cannot be used: ") + bundle_status_text(status), 410};
  }
  keep(served);
  return std::shared_ptr<const ServedModel>(served);
}

std::shared_ptr<const ServedModel> ModelCache::find(const BundleName& name,
                                                    const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(),
                                  [&](const auto& model) { return model->name == name; });
  if (found == kept_.end()) return nullptr;
  if ((*found)->sha256 != sha256) {  // replaced in the store meanwhile
    kept_.erase(found);
    return nullptr;
  }
  kept_.splice(kept_.begin(), kept_, found);
  return kept_.front();
}

void ModelCache::keep(std::shared_ptr<const ServedModel> model) {
  const std::lock_guard lock(mutex_);
  std::erase_if(kept_, [&](const auto& other) { return other->name == model->name; });
  kept_.push_front(std::move(model));
  size_t bytes = 0;
  auto entry = kept_.begin();
  while (entry != kept_.end() &&
         (entry == kept_.begin() || bytes + (*entry)->bytes.size() <= most_bytes_)) {
    bytes += (*entry++)->bytes.size();
  }
  kept_.erase(entry, kept_.end());
}

}  // namespace predictor::engine
