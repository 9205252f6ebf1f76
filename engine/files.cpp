#include "engine/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/log.h"

namespace predictor::engine {

namespace fs = std::filesystem;

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

Failure File::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t written = ::write(descriptor_, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error("write to", "the file");
    data = data.subspan(static_cast<size_t>(written));
  }
  return std::nullopt;
}

Failure File::sync() {
  if (::fsync(descriptor_) != 0) return file_error("sync", "the file");
  return std::nullopt;
}

void File::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Error file_error(const std::string& verb, const fs::path& path) {
  const int number = errno;
  const bool is_full = number == ENOSPC || number == EDQUOT;
  return Error{is_full ? "disk_full" : "file_error",
               "could not " + verb + " " + path.string() + ": " + std::strerror(number),
               is_full ? 507 : 500};
}

Failure make_directory(const fs::path& path) {
  fs::path so_far;
  for (const fs::path& part : path) {
    so_far /= part;
    if (::mkdir(so_far.c_str(), 0700) == 0 || errno == EEXIST || errno == EISDIR) continue;
    std::error_code ignored;
    if (!fs::is_directory(so_far, ignored)) return file_error("create directory", so_far);
  }
  std::error_code status;
  if (!fs::is_directory(path, status)) {
    return Error{"file_error", path.string() + " is not a directory"};
  }
  return std::nullopt;
}

Result<File> create_file(const fs::path& path) {
  File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open()) return file_error("create", path);
  return file;
}

namespace {

Failure sync_directory(const fs::path& path) {
  File directory(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open()) return file_error("open directory", path);
  if (::fsync(directory.descriptor()) != 0) return file_error("sync directory", path);
  return std::nullopt;
}

}  // namespace

Failure rename_durably(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return file_error("rename to", to);
  return sync_directory(to.parent_path());
}

Failure write_file(const fs::path& path, std::span<const std::byte> content) {
  const fs::path temporary = path.string() + kTemporarySuffix;
  ::unlink(temporary.c_str());
  Result<File> file = create_file(temporary);
  if (!file) return file.error();
  Failure failure = file.value().write(content);
  if (!failure) failure = file.value().sync();
  file.value().close();
  if (!failure) failure = rename_durably(temporary, path);
  if (failure) ::unlink(temporary.c_str());
  return failure;
}

Failure write_file(const fs::path& path, std::string_view content) {
  return write_file(path, std::as_bytes(std::span(content.data(), content.size())));
}

Result<std::vector<std::byte>> read_file(const fs::path& path, size_t limit) {
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (!file.is_open() || ::fstat(file.descriptor(), &status) != 0) return file_error("read", path);
  if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) > limit) {
    return Error{"file_error", path.string() + " is not a regular file of at most " +
                                   std::to_string(limit) + " bytes"};
  }
  std::vector<std::byte> content(static_cast<size_t>(status.st_size));
  size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t got = ::read(file.descriptor(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  content.resize(filled);
  return content;
}

Failure check_private_key_file(const fs::path& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return file_error("read private key file", path);
  if (!S_ISREG(status.st_mode)) {
    return Error{"key_file", "private key file " + path.string() + " is not a regular file"};
  }
  const uid_t us = ::geteuid();
  if (status.st_uid != us && status.st_uid != 0) {
    return Error{"key_file", "private key file " + path.string() +
                                 " must be owned by the user predictord runs as, or by root"};
  }
  if ((status.st_uid == us && (status.st_mode & (S_IRWXG | S_IRWXO))) ||
      (status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)))) {
    return Error{"key_file",
                 "private key file " + path.string() +
                     " has group or world access; it must have permissions u=rw (0600) or less if "
                     "owned by the user predictord runs as, or u=rw,g=r (0640) or less if owned "
                     "by root"};
  }
  return std::nullopt;
}

std::vector<std::string> directory_entries(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code status;
  for (fs::directory_iterator entry(path, status), end; !status && entry != end;
       entry.increment(status)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void remove_file(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    log_warning(file_error("remove", path).message);
  }
}

void remove_tree(const fs::path& path) {
  std::error_code status;
  fs::remove_all(path, status);
  if (status) log_warning("could not remove " + path.string() + ": " + status.message());
}

Result<File> lock_directory(const fs::path& directory) {
  const fs::path path = directory / "predictord.lock";
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.is_open()) return file_error("open", path);
  if (::flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    return Error{"data_dir_in_use", "another predictord uses " + directory.string() +
                                        "; stop it or give this one its own --data-dir"};
  }
  return file;
}

}  // namespace predictor::engine
