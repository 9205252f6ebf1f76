// files.h - files that are written whole or not at all, and the checks of files that hold secrets.
//
// Every file is written under a temporary name in its own directory, synced, renamed, and the
// directory synced: after a crash there is the old content or the new one, and perhaps a leftover
// that ends in kTemporarySuffix, which whoever owns the directory removes at start.
#ifndef PREDICTOR_ENGINE_FILES_H
#define PREDICTOR_ENGINE_FILES_H

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"

namespace predictor::engine {

inline constexpr char kTemporarySuffix[] = ".tmp";

// Owns a file descriptor.
class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() { close(); }
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept;

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  // All of it or an error.
  Failure write(std::span<const std::byte> data);
  Failure sync();
  void close();

 private:
  int descriptor_ = -1;
};

// Error with `code`, "could not VERB PATH: reason" from errno.
Error file_error(const std::string& verb, const std::filesystem::path& path);

// Creates what is missing of the path, readable for nobody else.
Failure make_directory(const std::filesystem::path& path);

// A new file that must not exist yet, mode 0600, open for writing.
Result<File> create_file(const std::filesystem::path& path);

// Renames within one file system and syncs the directory of `to`.
Failure rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

Failure write_file(const std::filesystem::path& path, std::span<const std::byte> content);
Failure write_file(const std::filesystem::path& path, std::string_view content);

// Refuses a file beyond `limit` bytes. The content is aligned for any use.
Result<std::vector<std::byte>> read_file(const std::filesystem::path& path, size_t limit);

// As PostgreSQL checks its own key: a regular file, owned by us (0600 or less) or by root (0640 or
// less); see check_ssl_key_file_permissions() in src/backend/libpq/be-secure-common.c.
Failure check_private_key_file(const std::filesystem::path& path);

// Names of the entries of a directory, sorted; empty if it cannot be read.
std::vector<std::string> directory_entries(const std::filesystem::path& path);

// Removes the file if it is there; a failure is logged and otherwise ignored.
void remove_file(const std::filesystem::path& path);

// The same for a directory and all that is in it.
void remove_tree(const std::filesystem::path& path);

// Locks DIRECTORY/predictord.lock for this process's lifetime; fails if another process holds it.
Result<File> lock_directory(const std::filesystem::path& directory);

}  // namespace predictor::engine

#endif
