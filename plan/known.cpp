#include "plan/known.h"

#include <bit>

#include "plan/bundle.h"
#include "plan/network.h"
#include "plan/siphash.h"

namespace predictor {
namespace {

constexpr uint32_t kMaxCapacity = 1u << 20;

void write_table(SectionWriter& out, std::span<const uint64_t> keys, bool with_values) {
  size_t capacity = std::bit_ceil(2 * keys.size() + 2);
  std::vector<uint64_t> slots(capacity, 0);
  std::vector<uint32_t> values(capacity, 0);
  uint32_t count = 0;
  for (size_t i = 0; i < keys.size(); i++) {
    if (keys[i] == 0) continue;
    size_t at = keys[i] & (capacity - 1);
    while (slots[at] != 0 && slots[at] != keys[i]) at = (at + 1) & (capacity - 1);
    if (slots[at] == keys[i]) continue;
    slots[at] = keys[i];
    values[at] = static_cast<uint32_t>(i) + kFirstIdentity;
    count++;
  }
  out.put(static_cast<uint32_t>(capacity));
  out.put(count);
  out.put_array(std::span<const uint64_t>(slots));
  if (with_values) out.put_array(std::span<const uint32_t>(values));
}

}  // namespace

uint64_t query_key(const PredictorRecord& record) {
  constexpr uint64_t kByQueryId = 1, kByRelations = 2;
  uint64_t block[] = {kByQueryId, record.statement.query_id};
  if (record.statement.query_id == 0) {
    block[0] = kByRelations;
    for (int i = 0; i < record.node_count; i++) {
      uint64_t relation = record.nodes[i].relation;
      // A sum does not depend on the order; hashing first keeps multiples apart.
      if (relation != 0) block[1] += siphash24_words(kPublicKey, {relation});
    }
  }
  uint64_t key = siphash24_words(kPublicKey, block);
  return key == 0 ? 1 : key;
}

uint64_t constants_key(const PredictorRecord& record) {
  uint64_t sum = 0;
  for (int i = 0; i < record.node_count; i++) {
    uint64_t constants = record.nodes[i].constants;
    // What a bitmap's index scan looks for is said again where the heap is read.
    if (record.nodes[i].op == PREDICTOR_OP_BITMAP_INDEX_SCAN) continue;
    if (constants != 0) sum += siphash24_words(kPublicKey, {constants});
  }
  return sum;
}

std::vector<std::byte> write_known(const KnownContent& content) {
  SectionWriter out;
  for (const auto& identities : content.identities) write_table(out, identities, true);
  write_table(out, content.signatures, false);
  write_table(out, content.queries, false);
  return out.take();
}

template <typename Reader>
bool Known::read_table(Reader& in, bool with_values, Table& table) {
  auto capacity = in.template get<uint32_t>();
  table.count = in.template get<uint32_t>();
  if (!in.ok() || !std::has_single_bit(capacity) || capacity > kMaxCapacity) return false;
  if (table.count >= capacity) return false;
  table.mask = capacity - 1;
  table.keys = in.template get_array<uint64_t>(capacity);
  table.values = with_values ? in.template get_array<uint32_t>(capacity) : nullptr;
  if (!in.ok()) return false;
  uint32_t used = 0;
  for (uint32_t i = 0; i < capacity; i++) {
    if (table.keys[i] == 0) continue;
    used++;
    if (with_values && (table.values[i] < kFirstIdentity || table.values[i] >= kMaxCapacity))
      return false;
  }
  return used == table.count;
}

bool Known::open(std::span<const std::byte> content) {
  SectionReader in(content);
  for (Table& table : identities_)
    if (!read_table(in, true, table)) return false;
  return read_table(in, false, signatures_) && read_table(in, false, queries_) && in.finished();
}

uint32_t Known::Table::find(uint64_t key) const {
  for (uint64_t at = key & mask; keys[at] != 0; at = (at + 1) & mask)
    if (keys[at] == key) return static_cast<uint32_t>(at);
  return kNotFound;
}

uint32_t Known::row(int table, uint64_t identity) const {
  if (identity == 0) return kNoIdentity;
  uint32_t at = identities_[table].find(identity);
  return at == kNotFound ? kUnknownIdentity : identities_[table].values[at];
}

uint32_t Known::row_count(int table) const {
  uint32_t rows = kFirstIdentity;
  const Table& identities = identities_[table];
  for (uint64_t at = 0; at <= identities.mask; at++)
    if (identities.keys[at] != 0 && identities.values[at] >= rows) rows = identities.values[at] + 1;
  return rows;
}

Familiarity Known::familiarity(uint64_t signature, uint64_t query) const {
  if (signature != 0 && signatures_.find(signature) != kNotFound) return kSeenPlan;
  return queries_.find(query) != kNotFound ? kSeenQuery : kUnseen;
}

}  // namespace predictor
