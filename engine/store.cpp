#include "engine/store.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/files.h"
#include "engine/json_text.h"
#include "engine/log.h"
#include "engine/model/model.h"
#include "engine/sha256.h"
#include "engine/text.h"
#include "plan/predict.h"

namespace predictor::engine {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kFactsLimit = 64 << 10;
constexpr char kBundleSuffix[] = ".bundle";
constexpr char kFactsSuffix[] = ".json";
constexpr char kQuarantinedSuffix[] = ".quarantined";
constexpr char kFormat[] = "predictord data 1\n";

// Empty if the bytes are a bundle that answers its canary; else why not.
std::string verify(std::span<const std::byte> bytes) {
  Model model;
  const BundleStatus status = model.open(bytes, openssl_sha256);
  return status == BundleStatus::kOk ? "" : bundle_status_text(status);
}

BundleFacts read_facts(const fs::path& path, const fs::path& bundle) {
  BundleFacts facts;
  std::error_code ignored;
  const auto written = fs::last_write_time(bundle, ignored);
  facts.created_at = unix_milliseconds(std::chrono::file_clock::to_sys(written));
  const Result<std::vector<std::byte>> text = read_file(path, kFactsLimit);
  if (!text) return facts;
  const json content = json::parse(
      reinterpret_cast<const char*>(text.value().data()),
      reinterpret_cast<const char*>(text.value().data()) + text.value().size(), nullptr, false);
  facts.created_at = json_number(content, "created_at", facts.created_at);
  facts.job = json_string(content, "job");
  return facts;
}

void set_aside(const fs::path& path, const std::string& reason) {
  log_error(path.string() + " is set aside as " + path.filename().string() + kQuarantinedSuffix +
            ": " + reason);
  if (Failure failure = rename_durably(path, path.string() + kQuarantinedSuffix)) {
    log_error(failure->message);
  }
}

}  // namespace

Store::Store(fs::path data_dir, size_t versions_kept)
    : root_(std::move(data_dir) / "models"), versions_kept_(versions_kept) {}

fs::path Store::path_of(const BundleName& name, const char* suffix) const {
  return root_ / name.space / name.model / (std::to_string(name.version) + suffix);
}

Failure Store::check_format() {
  const fs::path path = root_.parent_path() / "format";
  std::error_code status;
  if (!fs::exists(path, status)) return write_file(path, std::string_view(kFormat));
  const Result<std::vector<std::byte>> text = read_file(path, kFactsLimit);
  if (!text) return text.error();
  const std::string_view found(reinterpret_cast<const char*>(text.value().data()),
                               text.value().size());
  if (found == kFormat) return std::nullopt;
  return Error{"data_format", "the data directory " + root_.parent_path().string() +
                                  " is of another version of predictord (" + printable(found, 40) +
                                  "); use that version, or give this one its own --data-dir"};
}

Failure Store::open() {
  if (Failure failure = make_directory(root_)) return failure;
  if (Failure failure = check_format()) return failure;
  const std::lock_guard lock(mutex_);
  for (const std::string& space : directory_entries(root_)) {
    if (!is_plain_name(space)) continue;
    for (const std::string& model : directory_entries(root_ / space)) {
      if (canonical_uuid(model) == model) open_model(space, model);
    }
  }
  log_info("the store holds " + std::to_string(index_.size()) + " bundles");
  return std::nullopt;
}

void Store::open_model(const std::string& space, const std::string& model) {
  const fs::path directory = root_ / space / model;
  for (const std::string& entry : directory_entries(directory)) {
    if (entry.ends_with(kTemporarySuffix)) {
      remove_file(directory / entry);
      continue;
    }
    if (entry.ends_with(kFactsSuffix) || entry.ends_with(kQuarantinedSuffix)) continue;
    const size_t end =
        entry.ends_with(kBundleSuffix) ? entry.size() - sizeof(kBundleSuffix) + 1 : 0;
    const auto version = parse_number(std::string_view(entry).substr(0, end), 1,
                                      std::numeric_limits<int32_t>::max());
    if (!version) {
      set_aside(directory / entry, "it is no file of the store");
      continue;
    }
    const BundleName name{space, model, static_cast<uint32_t>(*version)};
    const Result<std::vector<std::byte>> bytes = read_file(directory / entry, kBundleSizeLimit);
    const std::string problem = bytes ? verify(bytes.value()) : bytes.error().message;
    if (!problem.empty()) {
      quarantine(name, problem);
      continue;
    }
    BundleFacts facts = read_facts(path_of(name, kFactsSuffix), directory / entry);
    facts.size = bytes.value().size();
    facts.sha256 = sha256_hex(bytes.value());
    index_[name] = facts;
  }
}

void Store::quarantine(const BundleName& name, const std::string& reason) {
  set_aside(path_of(name, kBundleSuffix), reason);
  index_.erase(name);
}

