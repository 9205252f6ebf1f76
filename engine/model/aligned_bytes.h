// aligned_bytes.h - a copy of a bundle where the runtime reads it fastest: at the start of a line
// of the cache, as a backend has it, which maps the file.
#ifndef PREDICTOR_ENGINE_MODEL_ALIGNED_BYTES_H
#define PREDICTOR_ENGINE_MODEL_ALIGNED_BYTES_H

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>

#include "plan/bundle.h"

namespace predictor::engine {

class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(std::span<const std::byte> from)
      : bytes_(static_cast<std::byte*>(
            ::operator new (from.size(), std::align_val_t{kBundleAlignment}))),
        size_(from.size()) {
    std::copy(from.begin(), from.end(), bytes_.get());
  }

  size_t size() const { return size_; }
  std::span<const std::byte> span() const { return {bytes_.get(), size_}; }

 private:
  struct Delete {
    void operator()(std::byte* bytes) const {
      ::operator delete (bytes, std::align_val_t{kBundleAlignment});
    }
  };
  std::unique_ptr<std::byte, Delete> bytes_;
  size_t size_ = 0;
};

}  // namespace predictor::engine

#endif
