// known.h - what a model has met in training: identities with a row in the network's tables, and
// plans and queries as sets of hashes. Lookups touch one or two cache lines; nothing is allocated.
#ifndef PREDICTOR_PLAN_KNOWN_H
#define PREDICTOR_PLAN_KNOWN_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/features.h"

namespace predictor {

inline constexpr uint32_t kKnownVersion = 1;

// Most rows of each identity's table; with 64 floats a row all four of two networks take 4 MB.
inline constexpr size_t kMostIdentities = 2000;
inline constexpr size_t kMostSignatures = 32000;  // of plans, and as many of queries

// How close a plan is to those of the training; answers are calibrated for each level apart.
enum Familiarity : int {
  kSamePlan,   // how long this plan took with these constants is in the plan cache
  kRepeated,   // how many rows this plan makes or aggregates, with these constants, is in memory
  kSeenPlan,   // this plan signature was in the training
  kSeenQuery,  // this query was
  kUnseen,     // none of these
  kForeign,    // nor was any relation that it reads
  kFamiliarityCount
};

// The query behind a plan: PostgreSQL's query id, or, where the source has none, the relations that
// the plan reads, in whatever order it joins them. Never 0.
uint64_t query_key(const PredictorRecord& record);

// Hash of all constants, whatever the order of the joins; 0 if there are none.
uint64_t constants_key(const PredictorRecord& record);

struct KnownContent {
  std::vector<uint64_t> identities[kIdentityCount];  // in the order of their rows, from
                                                     // kFirstIdentity on, 0: an empty row; no
                                                     // duplicate
  std::vector<uint64_t> signatures;
  std::vector<uint64_t> queries;
};

std::vector<std::byte> write_known(const KnownContent& content);

class Known {
 public:
  bool open(std::span<const std::byte> content);

  // Row of the identity's table: kNoIdentity for 0, kUnknownIdentity for what is not there.
  uint32_t row(int table, uint64_t identity) const;
  uint32_t row_count(int table) const;
  // May training have met more identities than there was room for?
  bool is_full(int table) const { return identities_[table].count >= kMostIdentities; }
  Familiarity familiarity(uint64_t signature, uint64_t query) const;

 private:
  // Open addressing with linear probing; capacity is a power of two and at least one slot is
  // empty (0), so that every search ends. `values` is null for a set.
  struct Table {
    const uint64_t* keys = nullptr;
    const uint32_t* values = nullptr;
    uint64_t mask = 0;
    uint32_t count = 0;
    uint32_t find(uint64_t key) const;  // position, or kNotFound
  };
  static constexpr uint32_t kNotFound = UINT32_MAX;
  template <typename Reader>
  static bool read_table(Reader& in, bool with_values, Table& table);

  Table identities_[kIdentityCount];
  Table signatures_;
  Table queries_;
};

}  // namespace predictor

#endif