Result<BundleFacts> Store::put(const BundleName& name, std::span<const std::byte> bytes,
                               const std::string& job) {
  // What training hands over may not be aligned as the runtime needs it.
  const std::vector<std::byte> aligned(bytes.begin(), bytes.end());
  if (const std::string problem = verify(aligned); !problem.empty()) {
    return Error{"bad_bundle", "the trained bundle does not verify: " + problem +
                                   "; this is a defect of the engine, please report it"};
  }
  BundleFacts facts{bytes.size(), sha256_hex(bytes), unix_milliseconds(), job};
  const json content = {{"size", facts.size},
                        {"sha256", facts.sha256},
                        {"created_at", facts.created_at},
                        {"job", facts.job}};
  const fs::path path = path_of(name, kBundleSuffix);
  const std::lock_guard disk_lock(disk_mutex_);
  if (Failure failure = make_directory(path.parent_path())) return *failure;
  if (Failure failure = write_file(path, bytes)) return *failure;
  if (Failure failure = write_file(path_of(name, kFactsSuffix), json_text(content))) {
    return *failure;
  }
  {
    const std::lock_guard lock(mutex_);
    index_[name] = facts;
  }
  for (const BundleName& old : beyond_kept(name)) remove_files(old);
  return facts;
}

// Takes those that are too many, beside the newest, out of the index. By age and not by number: a
// database restored from a backup counts from an earlier version.
std::vector<BundleName> Store::beyond_kept(const BundleName& newest) {
  std::vector<std::pair<int64_t, BundleName>> versions;
  const std::lock_guard lock(mutex_);
  for (auto entry = index_.lower_bound({newest.space, newest.model, 0});
       entry != index_.end() && entry->first.space == newest.space &&
       entry->first.model == newest.model;
       ++entry) {
    if (entry->first != newest) versions.emplace_back(entry->second.created_at, entry->first);
  }
  std::sort(versions.rbegin(), versions.rend());
  std::vector<BundleName> old;
  for (size_t i = versions_kept_ - 1; i < versions.size(); i++) {
    old.push_back(versions[i].second);
    index_.erase(versions[i].second);
  }
  return old;
}

void Store::remove_files(const BundleName& name) {
  remove_file(path_of(name, kFactsSuffix));
  remove_file(path_of(name, kBundleSuffix));
}

namespace {

Error bundle_not_found(const BundleName& name) {
  const std::string what =
      name.version == 0 ? "version" : "version " + std::to_string(name.version);
  return Error{
      "bundle_not_found",
      "there is no " + what + " of model " + name.model + "; GET /v1/models lists what there is",
      404};
}

}  // namespace

Result<BundleFacts> Store::facts(const BundleName& name) {
  const std::lock_guard lock(mutex_);
  const auto entry = index_.find(name);
  if (entry == index_.end()) return bundle_not_found(name);
  return entry->second;
}

std::optional<uint32_t> Store::newest(const std::string& space, const std::string& model) {
  std::optional<uint32_t> version;
  int64_t latest = 0;
  const std::lock_guard lock(mutex_);
  for (auto entry = index_.lower_bound({space, model, 0});
       entry != index_.end() && entry->first.space == space && entry->first.model == model;
       ++entry) {
    if (version && entry->second.created_at < latest) continue;
    version = entry->first.version;
    latest = entry->second.created_at;
  }
  return version;
}

Result<StoredBundle> Store::get(const BundleName& name) {
  const Result<BundleFacts> known = facts(name);
  if (!known) return known.error();
  const BundleFacts& facts = known.value();
  Result<std::vector<std::byte>> bytes = read_file(path_of(name, kBundleSuffix), kBundleSizeLimit);
  std::string problem = bytes ? verify(bytes.value()) : bytes.error().message;
  if (problem.empty() && sha256_hex(bytes.value()) != facts.sha256) {
    problem = "its checksum is not the one it was stored with";
  }
  if (problem.empty()) return StoredBundle{std::move(bytes.value()), facts};

  const std::lock_guard disk_lock(disk_mutex_);
  const std::lock_guard lock(mutex_);
  const auto entry = index_.find(name);
  if (entry == index_.end()) return bundle_not_found(name);
  if (entry->second.sha256 != facts.sha256) {
    return Error{"bundle_replaced", "the bundle was replaced meanwhile; ask again", 409};
  }
  quarantine(name, problem);
  return Error{"bundle_corrupt",
               "the stored bundle was damaged and has been set aside; train the version again",
               410};
}

Failure Store::remove(const BundleName& name) {
  const std::lock_guard disk_lock(disk_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (index_.erase(name) == 0) return bundle_not_found(name);
  }
  remove_files(name);
  return std::nullopt;
}

void Store::measure(size_t& bundles, uint64_t& bytes) {
  const std::lock_guard lock(mutex_);
  bundles = index_.size();
  bytes = 0;
  for (const auto& [name, facts] : index_) bytes += facts.size;
}

std::vector<std::pair<BundleName, BundleFacts>> Store::list(
    const std::vector<std::string>& spaces) {
  std::vector<std::pair<BundleName, BundleFacts>> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, facts] : index_) {
    if (std::find(spaces.begin(), spaces.end(), name.space) != spaces.end()) {
      found.emplace_back(name, facts);
    }
  }
  return found;
}

}  // namespace predictor::engine
