// flat_table.h - a hash table as a section of a bundle, searched in place: open
// addressing with linear probing over entries that begin with their key. Const
// after open(); allocates nothing.
#ifndef PREDICTOR_PLAN_FLAT_TABLE_H
#define PREDICTOR_PLAN_FLAT_TABLE_H

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/bundle.h"

namespace predictor {

// `Entry` has a uint64_t `key`, which is 0 in an empty slot, and is 8-aligned
// plain data.
template <typename Entry>
class FlatTable {
 public:
  // The content of a section. `entries` stand in the order of their usefulness:
  // those beyond `limit` are left out, and so are those with key 0 or a key
  // that came before.
  static std::vector<std::byte> write(std::span<const Entry> entries, size_t limit) {
    entries = entries.first(std::min(entries.size(), limit));
    const size_t capacity = std::bit_ceil(entries.size() + entries.size() / 3 + 2);
    std::vector<Entry> slots(capacity);
    for (const Entry& entry : entries) {
      if (entry.key == 0) continue;
      size_t at = entry.key & (capacity - 1);
      while (slots[at].key != 0 && slots[at].key != entry.key) at = (at + 1) & (capacity - 1);
      if (slots[at].key == 0) slots[at] = entry;
    }
    SectionWriter out;
    out.put(static_cast<uint32_t>(capacity));
    out.put_array(std::span<const Entry>(slots));
    return out.take();
  }

  bool open(std::span<const std::byte> content) {
    SectionReader in(content);
    const auto capacity = in.get<uint32_t>();
    if (!in.ok() || !std::has_single_bit(capacity)) return false;
    slots_ = in.get_array<Entry>(capacity);
    mask_ = capacity - 1;
    return in.finished();
  }

  // Never null; an entry of zeros where nothing is known.
  const Entry* find(uint64_t key) const {
    static constexpr Entry kNothing{};
    if (slots_ == nullptr || key == 0) return &kNothing;
    // Bounded, so that a table without an empty slot ends the search too.
    for (uint64_t step = 0; step <= mask_; step++) {
      const Entry& slot = slots_[(key + step) & mask_];
      if (slot.key == key) return &slot;
      if (slot.key == 0) break;
    }
    return &kNothing;
  }

 private:
  const Entry* slots_ = nullptr;
  uint64_t mask_ = 0;
};

}  // namespace predictor

#endif
