#include "engine/model/cross_fit.h"

#include <algorithm>
#include <unordered_set>

namespace predictor::engine {

std::vector<Split> withhold_in_turn(const Dataset& data, int networks, double share,
                                    uint64_t seed) {
  std::vector<int> rest = all_plans(data), before;  // not withheld yet, withheld already
  std::vector<Split> splits;
  for (int i = 0; i < networks; i++) {
    const double of_rest = share * data.plans() / std::max<double>(1, rest.size());
    Split split = split_by(data.group, rest, of_rest, seed + static_cast<uint64_t>(i));
    if (split.held_out.empty()) break;
    rest = split.training;
    split.training.insert(split.training.end(), before.begin(), before.end());
    before.insert(before.end(), split.held_out.begin(), split.held_out.end());
    splits.push_back(std::move(split));
  }
  return splits;
}

KnownContent only_met(const KnownContent& known, const Dataset& data, std::span<const int> plans) {
  std::unordered_set<uint64_t> identities[kIdentityCount], signatures, queries;
  for (int p : plans) {
    signatures.insert(data.signature[p]);
    queries.insert(data.query[p]);
    for (size_t node = static_cast<size_t>(data.first[p]);
         node < static_cast<size_t>(data.first[p + 1]); node++)
      for (int t = 0; t < kIdentityCount; t++)
        identities[t].insert(data.identity[node * kIdentityCount + t]);
  }
  KnownContent met = known;
  for (int t = 0; t < kIdentityCount; t++)
    for (uint64_t& identity : met.identities[t])
      if (!identities[t].contains(identity)) identity = 0;
  std::erase_if(met.signatures, [&](uint64_t s) { return !signatures.contains(s); });
  std::erase_if(met.queries, [&](uint64_t q) { return !queries.contains(q); });
  return met;
}

void forget_unmet(const KnownContent& known, NetworkWeights& weights) {
  for (int t = 0; t < kIdentityCount; t++) {
    std::vector<float>& table = weights.identity[t];
    const auto row = [&](size_t number) {
      return table.begin() + static_cast<std::ptrdiff_t>(number * weights.hidden);
    };
    for (size_t i = 0; i < known.identities[t].size(); i++)
      if (known.identities[t][i] == 0)
        std::copy_n(row(kUnknownIdentity), weights.hidden, row(kFirstIdentity + i));
  }
}

}  // namespace predictor::engine
